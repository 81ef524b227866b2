"""Recommends wines: the nearest on a map of their chemistry to any that was liked."""

from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

SHOWN = 5
LIKED_AT_MOST = 100  # of 178, so that there is always enough left to recommend


class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        with np.load(folder / "weights.npz") as weights:
            self.places, self.grower = weights["places"], weights["grower"]

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        people = pb_utils.get_input_tensor_by_name(request, "LIKED").as_numpy()
        try:
            best = [self.recommend(liked[liked != -1]) for liked in people]
        except ValueError as problem:
            return pb_utils.InferenceResponse([], pb_utils.TritonError(str(problem)))
        items = np.array([wines for wines, _ in best], dtype=np.int32)
        scores = np.array([scores for _, scores in best], dtype=np.float32)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("ITEMS", items),
                pb_utils.Tensor("SCORES", scores),
                pb_utils.Tensor("GROWER", self.grower[items]),
            ]
        )

    def recommend(self, liked):
        """The wines nearest to any of `liked` and a score of each, best first."""
        if not 1 <= len(liked) <= LIKED_AT_MOST:
            raise ValueError(f"LIKED names {len(liked)} wines; it takes 1 to {LIKED_AT_MOST}")
        if liked.min() < 0 or liked.max() >= len(self.places):
            raise ValueError(f"LIKED takes wines from 0 to {len(self.places) - 1}, and -1 for none")
        apart = np.linalg.norm(self.places[:, None] - self.places[liked][None], axis=2).min(axis=1)
        apart[liked] = np.inf
        wines = np.argsort(apart, kind="stable")[:SHOWN]
        return wines, 1 / (1 + apart[wines])
