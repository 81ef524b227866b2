"""The trained models are as good when served as they were in training, and refuse nonsense in words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from tritonclient.utils import InferenceServerException

BATCH = 32


def unseen(labels: Any) -> Any:
    """The rows that the training holds back."""
    rows = np.arange(len(labels))
    return train_test_split(rows, test_size=0.25, random_state=0, stratify=labels)[1]


def served(client: Any, model: str, name: str, rows: Any, output: str) -> Any:
    """One output for all rows, asked in whole batches."""
    parts = []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH].astype(np.float32)
        tensor = grpcclient.InferInput(name, part.shape, "FP32")
        tensor.set_data_from_numpy(part)
        parts.append(client.infer(model, [tensor]).as_numpy(output))
    return np.concatenate(parts)


def test_of_the_digits_never_seen_more_than_95_of_100_are_right(grpc) -> None:
    images, labels = load_digits(return_X_y=True)
    rows = unseen(labels)
    digits = served(grpc, "digits", "IMAGE", images[rows], "DIGIT")
    assert (digits.ravel() == labels[rows]).mean() > 0.95


def test_requests_that_are_batched_together_get_their_own_answers_back(triton) -> None:
    images, labels = load_digits(return_X_y=True)
    rows = unseen(labels)

    def some(start: int) -> tuple[int, list[int]]:
        part = images[rows[start : start + 1 + start % 5]]
        tensor = {
            "name": "IMAGE",
            "datatype": "FP32",
            "shape": list(part.shape),
            "data": part.ravel().tolist(),
        }
        return len(part), triton.infer("digits", {"inputs": [tensor]})["DIGIT"]

    alone = [some(start) for start in range(64)]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(some, range(64)))
    assert together == alone
    assert all(count == len(digits) for count, digits in together)


def test_the_scores_of_a_digit_are_probabilities_and_the_digit_is_the_likeliest(grpc) -> None:
    images, _ = load_digits(return_X_y=True)
    scores = served(grpc, "digits", "IMAGE", images[:64], "SCORES")
    assert scores.shape == (64, 10)
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert (scores.argmax(axis=1) == served(grpc, "digits", "IMAGE", images[:64], "DIGIT").ravel()).all()


def test_of_the_tumours_never_seen_more_than_93_of_100_are_told_right(grpc) -> None:
    features, benign = load_breast_cancer(return_X_y=True)
    malignant = 1 - benign
    rows = unseen(malignant)
    label = served(grpc, "tumour", "FEATURES", features[rows], "LABEL").ravel()
    probability = served(grpc, "tumour", "FEATURES", features[rows], "PROBABILITY").ravel()
    assert ((label == b"malignant") == malignant[rows]).mean() > 0.93
    assert ((probability > 0.5) == (label == b"malignant")).all()


def test_absurd_measurements_still_have_a_probability(grpc) -> None:
    features = np.array([[1e30] * 30, [-1e30] * 30])
    probability = served(grpc, "tumour", "FEATURES", features, "PROBABILITY")
    assert np.isfinite(probability).all()


def liked(*people: list[int]) -> dict[str, Any]:
    """A request for recommendations, one row a person."""
    data = [wine for person in people for wine in person]
    shape = [len(people), len(people[0])]
    return {"inputs": [{"name": "LIKED", "datatype": "INT32", "shape": shape, "data": data}]}


def test_nobody_is_recommended_what_they_liked_already(ask) -> None:
    wines = list(range(20))
    answer = ask("recommender", liked(wines))
    assert len(set(answer["ITEMS"])) == 5
    assert not set(answer["ITEMS"]) & set(wines)
    assert answer["SCORES"] == sorted(answer["SCORES"], reverse=True)


def test_two_people_in_one_request_get_what_each_alone_gets(ask) -> None:
    both = ask("recommender", liked([3, 17], [150, -1]))["ITEMS"]
    alone = ask("recommender", liked([3, 17]))["ITEMS"] + ask("recommender", liked([150]))["ITEMS"]
    assert both == alone


@pytest.mark.parametrize(("wines", "words"), [([178], "from 0 to 177"), ([-1], "it takes 1 to 100")])
def test_a_wine_that_does_not_exist_and_none_at_all_are_refused_in_words(ask, wines, words) -> None:
    with pytest.raises(InferenceServerException, match=words):
        ask("recommender", liked(wines))
