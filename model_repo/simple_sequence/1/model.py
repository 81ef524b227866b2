"""A stateful model: it remembers the sum of each sequence that is open on this server."""

from collections import OrderedDict

import numpy as np
import triton_python_backend_utils as pb_utils

REMEMBERED = 10_000  # sequences; one that idles past Triton's limit is never ended, so the oldest ones go


def number(request, name):
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()


class TritonPythonModel:
    def initialize(self, args):
        self.sums = OrderedDict()

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        value = number(request, "INPUT")
        if not number(request, "READY").any():  # an idle place in the batch
            return self.response(value, np.zeros_like(value))
        start, end = number(request, "START"), number(request, "END")
        sequence = request.correlation_id()
        total = value if start.any() else self.sums.get(sequence, 0) + value
        self.remember(sequence, total, ends=end.any())
        return self.response(value + start.reshape(value.shape), total)

    def remember(self, sequence, total, ends):
        self.sums.pop(sequence, None)
        if not ends:
            self.sums[sequence] = total
        while len(self.sums) > REMEMBERED:
            self.sums.popitem(last=False)

    def response(self, output, total):
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("OUTPUT", output.astype(np.int32)),
                pb_utils.Tensor("SUM", total.astype(np.int32)),
            ]
        )
