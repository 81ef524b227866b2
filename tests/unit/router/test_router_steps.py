"""What a worker is told, from what it says: tables, no socket."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import RouterId, ServerId
from distctl.commands.haproxy import groups_of, steps, wire
from distctl.commands.haproxy.wire import Line

OFF, READY, DRAIN = SlotState.OFF, SlotState.READY, SlotState.DRAIN

UP = Line(True, False, False, 100)
DOWN = Line(False, False, False, 100)
MAINT = Line(False, True, False, 100)
DRAINS = Line(True, False, True, 100)
JOINS = Line(False, False, True, 100)
BOOTED_DRAIN = Line(True, False, False, 0)


def groups(state: SlotState):
    slot = Slot(ServerId("n1", "0"), "10.0.0.1", 9000, 9001, state)
    view = RouterView(RouterId("r", "p"), "c", "::", 1, 2, 3, (Pool("m", (slot,)),))
    return groups_of(view)[1:]


def lines(line: Line, tracking: Line | None = None):
    backends = ("m_g", "m_rn", "m_gn", "m_rs", "m_gs")
    return {("m_r", "n1.0"): line, **{(b, "n1.0"): tracking or line for b in backends}}


PLACE = (("m_r", "n1.0"),)
SET = "set server m_r/n1.0"
WEIGHTS = tuple(f"set server {b}/n1.0 weight 100" for b in ("m_gs", "m_rs", "m_gn", "m_rn", "m_g", "m_r"))


@pytest.mark.parametrize(
    ("wanted", "line", "commands", "waiting"),
    [
        (READY, UP, (), ()),
        (READY, DOWN, (), ()),  # HAProxy's own affair: it comes back by itself
        (READY, MAINT, (f"{SET} state drain", f"{SET} health down"), PLACE),
        (READY, JOINS, (), PLACE),
        (READY, DRAINS, (f"{SET} state ready",), ()),
        (READY, BOOTED_DRAIN, WEIGHTS, ()),
        (READY, replace(BOOTED_DRAIN, running=False), (), PLACE),
        (DRAIN, UP, (f"{SET} state drain",), ()),
        (DRAIN, DOWN, (f"{SET} state drain",), ()),
        (DRAIN, DRAINS, (), ()),
        (DRAIN, BOOTED_DRAIN, (), ()),
        (DRAIN, MAINT, (f"{SET} state drain", f"{SET} health down"), ()),
        (OFF, UP, (f"{SET} state maint",), ()),
        (OFF, DRAINS, (f"{SET} state maint",), ()),
        (OFF, MAINT, (), ()),
    ],
)
def test_next_commands(wanted: SlotState, line: Line, commands: tuple, waiting: tuple) -> None:
    turn = steps.next_commands(groups(wanted), lines(line))
    assert (turn.commands, turn.waiting) == (commands, waiting)
    assert turn.done is (not commands and not waiting)


def test_slot_that_a_reload_made_ready_is_waited_for() -> None:
    assert steps.next_commands(groups(READY), lines(DOWN), PLACE).waiting == PLACE
    assert steps.next_commands(groups(READY), lines(UP), PLACE).done


def test_weight_of_a_tracking_backend_is_made_good() -> None:
    turn = steps.next_commands(groups(READY), lines(UP, replace(UP, weight=0)))
    assert turn.commands == WEIGHTS[:5]


def told(line: Line, command: str) -> Line:
    """What a command makes of a line in HAProxy 2.8."""
    *_, verb, value = command.split()
    changes = {
        ("state", "maint"): {"maintenance": True, "draining": False, "running": False},
        ("state", "drain"): {"maintenance": False, "draining": True, "running": True},
        ("state", "ready"): {"maintenance": False, "draining": False},
        ("health", "down"): {"running": False},
    }
    return replace(line, **changes.get((verb, value), {"weight": 100}))


@pytest.mark.parametrize(
    ("wanted", "line"), list(product((OFF, READY, DRAIN), (UP, DOWN, MAINT, DRAINS, JOINS, BOOTED_DRAIN)))
)
def test_turns_end_in_what_is_wanted_and_no_request_goes_to_an_unchecked_slot(
    wanted: SlotState, line: Line
) -> None:
    """Each turn may be the last before an interruption: the next one goes on from what it finds."""
    now = lines(line)
    for _ in range(6):
        turn = steps.next_commands(groups(wanted), now)
        if turn.done:
            break
        for command in turn.commands:
            backend = command.split()[2].partition("/")[0]
            now[backend, "n1.0"] = told(now[backend, "n1.0"], command)
            if backend == "m_r":
                admin = replace(now["m_r", "n1.0"], weight=0)
                for other in ("m_g", "m_rn", "m_gn", "m_rs", "m_gs"):
                    now[other, "n1.0"] = replace(admin, weight=now[other, "n1.0"].weight)
            fresh = line.state is not READY and not now["m_r", "n1.0"].running
            assert not (fresh and now["m_r", "n1.0"].state is READY)
        if turn.waiting and not turn.commands:  # its checks pass
            now = {place: replace(seen, running=True) for place, seen in now.items()}
    assert turn.done
    assert {seen.state for seen in now.values()} == {wanted}


def test_joining_are_those_that_were_not_ready_before() -> None:
    assert steps.joining(groups(READY), {}) == frozenset(PLACE)
    assert steps.joining(groups(READY), lines(MAINT)) == frozenset(PLACE)
    assert steps.joining(groups(READY), lines(DOWN)) == frozenset()
    assert steps.joining(groups(DRAIN), {}) == frozenset()


@pytest.mark.parametrize(
    ("wanted", "line", "starts"),
    [
        (READY, UP, "1 m_r 1 n1.0 10.0.0.1 2 0 100 100 "),
        (READY, DOWN, "1 m_r 1 n1.0 10.0.0.1 0 0 100 100 "),
        (READY, MAINT, "1 m_r 1 n1.0 10.0.0.1 0 0 100 100 "),
        (DRAIN, DRAINS, "1 m_r 1 n1.0 10.0.0.1 2 0 0 0 "),
    ],
)
def test_health_file_begins_the_next_worker_where_this_one_is(
    wanted: SlotState, line: Line, starts: str
) -> None:
    rows = steps.health_file(groups(wanted), lines(line)).splitlines()
    assert len(rows) == 3 and rows[2].startswith(starts)
    assert len(rows[2].split()) == len(rows[1].split()) - 1  # the header has its mark besides


def test_health_file_leaves_out_what_is_off() -> None:
    assert len(steps.health_file(groups(OFF), lines(UP)).splitlines()) == 2


def test_commands_go_to_one_worker_by_its_pid() -> None:
    assert wire.tell(7, ["a", "b"]) == "@!7 a;@!7 b"
