"""Turning nodes off and on: what was decided is in the record first, then the command runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from distctl.app.errands import Request, ask, executor, follow
from distctl.app.leasing import Keeper
from distctl.app.session import Session
from distctl.cluster.power import Power, PowerSpec, PowerState
from distctl.cluster.record import AddEvent, Change, ErrandState, Event, SetPower
from distctl.cluster.spec import Node
from distctl.errors import DistctlError, InputError, NodeError, Refused
from distctl.policy.power import placed_on

WIDTH = 16  # commands at once
BY_HAND = {"power on": PowerState.BOOTING, "power off": PowerState.STOPPING}  # what these commands write


def switch_all(session: Session, keeper: Keeper, powers: Iterable[Power]) -> list[NodeError]:
    """Run the commands of nodes whose state the record has by now; what failed goes back in it, with why."""
    wanted = list(powers)
    with ThreadPoolExecutor(WIDTH, thread_name_prefix="power") as pool:
        errors = list(pool.map(lambda power: _switch(session, power), wanted))
    keeper.renew()
    failed = [(power, error) for power, error in zip(wanted, errors, strict=True) if error is not None]
    for power, error in failed:
        session.store.commit(keeper.lease.token, _failed(session, power, error))
    return [error for _, error in failed]


def _switch(session: Session, power: Power) -> NodeError | None:
    from distctl.adapters.switching import switch

    node = session.node(power.node)
    spec = node.power
    if spec is None:
        return NodeError(node.name, "change its power", "the inventory has no `power` for it")
    tried = "turn it off" if power.state is PowerState.STOPPING else "turn it on"
    try:
        switch(
            node.name,
            tried,
            _command(spec, node, power.state),
            folder=session.inventory.file.absolute().parent,
            environment={"DISTCTL_NODE": node.name, "DISTCTL_ADDRESS": node.address},
            secrets=_secrets(session, spec),
        )
    except NodeError as error:
        return error
    except DistctlError as error:  # a secret that cannot be read
        return NodeError(node.name, tried, error.message, hint=error.hint)
    return None


def _command(spec: PowerSpec, node: Node, state: PowerState) -> list[str]:
    command = spec.off if state is PowerState.STOPPING else spec.on
    return [word.replace("{node}", node.name).replace("{address}", node.address) for word in command]


def _secrets(session: Session, spec: PowerSpec) -> dict[str, str]:
    from distctl.config.secrets import resolve

    folder = session.inventory.file.absolute().parent
    return {name: resolve(ref, folder) for name, ref in spec.environment.items()}


def _failed(session: Session, power: Power, error: NodeError) -> list[Change]:
    """One that could not be turned off is on; one that could not be turned on is tried again later."""
    coming = power.state is PowerState.BOOTING
    state, tries = (PowerState.OFF, power.tries + 1) if coming else (PowerState.ON, power.tries)
    now = session.clock.now()
    back = power.turned(state, now, error.message, session.author, tries=tries)
    return [SetPower(back), AddEvent(Event(now, "power", power.node, error.message, session.author))]


def by_hand(
    session: Session, keeper: Keeper, names: Iterable[str], *, on: bool, why: str, say: Callable[[str], None]
) -> None:
    """Turn nodes on or off now. Raises InputError without `power`, Refused while one serves, NodeError."""
    record = session.store.load()
    session.remember(record)
    what = "power on" if on else "power off"
    state, turned = BY_HAND[what], []
    for name in names:
        node, now = session.node(name), session.clock.now()
        if node.power is None:
            raise InputError(f"the inventory has no `power` for {name}", hint="inventory/prod.yaml shows it")
        if not on and (used := placed_on(record, name)):
            hint = f"scale down, or `distctl cordon {name}` and move it first"
            raise Refused(f"{name} is not idle: {used}", hint=hint)
        known = record.powers.get(name) or Power(name, since=now)
        turned.append(known.turned(state, now, why or f"by {session.author}", session.author))
    changes: list[Change] = [SetPower(power) for power in turned]
    changes += [
        AddEvent(Event(p.since, "power", p.node, f"{state.value} {p.node}: {p.why}", p.by)) for p in turned
    ]
    if executor(session) is not None:
        names = tuple(power.node for power in turned)
        errand = ask(session, keeper, Request(what, names, tuple(changes), places=names))
        errand, _ = follow(session, keeper, errand, watch=lambda _: None, say=say)
        carried_out = errand.state is ErrandState.DONE
    else:
        session.store.commit(keeper.lease.token, changes)
        carried_out = False
    if not carried_out and (failed := switch_all(session, keeper, turned)):
        raise failed[0]
    for power in turned:
        say(f"{power.node} is {state.value}")
