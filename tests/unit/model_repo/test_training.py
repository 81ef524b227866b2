"""The committed weights are what the training script makes of the data, and good on rows it did not see."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_breast_cancer, load_digits
from train_models import MODELS, REPOSITORY
from training.trained import Trained

GOOD_ENOUGH = {"digits": 0.95, "tumour": 0.93, "recommender": 0.9, "textgen": 0.4}
LARGEST = 500_000  # bytes: the wheel carries them


@cache
def trained(model: str) -> Trained:
    """The training, run anew, once."""
    return MODELS[model].train()


@cache
def committed(model: str) -> dict[str, Any]:
    """The weights in the repository."""
    with np.load(REPOSITORY / model / "1" / "weights.npz") as weights:
        return dict(weights)


def digits_of(weights: dict[str, Any]) -> Any:
    """What the network says to all images."""
    images, _ = load_digits(return_X_y=True)
    hidden = np.maximum(images / 16 @ weights["hidden"] + weights["hidden_bias"], 0)
    return (hidden @ weights["output"] + weights["output_bias"]).argmax(axis=1)


def probabilities_of(weights: dict[str, Any]) -> Any:
    """What the regression says to all aspirates."""
    features, _ = load_breast_cancer(return_X_y=True)
    return 1 / (1 + np.exp(-(features @ weights["slope"] + weights["intercept"])))


def distances_of(weights: dict[str, Any]) -> Any:
    """How far apart all wines lie: a map that is turned or mirrored is the same map."""
    places = weights["places"]
    return np.linalg.norm(places[:, None] - places[None], axis=2)


@pytest.mark.parametrize("model", MODELS)
def test_training_anew_is_good_enough_on_what_was_held_back(model: str) -> None:
    assert trained(model).quality > GOOD_ENOUGH[model]


def test_committed_digits_say_what_trained_digits_say() -> None:
    """Another processor's rounding may move a weight in 100 epochs, but hardly an answer."""
    assert (digits_of(committed("digits")) == digits_of(dict(trained("digits").weights))).mean() > 0.98


def test_committed_tumour_says_what_trained_tumour_says() -> None:
    ours, anew = (probabilities_of(w) for w in (committed("tumour"), dict(trained("tumour").weights)))
    assert np.allclose(ours, anew, atol=0.01)


def test_committed_wines_lie_where_trained_wines_lie() -> None:
    ours, anew = (distances_of(w) for w in (committed("recommender"), dict(trained("recommender").weights)))
    # Releases of scikit-learn scale the map by a percent or two; its shape is what recommends.
    assert np.corrcoef(ours.ravel(), anew.ravel())[0, 1] > 0.9999
    assert (committed("recommender")["grower"] == trained("recommender").weights["grower"]).all()


def test_committed_text_statistics_are_those_of_the_documentation() -> None:
    """Counted, so equal to the last count, as long as the documentation is the same."""
    ours, anew = committed("textgen"), trained("textgen").weights
    if str(ours["scikit_learn"]) == sklearn.__version__:
        assert all(np.array_equal(ours[name], anew[name]) for name in ours)
    else:
        assert len(set(ours["words"]) & set(anew["words"])) > 0.8 * len(ours["words"])


@pytest.mark.parametrize("model", MODELS)
def test_what_is_written_is_small_and_the_same_each_time(model: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        trained(model).write(tmp_path / name)
    one, two = (tmp_path / name / "1" / "weights.npz" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_size < LARGEST


def test_writing_anew_removes_samples_that_are_no_longer_made(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "old.json").write_text("{}")
    trained("tumour").write(tmp_path)
    assert sorted(path.stem for path in (tmp_path / "samples").iterdir()) == ["benign", "malignant"]


@pytest.mark.parametrize("model", ["digits", "tumour", "recommender"])
def test_committed_samples_are_those_that_the_script_writes(model: str) -> None:
    files = sorted((REPOSITORY / model / "samples").glob("*.json"))
    assert {path.stem: json.loads(path.read_text()) for path in files} == trained(model).samples
