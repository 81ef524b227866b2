"""Clusters whose nodes have a server for each GPU, and GPUs that come, go and are exchanged."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearsal import Operator, model, node, spec

from distctl.app.units import tail, units_of
from distctl.cluster.spec import Connection, Node, PerDevice, ServerId
from distctl.errors import InputError
from distctl.policy.devices import GPUS
from distctl.policy.operations import Leave, SetRouterUp, StartServer, StopServer
from distctl.policy.plan import Plan
from distctl.policy.reach import ROUND_TRIP
from distctl.testing import Crash

A0, A1, B0 = ServerId("a", "0"), ServerId("a", "1"), ServerId("b", "0")


def per_gpu(name: str) -> Node:
    return replace(node(name, servers=0), per_device=PerDevice("gpu", 9000))


def lists(operator: Operator, name: str, *uuids: str) -> None:
    """What nvidia-smi lists on a node from now on."""
    facts = {f"gpu.{index}.uuid": uuid for index, uuid in enumerate(uuids)}
    operator.cluster.machines[name].facts = {"gpus": str(len(uuids)), **facts}


@pytest.fixture
def operator() -> Operator:
    """Two nodes with a server for each GPU; a has two and b one; `digits` is in all three."""
    found = Operator(spec([per_gpu("a"), per_gpu("b")], [model("digits", 3)]))
    lists(found, "a", "GPU-1", "GPU-2")
    lists(found, "b", "GPU-3")
    return found


def started(plan: Plan) -> list[ServerId]:
    return [step.operation.server for step in plan.steps if isinstance(step.operation, StartServer)]


def gpus(operator: Operator, server: ServerId) -> tuple[str, ...] | None:
    """The devices that a server was started with."""
    return operator.cluster.machines[server.node].units[f"server-{server.server}"].server.gpus


def test_a_first_up_starts_a_server_for_each_gpu_and_a_second_finds_nothing_to_do(operator: Operator) -> None:
    assert started(operator.up()) == [A0, A1, B0]
    assert [gpus(operator, server) for server in (A0, A1, B0)] == [("GPU-1",), ("GPU-2",), ("GPU-3",)]
    assert operator.cluster.answering("digits") == {A0, A1, B0}
    assert operator.plan() == Plan()


def test_a_node_without_a_gpu_is_left_alone_and_the_rest_goes_on(operator: Operator) -> None:
    lists(operator, "b")
    operator.spec = replace(operator.spec, models=(model("digits", 2),))
    plan = operator.up()
    assert started(plan) == [A0, A1]
    assert [(skip.subject, "lists no GPU" in skip.why) for skip in plan.skipped] == [("b", True)]


def test_one_bad_answer_changes_nothing(operator: Operator) -> None:
    operator.up()
    lists(operator, "a")
    plan = operator.up()
    assert plan.empty
    assert plan.skipped == ()
    assert plan.notes == (
        "a/0 runs on: nvidia-smi does not list its GPU-1",
        "a/1 runs on: nvidia-smi does not list its GPU-2",
    )
    lists(operator, "a", "GPU-1", "GPU-2")
    assert operator.plan() == Plan()


def test_a_server_that_died_with_its_gpu_is_left_alone_until_the_gpu_is_back(operator: Operator) -> None:
    operator.up()
    lists(operator, "a", "GPU-1")
    operator.cluster.kill(A1)
    plan = operator.up()
    assert plan.empty
    assert [(skip.subject, skip.why) for skip in plan.skipped] == [
        ("a/1", "nvidia-smi does not list its GPU-2")
    ]
    lists(operator, "a", "GPU-1", "GPU-2")
    assert started(operator.up()) == [A1]
    assert operator.promise.kept()


def test_new_replicas_keep_away_from_a_server_without_its_gpu(operator: Operator) -> None:
    operator.spec = replace(operator.spec, models=(model("digits", 1),))
    operator.up()
    lists(operator, "a", "GPU-1")
    lists(operator, "b")
    plan = operator.scale("digits=3")
    assert any("2 of 3 replicas" in note or "1 of 3 replicas" in note for note in plan.notes)
    assert any("without their GPU: a/1, b/0" in note for note in plan.notes)
    assert A1 not in operator.cluster.answering("digits")


def test_an_exchanged_card_restarts_its_server_alone_drained_before(operator: Operator) -> None:
    operator.up()
    lists(operator, "a", "GPU-1", "GPU-9")
    plan = operator.up()
    assert [type(step.operation) for step in plan.steps][:3] == [Leave, StopServer, StartServer]
    assert started(plan) == [A1]
    assert gpus(operator, A1) == ("GPU-9",)
    assert operator.promise.kept()


def test_another_order_of_nvidia_smi_moves_nothing(operator: Operator) -> None:
    operator.up()
    lists(operator, "a", "GPU-2", "GPU-1")
    assert operator.plan() == Plan()


def test_a_record_that_was_lost_finds_the_same_servers(operator: Operator) -> None:
    operator.up()
    operator.lose_record()
    assert operator.up().empty
    assert operator.cluster.answering("digits") == {A0, A1, B0}


def test_a_gpu_that_is_added_gets_a_server(operator: Operator) -> None:
    operator.up()
    lists(operator, "b", "GPU-0", "GPU-3")
    assert started(operator.up()) == [ServerId("b", "1")]


def test_a_server_with_the_ports_of_another_is_not_started_and_disturbs_nobody(
    operator: Operator,
) -> None:
    """Two nodes on one machine, the second's ports right behind the first's: fine while it has one GPU."""
    here = {"connection": Connection.LOCAL, "address": "127.0.0.1"}
    a = replace(operator.spec.nodes[0], **here)
    b = replace(operator.spec.nodes[1], per_device=PerDevice("gpu", 9020), **here)
    operator.spec = replace(operator.spec, nodes=(a, b, *operator.spec.nodes[2:]))
    operator.up()
    lists(operator, "a", "GPU-1", "GPU-2", "GPU-9")
    plan = operator.up()
    assert [type(step.operation) for step in plan.steps] == [SetRouterUp]
    assert {skip.subject for skip in plan.skipped} == {"a", "b"}
    assert operator.promise.kept()
    assert all("server a/2 and server b/0 share port 9020" in skip.why for skip in plan.skipped)


def test_facts_of_a_node_with_a_router_outlive_the_measuring_of_its_ways(operator: Operator) -> None:
    main = replace(operator.spec.routers[0], on=("a",))
    operator.spec = replace(operator.spec, routers=(main,))
    operator.up()
    facts = operator.cluster.store.record.facts["a"]
    assert (facts["gpu.0.uuid"], facts[GPUS]) == ("GPU-1", "GPU-1 GPU-2")
    assert float(facts[ROUND_TRIP]) > 0


def test_after_a_death_at_any_change_of_a_first_up_the_next_one_comes_to_the_same_servers() -> None:
    for crash in itertools.count(1):
        operator = Operator(spec([per_gpu("a")], [model("digits", 2)]))
        lists(operator, "a", "GPU-1", "GPU-2")
        try:
            operator.up(crash=crash)
        except Crash:
            lists(operator, "a", "GPU-2", "GPU-1")
            operator.up()
            assert operator.cluster.answering("digits") == {A0, A1}
            assert {gpus(operator, A0), gpus(operator, A1)} == {("GPU-1",), ("GPU-2",)}
            assert operator.plan() == Plan()
        else:
            break
    assert crash > 10


def test_names_stand_for_all_servers_of_a_node_or_for_one(operator: Operator) -> None:
    with pytest.raises(InputError, match="a has no server yet: one per GPU"):
        units_of(operator.session(), ["a"])
    operator.up()
    session = operator.session()
    assert [unit.subject for unit in units_of(session, ["a", "a/1", "main"])] == ["a/0", "a/1", "main@lb"]
    assert tail(session, units_of(session, ["a/1"])[0], 5) == ["the log of server-1"]
    with pytest.raises(InputError, match="no node, server or router 'a/7'") as caught:
        units_of(session, ["a/7"])
    assert caught.value.hint == "a, a/0, a/1, b, lb, main"


cards = st.lists(st.sampled_from([f"GPU-{n}" for n in range(5)]), unique=True, max_size=3)


@given(st.lists(st.tuples(st.sampled_from("ab"), cards, st.booleans()), max_size=5))
@settings(max_examples=30)
def test_whatever_nvidia_smi_says_clients_lose_nothing(course: list[tuple[str, list[str], bool]]) -> None:
    """After any course of answers, deaths among them, what was served and is not interrupted stays served."""
    operator = Operator(spec([per_gpu("a"), per_gpu("b")], [model("digits", 2)]))
    lists(operator, "a", "GPU-1", "GPU-2")
    lists(operator, "b", "GPU-3")
    operator.up()
    for name, found, kill in course:
        lists(operator, name, *(f"{card}{name}" for card in found))
        if kill:
            operator.cluster.kill(ServerId(name, "0"))
        operator.up()
        assert operator.promise.kept()
        assert operator.up().empty
