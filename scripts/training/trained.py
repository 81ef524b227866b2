"""What a training gives: weights, samples, and how good the model is on rows that it did not see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Trained:
    """A trained model: its arrays, its samples by file name, its quality and what that number means."""

    weights: Mapping[str, np.ndarray[Any, Any]]
    samples: Mapping[str, Mapping[str, Any]]
    quality: float
    measure: str

    def write(self, folder: Path) -> None:
        """Write `1/weights.npz` and `samples/*.json` into a model folder; old samples go."""
        (folder / "1").mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "1" / "weights.npz", **self.weights)
        (folder / "samples").mkdir(exist_ok=True)
        for old in (folder / "samples").glob("*.json"):
            old.unlink()
        for name, sample in self.samples.items():
            (folder / "samples" / f"{name}.json").write_text(json.dumps(sample, ensure_ascii=False) + "\n")


def tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    """One input tensor as KServe's v2 protocol writes it in JSON."""
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def sample(about: str, inputs: list[dict[str, Any]], expected: Mapping[str, list[Any]]) -> dict[str, Any]:
    """A sample's file: a v2 request that may be sent as it is, and the answer that is right."""
    return {"about": about, "inputs": inputs, "expected": dict(expected)}
