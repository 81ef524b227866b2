"""How many sequences a model's configuration has places for in one server."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.cluster.router import Sequences
from distctl.policy.sequences import places, sequences

REPOSITORY = Path(__file__).parents[3] / "model_repo"
BATCHER = "sequence_batching { direct { } }\n"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("max_batch_size: 8 instance_group [ { count: 1 kind: KIND_CPU } ]", 8),
        ("max_batch_size: 8\ninstance_group [\n {\n count: 2\n kind: KIND_CPU\n }\n]", 16),
        ("max_batch_size: 4 instance_group { count: 2 kind: KIND_CPU }", 8),
        ("max_batch_size: 4 instance_group: [{kind: KIND_CPU}, {kind: KIND_CPU, count: 3}]", 16),
        ("max_batch_size: 0 instance_group [ { kind: KIND_CPU } ]", 1),
        ("instance_group [ { kind: KIND_MODEL count: 2 } ]", 2),
        ("max_batch_size: 8 instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] } ]", 32),
        ("max_batch_size: 8 instance_group [ { kind: KIND_GPU gpus: 0 gpus: 1 } ]", 16),
        ("max_batch_size: 8 instance_group [ { count: 1 kind: KIND_GPU } ]", 0),
        ("max_batch_size: 8 instance_group [ { count: 1 } ]", 0),
        ("max_batch_size: 8", 0),
        ("max_batch_size: 2 # instance_group [ {count: 9} ]\ninstance_group [ { kind: KIND_CPU } ]", 2),
        ("max_batch_size: 2 instance_group [ { rate_limiter { priority: 1 } kind: KIND_CPU count: 3 } ]", 6),
        ("max_batch_size: 8 oldest { max_candidate_sequences: 64 } instance_group { kind: KIND_CPU }", 64),
    ],
)
def test_places_are_instances_times_what_each_takes(config: str, expected: int) -> None:
    assert places(BATCHER + config) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("simple_sequence", Sequences(10.0, 8)),
        ("simple_dyna_sequence", Sequences(10.0, 1024)),
        ("digits", None),
        ("textgen", None),
    ],
)
def test_sample_models(model: str, expected: Sequences | None) -> None:
    assert sequences((REPOSITORY / model / "config.pbtxt").read_text()) == expected


def test_a_broken_configuration_bounds_nothing() -> None:
    assert places(BATCHER + "instance_group [ { count: 1") == 0
