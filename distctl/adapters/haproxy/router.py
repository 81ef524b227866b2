"""A router brought to a view: the configuration first, then launch, reload or the socket, then read back."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from distctl.adapters.haproxy.folder import Change, RouterFolder
from distctl.adapters.haproxy.living import tell_draining, tell_living
from distctl.adapters.haproxy.master import TIMEOUT, Master, Reading
from distctl.cluster.requests import Page, Wanted
from distctl.cluster.router import RouterSight, RouterView, SlotSight
from distctl.cluster.spec import LogSpec, RouterId, ServerId
from distctl.commands import units
from distctl.commands.files import quote
from distctl.commands.haproxy import Group, Rendered, groups_of, place, render, steps, wire
from distctl.commands.haproxy.groups import model_of, server_of
from distctl.commands.haproxy.kinds import HELD, HOLD
from distctl.errors import DistctlError, NodeError, RouterError
from distctl.ports import Connector, Result

POLL = 0.05  # seconds between two looks at checks, which come each 50 ms at the soonest
FRESH = 0.5  # seconds for which a change under the fence says that the place is still ours
SPARE = 5.0  # seconds of a deadline that are kept for the reload itself


class HaproxyRouter:
    """One HAProxy on one place; fulfils `ports.RouterControl`.

    `root` is the place's root folder. `change` runs a script there that changes something, under the place's
    lock. `haproxy` names an executable there instead of the place's own or the one that we bring. `login` is
    the uid that streams to the place come from, when that is not the account that runs the router.
    """

    def __init__(
        self,
        connector: Connector,
        id: RouterId,
        root: str,
        change: Change,
        *,
        manager: units.Manager = units.Manager.DETACHED,
        haproxy: str | None = None,
        login: str = "",
    ) -> None:
        self._connector, self._id, self._manager = connector, id, manager
        self._unit = units.Unit(root, f"router-{id.router}", hardened=True)
        self._fenced, self._ours_at = change, 0.0
        self._folder = RouterFolder(str(id), connector, self._unit, self._change, haproxy, login)
        self._socket = place.door(self._unit.folder, login)
        self._master = Master(str(id), lambda timeout: connector.dial(self._socket, timeout=timeout))

    def apply(self, view: RouterView, *, deadline: float) -> str:
        """Bring the router to the view; see `ports.RouterControl`."""
        until = time.monotonic() + deadline
        rendered, groups = render(view), groups_of(view)
        before = self._master.read()
        if view.draining and (before is None or before.worker.structure != rendered.structure):
            return self._let_end(before)
        written = self._folder.write(rendered, view.log, _left(until))
        took = self._start(view, rendered, groups, before, until, stale=written.stale)
        lines = before.worker.lines if before else {}
        awaited = steps.joining(groups, lines) if took else frozenset()
        told = self._settle(groups, awaited, until, excused=took == "launched")
        self._confirm()
        told += tell_living(self._master, rendered.living) + tell_draining(
            self._master, draining=view.draining
        )
        if written.changed:
            self._folder.tidy(rendered, _left(until))
        files = "configuration written" if written.changed else ""
        words = [took, f"told {told} commands" if told else "", files]
        return ", ".join(word for word in words if word) or "nothing to do"

    def look(self) -> RouterSight:
        """What the router is now; see `ports.RouterControl`."""
        try:
            folder = self._folder.look(TIMEOUT)
        except (DistctlError, OSError) as error:
            return RouterSight(self._id, running=False, error=str(error))
        return replace(self.glance(), config=folder.config, lost=folder.lost, outdated=folder.outdated)

    def glance(self) -> RouterSight:
        """What its workers say over the socket alone; see `ports.RouterControl`."""
        try:
            seen = self._master.read()
        except (DistctlError, OSError) as error:
            return RouterSight(self._id, running=False, error=str(error))
        if seen is None:
            return RouterSight(self._id, running=False)
        if not seen.worker.pid:
            return RouterSight(self._id, running=True, error="no worker answered")
        return RouterSight(
            self._id,
            running=True,
            pid=seen.worker.pid,
            structure=seen.worker.structure,
            slots=_sights(seen),
            old_workers=seen.processes.old,
            held=_held(seen),
            stopping=seen.worker.stopping,
        )

    def close(self) -> None:
        """HAProxy's soft stop: listeners close, clients are told, and it ends with the last connection."""
        soft = f"rm -f {quote(self._unit.folder)}/up\n{units.signal(self._unit, 'USR1')}"
        self._change(soft, "asking the router to end", TIMEOUT)

    def halt(self) -> None:
        """End it now; see `ports.RouterControl`."""
        self._do(units.stop(self._unit, 5.0, self._manager), "stopping the router")

    def requests(self, log: LogSpec, wanted: Wanted, position: str, newest: int) -> Page:
        """What its log of requests has; see `ports.RouterControl`."""
        return self._folder.requests(log, wanted, position, newest)

    def stop(self, *, deadline: float) -> None:
        """Take no new connection, let what is in flight end up to the deadline, stop, remove the folder."""
        until = time.monotonic() + deadline
        self.close()
        while self._busy() and time.monotonic() < until:
            time.sleep(POLL * 4)
        self.halt()
        folder = quote(self._unit.folder)
        self._do(f"rm -rf {folder} {quote(self._socket)}", "removing the router's folder")

    def _let_end(self, seen: Reading | None) -> str:
        """A router that is to end learns of no other pools or servers: its health path says that it goes."""
        if seen is None:
            return "it does not run, as is wanted"
        tell_draining(self._master, draining=True)
        return "it is to end"

    def _start(
        self,
        view: RouterView,
        rendered: Rendered,
        groups: tuple[Group, ...],
        seen: Reading | None,
        until: float,
        *,
        stale: bool,
    ) -> str:
        """Launch or reload where that is needed; which of them, or nothing.

        A reload also takes back a router that is ending, and has the master execute another HAProxy where a
        `stale` one runs.
        """
        if seen is None:
            self._folder.write_health(steps.health_file(groups, {}), _left(until))
            self._do(units.start(self._unit, self._manager), "starting the router")
            self._await_worker(rendered, 0, until)
            return "launched"
        back = seen.worker.stopping and not view.draining
        if seen.worker.structure == rendered.structure and not (back or stale):
            return ""
        if back:
            self._do(units.start(self._unit, self._manager), "taking the router back")
        while wire.would_forget(self._master.ask(wire.TABLES)) and time.monotonic() < until - SPARE:
            time.sleep(POLL * 4)
        seen = self._master.read() or seen
        self._folder.write_health(steps.health_file(groups, seen.worker.lines), _left(until))
        try:
            self._master.reload()
        except RouterError:
            self._folder.take_back(max(_left(until), TIMEOUT))
            raise
        self._await_worker(rendered, seen.worker.pid, until)
        return "reloaded with another HAProxy" if stale else "reloaded"

    def _await_worker(self, rendered: Rendered, before: int, until: float) -> None:
        """Wait until a new worker with this structure answers."""
        while True:
            seen = self._starting()
            if seen and seen.worker.structure == rendered.structure and seen.worker.pid not in (0, before):
                return
            if time.monotonic() >= until:
                raise RouterError(
                    f"router {self._id} started no worker with its new configuration in time",
                    hint=f"distctl logs {self._id.router}",
                )
            time.sleep(POLL)

    def _starting(self) -> Reading | None:
        """One look at a master that may just be executing itself anew, which cuts its connections."""
        try:
            return self._master.read()
        except RouterError:
            return None

    def _settle(
        self, groups: tuple[Group, ...], awaited: Collection[wire.Place], until: float, *, excused: bool
    ) -> int:
        """Tell the worker what differs, turn by turn, until it confirms every slot; how many commands.

        With `excused`, a slot that became ready by a launch need not run: it is enough that it was checked.
        """
        told = 0
        while True:
            seen = self._master.read()
            if seen is None or not seen.worker.pid:
                raise RouterError(f"router {self._id} ended while it was being changed")
            turn = steps.next_commands(groups, seen.worker.lines, awaited)
            commands = [*turn.commands, *steps.limit_commands(groups, seen.worker.counts)]
            late = [p for p in turn.waiting if not (excused and p in awaited and _failed(seen, p))]
            if not commands and not late:
                return told
            if time.monotonic() >= until:
                raise self._late(late, seen)
            self._confirm()
            self._master.tell(seen.worker.pid, commands)
            told += len(commands)
            if not commands:
                time.sleep(POLL)

    def _late(self, places: list[wire.Place], seen: Reading) -> RouterError:
        slots = ", ".join(
            f"{slot} of {model_of(backend) or 'any'} ({seen.counts[backend, slot].check or 'not checked'})"
            for backend, slot in places
        )
        return RouterError(
            f"router {self._id}: no check has passed for {slots}" if slots else f"router {self._id} is late",
            hint="the slot gets no requests; see whether the server serves the model: distctl status",
        )

    def _busy(self) -> bool:
        try:
            seen = self._master.read()
        except NodeError:
            raise
        except RouterError:
            return True
        return seen is not None and any(c.in_flight or c.queued for c in seen.counts.values())

    def _confirm(self) -> None:
        """Raise unless the place is still ours: the socket itself would obey anybody."""
        if time.monotonic() - self._ours_at > FRESH:
            self._change(":", "making sure that the router is still ours", TIMEOUT)

    def _change(self, script: str, tried: str, deadline: float) -> Result:
        result = self._fenced(script, tried, deadline)
        self._ours_at = time.monotonic()
        return result

    def _do(self, script: str, tried: str) -> None:
        result = self._change(script, tried, 60.0)
        if result.status != 0:
            log = self._connector.run(
                units.tail(self._unit), tried="reading the router's log", deadline=TIMEOUT
            )
            said = (result.stderr + result.stdout + log.stdout).strip().splitlines()[-20:]
            raise RouterError(f"router {self._id}: {tried} failed: " + "\n".join(said))


def _left(until: float) -> float:
    return max(until - time.monotonic(), 1.0)


def _failed(seen: Reading, place: wire.Place) -> bool:
    check = seen.counts[place].check
    return bool(check) and not check.startswith(("INI", "UNK", "* ", "L7OK", "L4OK"))


def _held(seen: Reading) -> dict[str, int]:
    """By model: how many requests wait for a first server; what one has by now waits no more."""
    found: dict[str, int] = {}
    for (backend, name), count in seen.counts.items():
        if backend.endswith(HELD) and (model := model_of(backend)):
            waiting = count.in_flight if name == wire.WHOLE else -count.in_flight if name != HOLD else 0
            found[model] = found.get(model, 0) + waiting
    return {model: max(0, waiting) for model, waiting in found.items()}


def _sights(seen: Reading) -> tuple[tuple[str, ServerId, SlotSight], ...]:
    """Every slot of every pool, all backends and workers summed."""
    found = []
    by_slot: dict[tuple[str | None, str], list[wire.Count]] = {}
    for (backend, slot), count in seen.counts.items():
        by_slot.setdefault((model_of(backend), slot), []).append(count)
    for (backend, slot), line in sorted(seen.worker.lines.items()):
        model = model_of(backend)
        if model is None or backend != f"{model}_r":
            continue
        counts = by_slot[model, slot]
        check = seen.counts[backend, slot].check
        sight = SlotSight(
            state=line.state,
            healthy=line.running and "OK" in check,
            in_flight=sum(count.in_flight for count in counts),
            queued=sum(count.queued for count in counts),
            check=check,
            total=sum(count.total for count in counts),
        )
        found.append((model, server_of(slot), sight))
    return tuple(found)
