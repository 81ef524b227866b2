"""Adds two rows on the first GPU that the server sees, and names that GPU."""

import numpy as np
import triton_python_backend_utils as pb_utils
from cuda import Adder, load


class TritonPythonModel:
    def initialize(self, args):
        self.adder = Adder(load())

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        a, b = (pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in ("A", "B"))
        if a.shape != b.shape:
            error = pb_utils.TritonError(f"A has {a.size} numbers and B has {b.size}")
            return pb_utils.InferenceResponse(error=error)
        gpu = np.array([self.adder.uuid.encode()], dtype=object)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("SUM", self.adder.add(a, b)), pb_utils.Tensor("GPU", gpu)]
        )

    def finalize(self):
        self.adder.close()
