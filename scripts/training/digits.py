"""Handwritten digits: 1,797 images of 8 x 8 pixels (UCI, E. Alpaydin and C. Kaynak, CC BY 4.0)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from training.trained import Trained, sample, tensor


def train() -> Trained:
    """Train a network of 64 hidden units on three quarters of the images; judge it on the last quarter."""
    images, labels = load_digits(return_X_y=True)
    seen, unseen = train_test_split(np.arange(len(images)), test_size=0.25, random_state=0, stratify=labels)
    network = MLPClassifier((64,), alpha=1e-3, tol=1e-3, max_iter=1000, random_state=0)
    network.fit(images[seen] / 16, labels[seen])
    right = network.predict(images[unseen] / 16) == labels[unseen]
    weights = dict(
        zip(
            ("hidden", "output", "hidden_bias", "output_bias"),
            network.coefs_ + network.intercepts_,
            strict=True,
        )
    )
    return Trained(
        {name: array.astype(np.float32) for name, array in weights.items()},
        {str(digit): _sample(images, labels, unseen[right], digit) for digit in range(10)},
        float(right.mean()),
        "of the digits that it had not seen are right",
    )


def _sample(images: Any, labels: Any, rows: Any, digit: int) -> dict[str, Any]:
    """The first of `rows` that shows `digit`, as a request."""
    row = int(next(row for row in rows if labels[row] == digit))
    return sample(
        f"a handwritten {digit}: image {row} of scikit-learn's digits, not seen in training",
        [tensor("IMAGE", "FP32", [1, 64], [int(pixel) for pixel in images[row]])],
        {"DIGIT": [digit]},
    )
