"""How probably a tumour is malignant: one logistic regression over its features as they were measured."""

from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

NAMES = np.array([b"benign", b"malignant"], dtype=np.object_)


class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        with np.load(folder / "weights.npz") as weights:
            self.slope, self.intercept = weights["slope"], weights["intercept"]

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        features = pb_utils.get_input_tensor_by_name(request, "FEATURES").as_numpy()
        logit = features @ self.slope + self.intercept
        # Beyond 60 the exponential is 0 or 1 to the last digit, and further out it would overflow.
        probability = 1 / (1 + np.exp(-np.clip(logit, -60, 60))).reshape(-1, 1)
        label = NAMES[(probability > 0.5).astype(int)]
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("PROBABILITY", probability.astype(np.float32)),
                pb_utils.Tensor("LABEL", label),
            ]
        )
