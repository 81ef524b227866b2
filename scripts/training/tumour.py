"""Tumour diagnosis: 569 fine needle aspirates, 30 features each (UCI, W. Wolberg and others, CC BY 4.0)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from training.trained import Trained, sample, tensor

NAMES = ("benign", "malignant")


def train() -> Trained:
    """Fit a logistic regression on three quarters of the aspirates; judge it on the last quarter."""
    features, benign = load_breast_cancer(return_X_y=True)
    malignant = 1 - benign
    rows = np.arange(len(features))
    seen, unseen = train_test_split(rows, test_size=0.25, random_state=0, stratify=malignant)
    scaler = StandardScaler().fit(features[seen])
    model = LogisticRegression(C=0.5, max_iter=1000)
    model.fit(scaler.transform(features[seen]), malignant[seen])
    right = model.predict(scaler.transform(features[unseen])) == malignant[unseen]
    # The scaling is folded into the weights, so that the model takes the features as they were measured.
    slope = model.coef_[0] / scaler.scale_
    return Trained(
        {"slope": slope, "intercept": np.array(model.intercept_[0] - scaler.mean_ @ slope)},
        {name: _sample(features, malignant, unseen[right], kind) for kind, name in enumerate(NAMES)},
        float(right.mean()),
        "of the diagnoses that it had not seen are right",
    )


def _sample(features: Any, malignant: Any, rows: Any, kind: int) -> dict[str, Any]:
    """The first of `rows` that is of this kind, as a request."""
    row = int(next(row for row in rows if malignant[row] == kind))
    return sample(
        f"a {NAMES[kind]} tumour: row {row} of scikit-learn's breast cancer data, not seen in training",
        [tensor("FEATURES", "FP32", [1, 30], [float(feature) for feature in features[row]])],
        {"LABEL": [NAMES[kind]]},
    )
