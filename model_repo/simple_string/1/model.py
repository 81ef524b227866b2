"""Sum and difference of whole numbers written as text: what NVIDIA's string client examples talk to."""

import numpy as np
import triton_python_backend_utils as pb_utils


def numbers(request, name):
    texts = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    return np.array([int(text) for text in texts.flat], dtype=np.int64).reshape(texts.shape)


def texts(name, values):
    written = np.array([str(value).encode() for value in values.flat], dtype=np.object_)
    return pb_utils.Tensor(name, written.reshape(values.shape))


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        try:
            a, b = numbers(request, "INPUT0"), numbers(request, "INPUT1")
        except ValueError as problem:
            return pb_utils.InferenceResponse([], pb_utils.TritonError(f"not a whole number: {problem}"))
        return pb_utils.InferenceResponse([texts("OUTPUT0", a + b), texts("OUTPUT1", a - b)])
