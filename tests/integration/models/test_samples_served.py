"""Every sample model answers every sample that lies beside it, over HTTP and over gRPC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distctl.samples import Sample, samples

REPOSITORY = Path(__file__).parents[3] / "model_repo"
STREAMING = {"textgen", "repeat_int32"}
ALL = [
    pytest.param(folder.name, sample, id=f"{folder.name}-{sample.name}")
    for folder in sorted(REPOSITORY.iterdir())
    for sample in samples(folder)
]
UNARY = [case for case in ALL if case.values[0] not in STREAMING]


@pytest.mark.parametrize(("model", "sample"), UNARY)
def test_a_sample_is_answered_as_it_says_over_http(triton, model: str, sample: Sample) -> None:
    answer = triton.infer(model, sample.request)
    assert {name: answer[name] for name in sample.expected} == sample.expected


@pytest.mark.parametrize(("model", "sample"), ALL)
def test_a_sample_is_answered_as_it_says_over_a_grpc_stream(stream, model: str, sample: Sample) -> None:
    responses = stream(model, sample.request)
    joined = {name: [v for one in responses for v in one[name]] for name in sample.expected}
    assert joined == sample.expected


@pytest.mark.parametrize(("model", "sample"), UNARY)
def test_a_sample_is_answered_as_it_says_over_unary_grpc(ask, model: str, sample: Sample) -> None:
    answer = ask(model, sample.request)
    assert {name: answer[name] for name in sample.expected} == sample.expected


def test_a_samples_file_is_a_request_as_it_is(triton) -> None:
    """`curl -d @FILE` works: Triton ignores what the file says besides the request."""
    file = REPOSITORY / "digits" / "samples" / "3.json"
    assert triton.infer("digits", json.loads(file.read_text()))["DIGIT"] == [3]


def test_every_model_is_served_under_its_folders_name(triton) -> None:
    for folder in REPOSITORY.iterdir():
        assert triton.state(folder.name) == ("READY", ""), folder.name


def test_a_folder_of_samples_is_no_version(triton) -> None:
    versions = [e.get("version") for e in triton.post("v2/repository/index", {}) if e["name"] == "digits"]
    assert versions == ["1"]
