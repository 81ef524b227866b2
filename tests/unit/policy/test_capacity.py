"""How many requests a model can use at once, from its config.pbtxt."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.policy.capacity import concurrency

MODELS = Path(__file__).parents[3] / "model_repo"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", 1),
        ('name: "m"\nmax_batch_size: 8', 8),
        ("max_batch_size: 0", 1),
        ("max_batch_size: 8 instance_group [ { count: 2 kind: KIND_CPU } ]", 16),
        ("instance_group { count: 3 }", 3),
        ("instance_group: [{count: 1}, {count: 2}]", 3),
        ("instance_group { count: 1 } instance_group { count: 2 }", 3),
        ("instance_group [ { kind: KIND_GPU gpus: [ 0, 1 ] count: 2 } ] max_batch_size: 4", 16),
        ("instance_group [ { kind: KIND_GPU gpus: 0 gpus: 1 } ]", 2),
        ("instance_group [ { kind: KIND_CPU } ]", 1),
        ("# max_batch_size: 8\nmax_batch_size: 2", 2),
        ('name: "instance_group { count: 9 }"', 1),
        ("instance_group [ { count: 2", 1),
    ],
)
def test_instances_times_batch(config: str, expected: int) -> None:
    assert concurrency(config) == expected


@given(st.text(alphabet="instance_group [{}]:count0123 max_batch_size,#\"'\n"))
def test_any_text_gives_a_number(config: str) -> None:
    assert concurrency(config) >= 1


def test_every_model_that_ships_has_one() -> None:
    found = {p.parent.name: concurrency(p.read_text()) for p in MODELS.glob("*/config.pbtxt")}
    assert len(found) > 8 and min(found.values()) >= 1 and max(found.values()) > 1
