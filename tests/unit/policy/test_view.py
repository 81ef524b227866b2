"""From a model's spec and configuration to its pool in a router."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rehearsal import ROUTER, model, node, spec

from distctl.cluster.record import Record
from distctl.cluster.router import Pool, Sequences
from distctl.cluster.spec import ModelSpec, Policy, PrefixSpec, RequestTimeouts, ServerId
from distctl.policy.view import Models, router_view

FACTS = {"a": {"weight.m/0": "150"}, "b": {"weight.m/0": "50", "os": "linux"}}


def pool(wanted: ModelSpec, *, sequences: Sequences | None = None, stateful: bool = False) -> Pool:
    known = {} if sequences is None else {"m": sequences}
    seen = router_view(
        spec([node("a"), node("b")], [wanted]),
        Record(id="r", facts=FACTS),
        ROUTER,
        hosts={},
        models=Models(stateful=["m"] if stateful else [], sequences=known),
    )
    (found,) = seen.pools
    return found


@pytest.mark.parametrize(
    ("said", "sequences", "policy"),
    [
        (None, None, "least-load"),
        (None, Sequences(10, 8), "sequence"),
        ("round-robin", Sequences(10, 8), "round-robin"),
        ("sequence", None, "sequence"),
        ("two-choices", None, "two-choices"),
    ],
)
def test_policy_is_what_the_file_says_else_what_the_batcher_needs(
    said: Policy | None, sequences: Sequences | None, policy: Policy
) -> None:
    found = pool(replace(model("m", 1), policy=said), sequences=sequences)
    assert (found.policy, found.sequences) == (policy, sequences or Sequences())


@pytest.mark.parametrize(
    ("changes", "stateful", "replay"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"policy": "sequence"}, False, False),
        ({"replay": "on"}, True, True),
        ({"replay": "off"}, False, False),
    ],
)
def test_requests_that_would_count_twice_are_not_sent_again(
    changes: dict[str, str], stateful: bool, replay: bool
) -> None:
    assert pool(replace(model("m", 1), **changes), stateful=stateful).replay is replay


def test_measured_weights_count_where_servers_are_chosen_by_load() -> None:
    def weights(policy: Policy) -> dict[ServerId, int]:
        return {slot.server: slot.weight for slot in pool(replace(model("m", 1), policy=policy)).slots}

    a, b = ServerId("a", "0"), ServerId("b", "0")
    assert weights("least-load") == {a: 150, b: 50}
    assert all(weights(p) == {a: 100, b: 100} for p in ("prefix", "sequence", "two-choices", "round-robin"))


def test_prefix_and_time_outs_reach_the_pool() -> None:
    times, prefix = RequestTimeouts(first=3, total=9), PrefixSpec("header", "x-a", bound=1.5)
    found = pool(replace(model("m", 1), policy="prefix", prefix=prefix, timeouts=times))
    assert (found.prefix, found.timeouts) == (prefix, times)
