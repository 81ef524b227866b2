"""A process that was stopped past its lease, and was followed, changes nothing any more when it wakes."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock

import pytest
from rehearsal import Operator, model, node, places, spec

from distctl.app.change import carry_out, prepare
from distctl.app.leasing import leased
from distctl.cluster.record import Pin, SetPin
from distctl.control.execute import Outcome
from distctl.errors import LeaseHeld, StaleGeneration


def nothing() -> Operator:
    return Operator(spec([node("a"), node("b")], [model("digits", 2), model("xray")]))


def short() -> Operator:
    operator = nothing()
    operator.up()
    operator.write(SetPin(Pin("xray", 2, 1)))
    return operator


def broken() -> Operator:
    operator = nothing()
    operator.up()
    for server in list(operator.cluster.tritons):
        operator.cluster.kill(server)
    return operator


def assert_woken(awake: Event) -> None:
    """Stand still until the process goes on."""
    assert awake.wait(20)


def overslept(operator: Operator, at: int) -> list[str] | None:
    """Let a pass sleep at its word of that number while another run does it all; what it changed afterwards.

    None when it came through before that word.
    """
    session, words, lock = operator.session(), 0, Lock()
    followed: list[int] = []
    awake = Event()  # threads that keep the lease stand still too
    awake.set()

    def watch(outcome: Outcome) -> None:
        nonlocal words
        if outcome.detail.endswith("MB"):  # said inside a call of a fake, which takes one call at a time
            return
        with lock:
            words += 1
            if words == at:
                awake.clear()
                try:
                    with operator.cluster.meanwhile():
                        operator.up()
                except LeaseHeld:  # renewed in the last moment: it has not overslept
                    return
                finally:
                    awake.set()
                followed.append(len(operator.cluster.calls.changes))

    try:
        with leased(session, "a pass that sleeps") as keeper:
            keeper.alive = lambda: assert_woken(awake)
            carry_out(session, keeper, prepare(session, keeper), watch=watch, what="controller")
    except (LeaseHeld, StaleGeneration):
        assert followed
    else:
        assert not followed, "it went on as if nobody had followed it"
        return None if words < at else []
    return operator.cluster.calls.changes[followed[0] :]


@pytest.mark.parametrize("begin", [nothing, short, broken])
def test_whatever_it_was_at_when_it_was_stopped(begin: Callable[[], Operator]) -> None:
    whole = begin()
    whole.up()
    at = 1
    while (changes := overslept(operator := begin(), at)) is not None:
        assert [change for change in changes if not change.startswith("store: release")] == []
        assert places(operator.cluster) == places(whole.cluster)
        assert operator.plan().empty
        at += 1
    assert at > 5
