"""What left the file is drained and told of everything, and taken away only when it is pruned."""

from __future__ import annotations

from dataclasses import replace

from plans import A, B, node_b_left, running, said, texts, waits
from rehearsal import ROUTER, Operator, model, node, spec, view_of

from distctl.cluster.record import SetRouter
from distctl.cluster.spec import RouterId, ServerId


def model_left(operator: Operator) -> None:
    operator.spec = replace(operator.spec, models=operator.spec.models[:1])


def test_a_node_that_left_the_file_is_drained_and_runs_on() -> None:
    operator = running(2)
    node_b_left(operator)
    plan = operator.up()
    assert ("drain digits of b/0", "the node left the file") in said(plan)
    assert waits(plan, "drain digits of b/0", "route digits to c/0")
    assert "b left the file: what is there runs on, drained, until `up --prune`" in plan.notes
    assert operator.cluster.triton(B).up
    assert operator.plan().empty


def test_pruned_it_is_drained_stopped_and_cleared() -> None:
    operator = running(2)
    node_b_left(operator)
    plan = operator.up(prune=True)
    for text in ("stop server b/0", "remove everything of this cluster"):
        assert waits(plan, text, "drain digits of b/0")
    assert operator.cluster.machines["b"].owner is None
    assert "b" not in operator.cluster.store.record.known
    assert operator.plan(prune=True).empty
    assert operator.promise.kept()


def test_a_node_that_left_the_file_and_cannot_be_reached_is_named() -> None:
    operator = running(2)
    node_b_left(operator)
    operator.cluster.machines["b"].reachable = False
    assert "b" in [skip.subject for skip in operator.up(prune=True).skipped]
    assert operator.plan(prune=True).empty
    operator.cluster.machines["b"].reachable = True
    assert not operator.up(prune=True).empty
    assert operator.plan(prune=True).empty


A1 = ServerId("a", "1")


def server_left(digits: int = 2) -> Operator:
    """A node with two servers, of which the next version of the file has one."""
    both, router = (node("a", servers=2), node("b")), node("lb", servers=0)
    operator = Operator(spec([*both] if digits > 2 else [both[0]], [model("digits", digits)]))
    operator.up()
    operator.spec = replace(operator.spec, nodes=(node("a"), node("b"), router))
    return operator


def test_a_server_that_left_its_node_is_drained_once_another_serves_and_runs_on() -> None:
    operator = server_left()
    assert operator.cluster.answering("digits") == {A, A1}
    plan = operator.up()
    assert ("drain digits of a/1", "the server left the file") in said(plan)
    assert waits(plan, "drain digits of a/1", "route digits to b/0")
    assert plan.notes == ("a/1 left the file: it runs on, drained, until `up --prune`",)
    assert operator.cluster.answering("digits") == {A, B}
    assert operator.cluster.triton(A1).up
    assert operator.plan().empty
    assert operator.promise.kept()


def test_pruned_that_server_is_drained_stopped_and_removed_and_its_node_stays() -> None:
    operator = server_left()
    plan = operator.up(prune=True)
    assert waits(plan, "stop server a/1", "drain digits of a/1")
    assert waits(plan, "remove server a/1", "stop server a/1")
    assert set(operator.cluster.machines["a"].units) == {"server-0"}
    assert all(server != A1 for server, _ in operator.cluster.store.record.places)
    assert operator.plan(prune=True).empty
    assert operator.plan().empty
    assert operator.promise.kept()


def test_the_last_that_answers_is_not_drained_because_its_server_left_the_file() -> None:
    operator = server_left(3)
    operator.cluster.kill(A)
    operator.cluster.kill(B)
    for name in "ab":
        operator.cluster.machines[name].reachable = False
    plan = operator.plan(prune=True)
    assert "drain digits of a/1" not in texts(plan)
    assert "digits stays in a/1, the last that answers, until another one does" in plan.notes


def test_a_server_that_left_the_file_goes_with_the_cluster() -> None:
    operator = server_left()
    operator.down()
    assert not operator.cluster.triton(A1).up
    assert operator.cluster.machines["a"].units == {}


def test_a_model_that_left_the_file_is_drained_and_stays_loaded() -> None:
    operator = running(1, 1)
    model_left(operator)
    plan = operator.up()
    assert ("drain xray of b/0", "the model left the file") in said(plan)
    assert "xray left the file: it stays loaded in b/0 until `up --prune`" in plan.notes
    assert "xray" in operator.cluster.triton(B).loaded
    assert operator.plan().empty


def test_pruned_it_is_unloaded_and_its_pool_goes_in_one_reload_at_the_end() -> None:
    operator = running(1, 1)
    model_left(operator)
    plan = operator.up(prune=True)
    assert waits(plan, "unload xray from b/0", "drain xray of b/0")
    assert said(plan)[-2] == ("configure router main@lb", "servers left its pools for good: one reload")
    assert waits(plan, "configure router main@lb", "unload xray from b/0")
    assert said(plan)[-1][1].startswith("no longer used: xray ")
    assert {pool.model for pool in operator.cluster.routers[ROUTER].view.pools} == {"digits"}  # type: ignore[union-attr]
    assert operator.plan(prune=True).empty


def test_a_model_that_left_the_file_is_pruned_off_a_server_that_stands_still_too() -> None:
    operator = running(1, nodes="ab")
    operator.drain("a", stop=True)
    operator.spec = replace(operator.spec, models=())
    operator.up(prune=True)
    assert not operator.cluster.triton(A).up
    assert operator.cluster.store.record.places == {}
    assert operator.plan(prune=True).empty


OLD = RouterId("old", "lb")


def old_router(operator: Operator) -> None:
    """A router that the record knows and the file does not, and that sends requests."""
    view = operator.cluster.routers[ROUTER].view
    assert view is not None
    operator.cluster.router(OLD).view = view
    operator.write(SetRouter(OLD))


def test_what_a_router_outside_the_file_still_uses_is_left_as_it_is_when_it_cannot_be_told() -> None:
    """No revision of the file has it."""
    operator = running(2)
    old_router(operator)
    operator.spec = replace(operator.spec, models=(model("digits", 1),))
    plan = operator.up()
    assert plan.empty
    assert plan.notes == (
        "router old@lb left the file: it runs on as it is until `up --prune`",
        "b/0 is left as it is while old@lb, which left the file, sends to it",
    )


def router_left(operator: Operator) -> RouterId:
    """A second router, which the next version of the file has no more."""
    main = operator.spec.routers[0]
    both = replace(operator.spec, routers=(main, replace(main, name="old", http_port=8100)))
    operator.spec, after = both, operator.spec
    operator.up()
    operator.spec = after
    return OLD


def test_a_router_that_left_the_file_is_told_of_every_change_and_confirms_drains() -> None:
    operator = running(2)
    old = operator.cluster.routers[router_left(operator)]
    operator.spec = replace(operator.spec, models=(model("digits", 1), model("xray", 1)))
    plan = operator.up()
    assert plan.notes == (
        "router old@lb left the file: it runs on, told of every change, until `up --prune`",
    )
    assert old.sends_to("digits") == operator.cluster.routers[ROUTER].sends_to("digits") == {A}
    assert old.sends_to("xray") == {B}
    assert view_of(old).http_port == 8100
    assert not operator.cluster.triton(B).loaded.keys() & {"digits"}
    assert operator.plan().empty
    assert operator.promise.kept()


def test_a_router_that_left_the_file_is_drained_of_a_node_too() -> None:
    operator = running(2)
    old = operator.cluster.routers[router_left(operator)]
    operator.drain("a", stop=True)
    assert A not in old.sends_to("digits")
    assert operator.promise.kept()
    operator.up(prune=True)
    assert old.view is None
    assert operator.plan(prune=True).empty


def test_one_place_of_a_router_left_the_file_and_is_told_as_the_rest() -> None:
    operator = Operator(spec([node("a"), node("b"), node("lb2", servers=0)], [model("digits", 2)]))
    main = operator.spec.routers[0]
    operator.spec = replace(operator.spec, routers=(replace(main, on=("lb", "lb2")),))
    operator.up()
    operator.spec = replace(operator.spec, routers=(main,), models=(model("digits", 1),))
    operator.up()
    assert operator.cluster.routers[RouterId("main", "lb2")].sends_to("digits") == {A}
    assert operator.promise.kept()
    assert operator.plan().empty


def test_a_router_that_left_the_file_and_does_not_run_is_not_launched() -> None:
    operator = running(2)
    operator.cluster.routers[router_left(operator)].view = None
    assert operator.up().empty


def test_pruned_that_router_stops_before_anything_leaves() -> None:
    operator = running(2)
    old_router(operator)
    operator.spec = replace(operator.spec, models=(model("digits", 1),))
    plan = operator.plan(prune=True)
    assert ("stop router old@lb", "it left the file") in said(plan)
    assert waits(plan, "drain digits of b/0", "stop router old@lb")
    operator.up(prune=True)
    assert operator.plan(prune=True).empty
    assert OLD not in operator.cluster.store.record.routers


def test_a_place_that_carried_only_a_router_is_remembered_and_cleared() -> None:
    operator = running(1)
    operator.spec = replace(
        operator.spec, nodes=tuple(n for n in operator.spec.nodes if n.name != "lb"), routers=()
    )
    plan = operator.up(prune=True)
    assert waits(plan, "remove everything of this cluster", "stop router main@lb")
    assert operator.plan(prune=True).empty
