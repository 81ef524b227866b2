"""What a model's configuration says of state."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.policy.stateless import sequence_idle, stateless

SAMPLES = Path(__file__).parents[3] / "model_repo"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("simple", True),
        ("digits", True),
        ("simple_sequence", False),
        ("simple_dyna_sequence", False),
        ("repeat_int32", False),
        ("textgen", False),
    ],
)
def test_sample_models_are_told_apart(model: str, expected: bool) -> None:
    assert stateless((SAMPLES / model / "config.pbtxt").read_text()) is expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", True),
        ("# sequence_batching { }\nmax_batch_size: 8", True),
        ('parameters { key: "sequence_batching" }', True),
        ("parameters { key: 'decoupled: true' }", True),
        ("model_transaction_policy { decoupled: false }", True),
        ("model_transaction_policy{decoupled :true}", False),
        ("sequence_batching\n{ max_sequence_idle_microseconds: 5 }", False),
    ],
)
def test_comments_and_quotes_say_nothing(config: str, expected: bool) -> None:
    assert stateless(config) is expected


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ("max_batch_size: 8", 0.0),
        ("sequence_batching { }", 1.0),
        ("sequence_batching { max_sequence_idle_microseconds: 2500000 direct { } }", 2.5),
        ("# sequence_batching { }\nmax_sequence_idle_microseconds: 5", 0.0),
    ],
)
def test_a_sequence_may_pause_as_long_as_triton_keeps_it(config: str, seconds: float) -> None:
    assert sequence_idle(config) == seconds
