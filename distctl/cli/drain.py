"""`distctl cordon`, `drain`, `undrain`: take a node out of use and bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distctl.cli import names
from distctl.cli.options import Force, Format, InventoryFile, LeaseWait, Output, Timeout, Why

if TYPE_CHECKING:
    from distctl.app.change import Prepared
    from distctl.app.errands import Request
    from distctl.app.leasing import Keeper
    from distctl.app.session import Session
    from distctl.cluster.record import Change
    from distctl.control.execute import Outcome

Nodes = Annotated[list[str], typer.Argument(help="Node names, globs or ranges.", autocompletion=names.nodes)]


def cordon(
    nodes: Nodes,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    message: Why = "",
    lease_wait: LeaseWait = "0",
) -> None:
    """Place no new replica on nodes. What runs there goes on. `undrain` ends it."""
    _intend("cordon", nodes, inventory, output, message, lease_wait)


def undrain(
    nodes: Nodes,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    message: Why = "",
    lease_wait: LeaseWait = "0",
) -> None:
    """Bring nodes back that were cordoned or drained."""
    _intend("undrain", nodes, inventory, output, message, lease_wait)


def drain(
    nodes: Nodes,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    timeout: Timeout = None,
    message: Why = "",
    force: Force = False,
    detach: Annotated[bool, typer.Option("--detach", help="Begin, and do not wait for the end.")] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the nodes' servers once they are drained.")
    ] = False,
    max_unavailable: Annotated[int, typer.Option(min=1, help="How many nodes are drained at a time.")] = 1,
    lease_wait: LeaseWait = "0",
) -> None:
    """Send nodes no new request, wait until what is in flight has ended, and keep it so until `undrain`."""
    from distctl.app.change import prepare, with_changes
    from distctl.app.errands import Request, asking
    from distctl.app.wishes import intent_changes, refuse_bereft
    from distctl.cli.output import note
    from distctl.cli.running import finish, opened, seconds

    with opened(inventory) as session:
        chosen = session.select(nodes)
        limit = seconds(timeout)
        what = f"drain {' '.join(chosen)}"
        with asking(session, what, wait=seconds(lease_wait) or 0.0, say=note) as keeper:
            prepared = prepare(session, keeper)
            every = intent_changes(session, chosen, cordoned=True, draining=True, why=message)
            refuse_bereft(session, prepared, every, force=force)
            closed = intent_changes(session, chosen, cordoned=True, draining=False, why=message)
            if len(chosen) > max_unavailable:
                session.store.commit(keeper.lease.token, closed)
            outcomes: list[Outcome] = []
            for first in range(0, len(chosen), max_unavailable):
                some = chosen[first : first + max_unavailable]
                keeper.hold()
                wish = intent_changes(session, some, cordoned=True, draining=True, why=message, stopped=stop)
                prepared = prepare(session, keeper, awaited=some)
                prepared = with_changes(prepared, session, wish, prune=False)
                request = Request("drain", tuple(some), tuple(wish), tuple(some), limit, force, detach)
                outcomes += _drained(session, keeper, prepared, request, output)
                if not detach and any(outcome.error for outcome in outcomes):
                    break  # a batch that did not end would stand beside the next: too many at once
            if detach:
                outcomes = _handed_over(chosen, outcomes)
            finish("drain", prepared, outcomes, output, intent={"draining": chosen, "why": message})


def _drained(
    session: Session,
    keeper: Keeper,
    prepared: Prepared,
    request: Request,
    output: Format,
) -> tuple[Outcome, ...]:
    """Carry out one batch; at a terminal, ask at the deadline whether to cut what is left."""
    import sys
    from dataclasses import replace

    from distctl.app.change import prepare
    from distctl.cli.output import confirm
    from distctl.cli.running import fulfil
    from distctl.errors import DrainExpired

    outcomes = fulfil(session, keeper, prepared, request, output)
    late = [o for o in outcomes if isinstance(o.error, DrainExpired)]
    if (
        not late
        or request.force
        or request.drain_seconds == 0.0
        or request.detached
        or not sys.stdin.isatty()
    ):
        return outcomes
    if not confirm(f"{late[0].detail}. Cut what is left?", yes=False):
        return outcomes
    keeper.hold()
    again = prepare(session, keeper, awaited=[o.step.operation.node for o in late])
    return fulfil(session, keeper, again, replace(request, drain_seconds=0.0, force=True), output)


def _handed_over(chosen: list[str], outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes with drains that go on by themselves told as such: with --detach they are no failure."""
    from dataclasses import replace

    from distctl.cli.output import note
    from distctl.control.execute import State
    from distctl.errors import DrainExpired

    if not any(isinstance(o.error, DrainExpired) for o in outcomes):
        return outcomes
    note(f"the drain goes on; `distctl drain {' '.join(chosen)}` waits for its end")
    return [
        replace(o, state=State.RUNNING, error=None) if isinstance(o.error, DrainExpired) else o
        for o in outcomes
    ]


def _intend(
    word: str, nodes: list[str], inventory: Path | None, output: Format, message: str, lease_wait: str
) -> None:
    from distctl.app.change import prepare, with_changes
    from distctl.app.errands import Request, asking
    from distctl.app.wishes import intent_changes
    from distctl.cli.output import note
    from distctl.cli.running import finish, fulfil, opened, seconds

    with opened(inventory) as session:
        chosen = session.select(nodes)
        what = f"{word} {' '.join(chosen)}"
        with asking(session, what, wait=seconds(lease_wait) or 0.0, say=note) as keeper:
            record = session.store.load()
            draining = {n: n in record.intents and record.intents[n].draining for n in chosen}
            wish: list[Change] = []
            for name in chosen:
                keep = word == "cordon" and draining[name]
                wish += intent_changes(session, [name], cordoned=word == "cordon", draining=keep, why=message)
            prepared = with_changes(prepare(session, keeper), session, wish, prune=False)
            outcomes = fulfil(session, keeper, prepared, Request(word, tuple(chosen), tuple(wish)), output)
            finish(word, prepared, outcomes, output, intent={word: chosen, "why": message})
