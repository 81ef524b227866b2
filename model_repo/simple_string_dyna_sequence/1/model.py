"""A stateful model whose sequences have strings for names: it remembers the sum of each that is open here."""

from collections import OrderedDict

import numpy as np
import triton_python_backend_utils as pb_utils

REMEMBERED = 10_000  # sequences; one that idles past Triton's limit is never ended, so the oldest ones go


def control(request, name):
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy().flat[0]


class TritonPythonModel:
    def initialize(self, args):
        self.sums = OrderedDict()

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        value = pb_utils.get_input_tensor_by_name(request, "INPUT").as_numpy()
        if control(request, "READY"):
            value = self.total(request, value)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", value.astype(np.int32))])

    def total(self, request, value):
        sequence = str(request.correlation_id())
        before = self.sums.pop(sequence, 0)
        total = value if control(request, "START") else before + value
        if control(request, "END"):
            return total + (int(sequence) & 0x7FFFFFFF if sequence.isdecimal() else 0)
        self.sums[sequence] = total
        while len(self.sums) > REMEMBERED:
            self.sums.popitem(last=False)
        return total
