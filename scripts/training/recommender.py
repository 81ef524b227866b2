"""A recommender of wines: 178 Italian ones, 13 measurements each (UCI, M. Forina, CC BY 4.0).

It learns from half of the wines which chemistry tells their three growers apart, and places all of them on
that map; wines like the ones that somebody liked lie beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import train_test_split

from training.trained import Trained, sample, tensor

SHOWN = 5


def train() -> Trained:
    """Learn the map on half of the wines; judge it by what it recommends among the other half."""
    measured, grower = load_wine(return_X_y=True)
    rows = np.arange(len(measured))
    seen, unseen = train_test_split(rows, test_size=0.5, random_state=0, stratify=grower)
    places = LinearDiscriminantAnalysis().fit(measured[seen], grower[seen]).transform(measured)
    hits = [(grower[_nearest(places, row, unseen)] == grower[row]).mean() for row in unseen]
    return Trained(
        {"places": places.astype(np.float32), "grower": grower.astype(np.int32)},
        {f"wine-{row}": _sample(places, row) for row in (0, 60, 150)},
        float(np.mean(hits)),
        "of the wines that it recommends, none of them seen, are by the grower of the wine that was liked",
    )


def _nearest(places: Any, row: int, among: Any) -> Any:
    others = among[among != row]
    return others[np.argsort(np.linalg.norm(places[others] - places[row], axis=1), kind="stable")[:SHOWN]]


def _sample(places: Any, row: int) -> dict[str, Any]:
    answer = [int(wine) for wine in _nearest(places, row, np.arange(len(places)))]
    return sample(
        f"somebody liked wine {row} of scikit-learn's wine data",
        [tensor("LIKED", "INT32", [1, 1], [row])],
        {"ITEMS": answer},
    )
