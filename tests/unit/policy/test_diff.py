"""From what is wanted and what was seen to a plan: each operation, why it is there, and what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
from plans import A, B, C, drain, node_b_left, running, said, texts, waits
from rehearsal import ROUTER, Operator, model, node, places, spec

from distctl.cluster.record import Key, SetKey
from distctl.cluster.router import SlotState
from distctl.cluster.spec import ServerId, Source


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


@pytest.mark.parametrize(("replay", "told"), [("auto", True), ("on", False), ("off", False)])
def test_a_model_of_which_nothing_is_known_is_not_sent_twice_and_the_plan_says_so(
    replay: Literal["auto", "on", "off"], told: bool
) -> None:
    """The fake nodes read no configuration."""
    xray = replace(model("xray"), source=Source("node", "/srv/xray"), replay=replay)
    operator = Operator(spec([node("a")], [xray, model("digits")]))
    notes = [
        "xray: replay stays off: its configuration could not be read (a: it was not looked at);"
        " write `replay: on` or `off` for it"
    ]
    assert list(operator.plan().notes) == (notes if told else [])
    operator.up()
    pools = {pool.model: pool.replay for pool in operator.cluster.routers[ROUTER].view.pools}
    assert pools == {"digits": True, "xray": replay == "on"}


def test_a_server_without_models_runs_all_the_same() -> None:
    assert "start server c/0 with no model" in texts(Operator(spec([node("c")], [])).plan())


# --- what has gone wrong ------------------------------------------------------------------------------


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


# --- more and fewer replicas --------------------------------------------------------------------------


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


# --- drains -------------------------------------------------------------------------------------------


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


# --- external servers ---------------------------------------------------------------------------------


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


# --- the whole ----------------------------------------------------------------------------------------


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
