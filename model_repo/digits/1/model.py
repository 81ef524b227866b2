"""Which digit an image shows: one hidden layer, computed for all waiting requests at once."""

from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        with np.load(folder / "weights.npz") as weights:
            self.weights = dict(weights)

    def execute(self, requests):
        images = [pb_utils.get_input_tensor_by_name(r, "IMAGE").as_numpy() for r in requests]
        scores = np.split(self.scores(np.concatenate(images)), np.cumsum([len(i) for i in images])[:-1])
        return [self.response(part) for part in scores]

    def scores(self, images):
        """The probability of each digit, [n, 10], for images [n, 64] of pixels from 0 to 16."""
        w = self.weights
        hidden = np.maximum(images / np.float32(16) @ w["hidden"] + w["hidden_bias"], 0)
        raw = hidden @ w["output"] + w["output_bias"]
        powers = np.exp(raw - raw.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def response(self, scores):
        digit = scores.argmax(axis=1).astype(np.int32).reshape(-1, 1)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("DIGIT", digit), pb_utils.Tensor("SCORES", scores.astype(np.float32))]
        )
