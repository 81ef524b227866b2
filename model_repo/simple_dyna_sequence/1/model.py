"""Shows each sequence control in its answer: start adds one, end adds the correlation id."""

import numpy as np
import triton_python_backend_utils as pb_utils


def number(request, name):
    return int(pb_utils.get_input_tensor_by_name(request, name).as_numpy().flat[0])


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        value = pb_utils.get_input_tensor_by_name(request, "INPUT").as_numpy().astype(np.int64)
        if number(request, "READY"):
            value = value + number(request, "START")
            if number(request, "END"):
                value = value + np.int64(number(request, "CORRID") & 0x7FFFFFFF)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", value.astype(np.int32))])
