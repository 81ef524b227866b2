"""Samples are read as what they say, and what is none is refused with its path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distctl.errors import InputError
from distctl.samples import samples

REPOSITORY = Path(__file__).parents[3] / "model_repo"
REQUEST = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [1]}], "id": "7"}


def folder_with(folder: Path, **files: object) -> Path:
    """A model folder with these samples."""
    (folder / "samples").mkdir()
    for name, body in files.items():
        text = body if isinstance(body, str) else json.dumps(body)
        (folder / "samples" / f"{name}.json").write_text(text)
    return folder


def test_a_sample_is_its_request_without_what_is_only_for_us(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, one={**REQUEST, "about": "a one", "expected": {"Y": [2]}})
    (one,) = samples(folder)
    assert (one.name, one.about, one.request, one.expected) == ("one", "a one", REQUEST, {"Y": [2]})


def test_a_bare_request_is_a_sample_of_which_nothing_is_expected(tmp_path: Path) -> None:
    (one,) = samples(folder_with(tmp_path, one=REQUEST))
    assert (one.about, one.expected) == ("", {})


def test_samples_come_by_name(tmp_path: Path) -> None:
    found = samples(folder_with(tmp_path, b=REQUEST, a=REQUEST, c=REQUEST))
    assert [sample.name for sample in found] == ["a", "b", "c"]


def test_a_model_without_samples_has_none(tmp_path: Path) -> None:
    assert samples(tmp_path) == ()


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "{}", '{"inputs": {}}', '{"inputs": [], "expected": 3}', '{"inputs": [], "about": 3}'],
)
def test_what_is_no_sample_is_refused_with_its_path(tmp_path: Path, body: str) -> None:
    folder = folder_with(tmp_path, bad=body)
    with pytest.raises(InputError, match=r"samples/bad\.json: not a sample: "):
        samples(folder)


def test_bytes_that_are_not_text_are_refused_with_their_path(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    (folder / "samples" / "bad.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"bad\.json"):
        samples(folder)


def test_every_model_of_the_repository_has_a_sample_that_says_what_is_right() -> None:
    for folder in REPOSITORY.iterdir():
        found = samples(folder)
        assert found, folder.name
        assert all(sample.about and sample.expected for sample in found), folder.name
