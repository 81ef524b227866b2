"""From what is wanted and what was seen to a plan: each operation, why it is there, and what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from rehearsal import ROUTER, Operator, model, node, places, spec

from distctl.cluster.record import Key, SetKey, SetReplica, SetRouter
from distctl.cluster.router import SlotState
from distctl.cluster.spec import Node, RouterId, ServerId, Source
from distctl.policy.plan import Plan

A, B, C = ServerId("a", "0"), ServerId("b", "0"), ServerId("c", "0")


def running(digits: int = 2, xray: int = 0, *, nodes: str = "abc", more: tuple[Node, ...] = ()) -> Operator:
    models = [model("digits", digits)] + ([model("xray", xray)] if xray else [])
    operator = Operator(spec([*(node(name) for name in nodes), *more], models))
    operator.up()
    return operator


def said(plan: Plan) -> list[tuple[str, str]]:
    """Each step and why."""
    return [(step.operation.text, step.why) for step in plan.steps]


def texts(plan: Plan) -> list[str]:
    return [step.operation.text for step in plan.steps]


def waits(plan: Plan, text: str, for_text: str) -> bool:
    """Whether a step waits for another one, at once or by others."""
    by_text = {step.operation.text: step for step in plan.steps}
    open_, found = set(by_text[text].needs), set()
    while open_:
        number = open_.pop()
        found.add(number)
        open_ |= plan.steps[number - 1].needs - found
    return by_text[for_text].number in found


def test_a_first_up() -> None:
    plan = Operator(spec([node("a")], [model("digits")])).plan()
    assert [(sorted(step.needs), step.operation.text, step.why) for step in plan.steps] == [
        ([], "launch router main@lb", "it does not run"),
        ([], "install runtime r1", "it is not on the node"),
        ([], "push model digits (dd5e301b06ad6e63)", "it is not on the node"),
        ([2, 3], "start server a/0 with digits", "it was never started"),
        ([1, 4], "route digits to a/0", "a ready replica takes requests"),
    ]


def test_a_model_whose_files_lie_on_the_nodes_is_not_pushed() -> None:
    wanted = spec([node("a")], [replace(model("xray"), source=Source("node", "/srv/xray"))])
    operator = Operator(wanted)
    assert not any("push" in text for text in texts(operator.up()))
    assert operator.cluster.answering("xray") == {A}
    assert operator.plan().empty


def test_a_server_without_models_runs_all_the_same() -> None:
    assert "start server c/0 with no model" in texts(Operator(spec([node("c")], [])).plan())


# --- what has gone wrong ---------------------------------------------------------------------------------


def test_a_server_that_died_is_started_and_joined_again() -> None:
    operator = running()
    operator.cluster.kill(A)
    assert said(operator.plan()) == [
        ("start server a/0 with digits", "it does not run"),
        ("route digits to a/0", "it takes requests as soon as it is ready again"),
    ]


def test_a_server_that_runs_and_does_not_answer_is_waited_for_and_not_loaded_into() -> None:
    operator = running()
    operator.cluster.triton(A).shut()
    assert said(operator.plan()) == [
        ("start server a/0 with digits", "it runs and does not answer yet"),
        ("route digits to a/0", "it takes requests as soon as it is ready again"),
    ]


def test_a_model_that_a_server_lost_is_loaded() -> None:
    operator = running()
    operator.cluster.triton(A).unload("digits")
    operator.cluster.lost.clear()
    assert said(operator.plan()) == [
        ("load digits in a/0", "the server says UNAVAILABLE: unloaded"),
        ("route digits to a/0", "it takes requests as soon as it is ready again"),
    ]
    operator.up()
    assert operator.plan().empty


def test_a_slot_that_somebody_changed_by_hand_is_set_again() -> None:
    operator = running()
    router = operator.cluster.routers[ROUTER]
    assert router.view is not None
    (pool,) = router.view.pools
    slots = tuple(replace(slot, state=SlotState.DRAIN) if slot.server == A else slot for slot in pool.slots)
    router.view = replace(router.view, pools=(replace(pool, slots=slots),))
    assert said(operator.plan()) == [("configure router main@lb", "slot a.0 of digits is drain, not ready")]
    operator.up()
    assert operator.cluster.answering("digits") == {A, B}


def test_a_router_that_died_is_launched_and_nothing_else_happens() -> None:
    operator = running()
    operator.cluster.routers[ROUTER].view = None
    assert said(operator.plan()) == [("launch router main@lb", "it does not run")]


def test_a_router_that_does_not_answer_is_left_alone_and_named() -> None:
    operator = running()
    operator.cluster.routers[ROUTER].reachable = False
    plan = operator.plan()
    assert plan.empty
    assert [(skip.subject, skip.why) for skip in plan.skipped] == [("main@lb", "no answer")]


def test_a_node_that_cannot_be_reached_is_left_alone_and_named_once() -> None:
    operator = running(1, 1)
    operator.cluster.machines["c"].reachable = False
    plan = operator.plan()
    assert plan.empty
    assert [(skip.subject, skip.why) for skip in plan.skipped] == [("c", "no route to host")]


def test_a_start_script_that_names_other_models_is_written_again() -> None:
    operator = running()
    operator.cluster.machines["a"].units["server-0"].run_digest = "another"
    assert said(operator.plan()) == [("write the start script of a/0", "its start script names other models")]
    operator.up()
    assert operator.plan().empty


# --- more and fewer replicas -----------------------------------------------------------------------------


def test_a_replica_that_is_added_is_pushed_loaded_and_joined() -> None:
    operator = running(2)
    operator.spec = replace(operator.spec, models=(model("digits", 3),))
    assert said(operator.plan()) == [
        ("push model digits (dd5e301b06ad6e63)", "it is not on the node"),
        ("load digits in c/0", "the server says ABSENT"),
        ("route digits to c/0", "a ready replica takes requests"),
    ]


def test_a_replica_that_is_not_wanted_is_drained_before_it_is_unloaded() -> None:
    operator = running(2)
    operator.spec = replace(operator.spec, models=(model("digits", 1),))
    plan = operator.plan()
    assert said(plan) == [
        ("drain digits of b/0", "fewer replicas are wanted here"),
        ("unload digits from b/0", "fewer replicas are wanted here"),
    ]
    assert waits(plan, "unload digits from b/0", "drain digits of b/0")


def test_a_replacement_joins_before_a_replica_leaves() -> None:
    operator = running(1, more=(node("d", gpu="a100"),))
    operator.spec = replace(operator.spec, models=(model("digits", 1, gpu="a100"),))
    plan = operator.plan()
    assert waits(plan, "drain digits of a/0", "route digits to d/0")
    operator.up()
    assert operator.cluster.answering("digits") == {ServerId("d", "0")}
    assert operator.promise.kept()


def test_the_last_replica_that_answers_stays_where_nothing_can_replace_it() -> None:
    operator = running(1)
    operator.spec = replace(operator.spec, models=(model("digits", 1, gpu="none has it"),))
    plan = operator.up()
    assert "digits stays in a/0, the last that answers, until another one does" in plan.notes
    assert any("0 of 1 replicas fit" in note for note in plan.notes)
    assert operator.cluster.answering("digits") == {A}


def test_a_shortage_is_told_and_the_rest_is_done() -> None:
    plan = Operator(spec([node("a")], [model("digits", 3)])).up()
    assert plan.notes == ("digits: 1 of 3 replicas fit (1 server fits)",)


def test_too_many_replicas_lose_the_one_that_does_not_answer() -> None:
    operator = running(2)
    operator.cluster.kill(A)
    operator.spec = replace(operator.spec, models=(model("digits", 1),))
    operator.up()
    assert operator.cluster.answering("digits") == {B}
    assert operator.promise.kept()


# --- other contents and settings -------------------------------------------------------------------------


def test_a_changed_model_is_reloaded_in_one_server_after_the_other_and_stays_routed() -> None:
    operator = running(2)
    old = operator.cluster.folder("digits").digest
    operator.cluster.edit("digits")
    new = operator.cluster.folder("digits").digest
    plan = operator.plan()
    changed = f"its files changed: {old} to {new}"
    assert said(plan) == [
        (f"push model digits ({new})", "its files changed"),
        ("reload digits in a/0", changed),
        (f"push model digits ({new})", "its files changed"),
        ("reload digits in b/0", changed),
    ]
    assert waits(plan, "reload digits in b/0", "reload digits in a/0")


def test_a_link_that_was_swapped_is_not_taken_for_a_content_that_was_loaded() -> None:
    """The process that swapped it died before it asked for the load; the record says what was loaded."""
    operator = running(1)
    old = operator.cluster.folder("digits").digest
    operator.cluster.edit("digits")
    new = operator.cluster.folder("digits").digest
    machine = operator.cluster.machines["a"]
    machine.models["digits"].add(new)
    machine.units["server-0"].models["digits"] = new
    operator.cluster.triton(A).repository["digits"] = new
    assert said(operator.plan()) == [("reload digits in a/0", f"its files changed: {old} to {new}")]
    operator.up()
    assert operator.cluster.triton(A).loaded == {"digits": new}
    assert operator.plan().empty


def test_a_changed_model_that_keeps_state_is_drained_before_its_new_version_one_server_after_the_other() -> (
    None
):
    operator = running(2, nodes="ab")
    operator.configs["digits"] = "sequence_batching {}"
    operator.up()
    operator.cluster.edit("digits")
    plan = operator.plan()
    expected = [
        f"{verb} {s}/0" for s in "ab" for verb in ("drain digits of", "reload digits in", "route digits to")
    ]
    assert [text for text in texts(plan) if text in expected] == expected
    for before, after in pairwise(expected):
        assert waits(plan, after, before)
    operator.up()
    assert operator.plan().empty


def test_the_only_replica_of_a_model_that_keeps_state_is_reloaded_in_place_and_the_plan_says_so() -> None:
    operator = running(1, nodes="a")
    operator.configs["digits"] = "sequence_batching {}"
    operator.up()
    operator.cluster.edit("digits")
    plan = operator.plan()
    assert not any("drain" in text for text in texts(plan))
    assert any("open sequences and streams end" in note for note in plan.notes)


def test_changed_settings_restart_one_server_after_the_other_each_drained_before() -> None:
    operator = running(2, nodes="ab")
    operator.runtime = "r2"
    plan = operator.plan()
    assert texts(plan) == [
        "install runtime r2",
        "install runtime r2",
        "drain digits of a/0",
        "stop server a/0",
        "start server a/0 with digits",
        "route digits to a/0",
        "drain digits of b/0",
        "stop server b/0",
        "start server b/0 with digits",
        "route digits to b/0",
        "remove old contents",
        "remove old contents",
    ]
    for before, after in pairwise(texts(plan)[2:10]):
        assert waits(plan, after, before)
    assert plan.interrupts == ()


def test_restarts_come_one_after_the_other_also_where_no_model_is_shared() -> None:
    operator = running(1, 1, nodes="ab")
    operator.runtime = "r2"
    assert waits(operator.plan(), "drain xray of b/0", "route digits to a/0")


def test_a_server_that_its_supervisor_started_with_the_old_content_is_given_the_new_one() -> None:
    """Between our look and our step: the process runs by then, and it has read the old link."""
    operator = running(1, nodes="a")
    operator.cluster.kill(A)
    operator.cluster.edit("digits")
    plan = operator.plan()
    assert "start server a/0 with digits" in texts(plan)

    def supervised(change: str) -> None:
        if change.startswith("a: push"):
            operator.cluster.reboot("a")

    operator.promise.watch = supervised  # type: ignore[method-assign]
    operator.up()
    assert operator.cluster.triton(A).loaded == {"digits": operator.cluster.folder("digits").digest}
    assert operator.plan().empty


def test_a_restart_of_the_only_server_that_serves_a_model_says_what_it_interrupts() -> None:
    operator = running(1, 2, nodes="ab")
    operator.runtime = "r2"
    assert operator.plan().interrupts == ("digits",)


def test_a_restart_waits_for_a_replica_that_joins_in_the_same_plan() -> None:
    operator = running(1, nodes="ab")
    operator.runtime = "r2"
    operator.spec = replace(
        operator.spec, models=(model("digits", 3),), nodes=(*operator.spec.nodes, node("c"))
    )
    plan = operator.plan()
    assert plan.interrupts == ()
    assert waits(plan, "drain digits of a/0", "route digits to c/0")
    operator.up()
    assert operator.promise.kept()


def test_a_server_that_answers_nobody_is_restarted_without_an_interruption() -> None:
    operator = running(1, nodes="a")
    operator.cluster.triton(A).shut()
    operator.runtime = "r2"
    assert operator.plan().interrupts == ()


@pytest.mark.parametrize("slot", [SlotState.READY, SlotState.DRAIN])
def test_a_restart_drains_what_is_draining_already_and_what_is_to_leave(slot: SlotState) -> None:
    """A drain that was cut leaves a slot draining with requests in flight: stopping then would lose them."""
    operator = running(3, 1)
    replica = operator.cluster.store.record.replica(A, "digits")
    assert replica is not None
    operator.write(SetReplica(replace(replica, slot=slot)))
    operator.runtime = "r2"
    operator.spec = replace(operator.spec, models=(model("digits", 2), model("xray", 1)))
    plan = operator.plan()
    assert waits(plan, "stop server a/0", "drain digits, xray of a/0")
    operator.up()
    assert operator.promise.kept()
    assert operator.plan().empty


# --- drains ----------------------------------------------------------------------------------------------


def drain(operator: Operator) -> Plan:
    return operator.drain("a")


def test_a_draining_node_keeps_its_models_loaded_and_takes_no_request() -> None:
    operator = running(2)
    plan = drain(operator)
    assert ("drain digits of a/0", "a is draining") in said(plan)
    assert waits(plan, "drain digits of a/0", "route digits to c/0")
    assert operator.cluster.answering("digits") == {B, C}
    assert "digits" in operator.cluster.triton(A).loaded
    assert operator.plan().empty


def test_a_drain_that_is_given_again_waits_again_until_nothing_is_in_flight() -> None:
    """Its deadline came, or its process died: the slots drain, and somebody asks when they are empty."""
    operator = running(2)
    drain(operator)
    assert said(drain(operator)) == [("drain digits of a/0", "a is draining")]
    assert operator.plan().empty


def test_undrain_takes_the_node_back_and_the_replacement_leaves_after_it() -> None:
    operator = running(2)
    drain(operator)
    plan = operator.undrain("a")
    assert texts(plan) == ["route digits to a/0", "drain digits of c/0", "unload digits from c/0"]
    assert waits(plan, "drain digits of c/0", "route digits to a/0")


def test_a_cordoned_node_keeps_what_it_has() -> None:
    assert running(2).cordon("a").empty


# --- what left the file ----------------------------------------------------------------------------------


def node_b_left(operator: Operator) -> None:
    operator.spec = replace(operator.spec, nodes=tuple(n for n in operator.spec.nodes if n.name != "b"))


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


OLD = RouterId("old", "lb")


def old_router(operator: Operator) -> None:
    """A router that the record knows and the file does not, and that sends requests."""
    view = operator.cluster.routers[ROUTER].view
    assert view is not None
    operator.cluster.router(OLD).view = view
    operator.write(SetRouter(OLD))


def test_what_a_router_outside_the_file_still_uses_is_left_as_it_is() -> None:
    operator = running(2)
    old_router(operator)
    operator.spec = replace(operator.spec, models=(model("digits", 1),))
    plan = operator.up()
    assert plan.empty
    assert plan.notes == (
        "router old@lb left the file: it runs on until `up --prune`",
        "b/0 is left as it is while old@lb, which left the file, sends to it",
    )


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


# --- external servers ------------------------------------------------------------------------------------


def with_external(loaded: bool = True) -> Operator:
    operator = Operator(spec([node("x", external=True), node("a")], [model("digits", 2)]))
    triton = operator.cluster.triton(ServerId("x", "0"))
    triton.repository = {"digits": "theirs"} if loaded else {}
    triton.boot()
    operator.up()
    return operator


def test_what_an_external_server_runs_is_routed_and_counts() -> None:
    operator = with_external()
    assert operator.cluster.answering("digits") == {A, ServerId("x", "0")}
    assert operator.plan().empty


def test_an_external_server_is_drained_and_never_touched() -> None:
    operator = with_external()
    plan = operator.drain("x")
    assert texts(plan) == ["drain digits of x/0"]
    assert operator.cluster.triton(ServerId("x", "0")).loaded == {"digits": "theirs"}
    operator.undrain("x")
    assert operator.cluster.answering("digits") == {A, ServerId("x", "0")}
    assert operator.promise.kept()


def test_an_external_server_that_lacks_a_model_is_not_given_it() -> None:
    operator = with_external(loaded=False)
    assert operator.cluster.answering("digits") == {A}
    assert operator.plan().notes == ("digits: 1 of 2 replicas fit (2 servers fit)",)


# --- the whole -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [node_b_left, lambda o: o.cluster.edit("digits"), lambda o: setattr(o, "runtime", "r2")]
)
def test_the_same_question_has_the_same_answer(change: Callable[[Operator], None]) -> None:
    operator = running(2, 2)
    change(operator)
    assert operator.plan() == operator.plan()


def test_only_earlier_steps_are_waited_for() -> None:
    operator = running(2, 2)
    operator.runtime = "r2"
    operator.cluster.edit("digits")
    node_b_left(operator)
    for step in operator.plan(prune=True).steps:
        assert all(number < step.number for number in step.needs)


def test_what_runs_in_the_end_is_what_the_plan_said() -> None:
    operator = running(2, 1)
    digits, xray = operator.cluster.folder("digits").digest, operator.cluster.folder("xray").digest
    assert places(operator.cluster) == {
        "a/0": {"digits": digits},
        "b/0": {"digits": digits},
        "c/0": {"xray": xray},
        "main@lb": {"digits a/0": "ready", "digits b/0": "ready", "xray c/0": "ready"},
    }


def test_a_router_without_the_newest_key_is_told_without_a_reload() -> None:
    """It could not be reached when the key was made."""
    operator = running()
    asking = replace(operator.spec.router("main"), auth="keys")
    operator.spec = replace(operator.spec, routers=(asking,))
    operator.up()
    operator.cluster.store.commit(None, [SetKey(Key("ci", "ab" * 32))])
    plan = operator.plan()
    assert said(plan) == [
        ("configure router main@lb", "its keys, certificate or limits changed: without a reload")
    ]
    reloads = operator.cluster.router(ROUTER).reloads
    operator.up()
    assert operator.plan().empty and operator.cluster.router(ROUTER).reloads == reloads
