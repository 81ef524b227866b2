"""What a model's configuration says of state."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearsal import node, spec

from distctl.cluster.spec import ModelSpec, Source
from distctl.policy.stateless import Nature, as_facts, nature, natures, sequence_idle, stateless, unread

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


STREAMS = nature("model_transaction_policy { decoupled: true }")
SEQUENCES = nature("sequence_batching { max_sequence_idle_microseconds: 2500000 }")
PLAIN = nature("max_batch_size: 8")
LOST = unread("there is no folder /srv/x")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"a": PLAIN, "b": PLAIN}, Nature()),
        ({"a": PLAIN, "b": SEQUENCES}, Nature(True, 2.5)),
        ({"a": STREAMS, "b": PLAIN}, Nature(True, 0.0)),
        ({"a": PLAIN, "b": LOST}, Nature()),
        ({"b": SEQUENCES}, Nature(True, 2.5)),
        ({"a": LOST}, unread("a: there is no folder /srv/x; b: it was not looked at")),
        ({"cpu": PLAIN}, unread("a: it was not looked at; b: it was not looked at")),
    ],
)
def test_a_model_on_the_nodes_is_what_one_that_may_serve_it_read(
    known: dict[str, Nature], expected: Nature
) -> None:
    """Through the facts that the record keeps; whoever could not be read is taken for one with state."""
    nodes = [node("a", gpu="yes"), node("b", gpu="yes"), node("cpu")]
    wanted = spec(nodes, [ModelSpec("x", Source("node", "/srv/x"), where={"gpu": "yes"})])
    facts = {name: as_facts("x", found) for name, found in known.items()}
    assert natures(wanted, {}, facts)["x"] == expected
    assert expected.stateful or not expected.unread


def test_a_folder_here_is_read_here_whatever_nodes_say() -> None:
    wanted = spec([node("a")], [ModelSpec("x", Source("folder", "x")), ModelSpec("y", Source("folder", "y"))])
    found = natures(wanted, {"x": "sequence_batching { }"}, {"a": as_facts("y", SEQUENCES)})
    assert found == {"x": Nature(True, 1.0), "y": Nature()}
