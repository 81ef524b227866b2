"""What has to be said to a running worker so that its slots become what a view wants. Pure.

`next_commands` is asked again and again with what was read back: it has nothing more to say when every slot
is confirmed. A slot that joins goes from maintenance to drain with its health taken as DOWN, so that only
checks which pass from then on make it run again; only then is it made ready. HAProxy alone would take a
slot that leaves maintenance as UP before its first check.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from distctl.cluster.router import Slot, SlotState
from distctl.commands.haproxy.groups import Group
from distctl.commands.haproxy.wire import Count, Line, Place

Lines = Mapping[Place, Line]


@dataclass(frozen=True, slots=True)
class Turn:
    """What to say now, and the places whose check has to pass before more can be said."""

    commands: tuple[str, ...]
    waiting: tuple[Place, ...]

    @property
    def done(self) -> bool:
        """Whether every slot is as it is wanted."""
        return not self.commands and not self.waiting


def next_commands(groups: Iterable[Group], lines: Lines, awaited: Collection[Place] = ()) -> Turn:
    """The next turn. `awaited` are places that a reload made ready and whose check has yet to pass."""
    commands: list[str] = []
    waiting: list[Place] = []
    for group in groups:
        for slot in group.slots:
            place = (group.checked, slot.server.slot)
            line = lines[place]
            said = _slot(group, slot, line, lines)
            commands += said
            joining = slot.state is SlotState.READY and not line.running
            if joining and (line.state is not SlotState.READY or place in awaited):
                waiting.append(place)
    return Turn(tuple(commands), tuple(waiting))


def _slot(group: Group, slot: Slot, line: Line, lines: Lines) -> list[str]:
    target = f"{group.checked}/{slot.server.slot}"
    if slot.state is SlotState.OFF:
        return [] if line.state is SlotState.OFF else [f"set server {target} state maint"]
    if line.state is SlotState.OFF:
        return [f"set server {target} state drain", f"set server {target} health down"]
    if slot.state is SlotState.DRAIN:
        return [] if _drains(group, slot, lines) else [f"set server {target} state drain"]
    if line.state is SlotState.DRAIN and not line.running:
        return []
    ready = [f"set server {target} state ready"] if line.draining else []
    return [*_weights(group, slot, lines), *ready]


def _drains(group: Group, slot: Slot, lines: Lines) -> bool:
    places = (lines[backend, slot.server.slot] for backend in group.backends)
    return all(line.state is not SlotState.READY for line in places)


def _weights(group: Group, slot: Slot, lines: Lines) -> list[str]:
    """Each backend has a weight of its own: tracking does not carry it."""
    return [
        f"set server {backend}/{slot.server.slot} weight {slot.weight}"
        for backend in reversed(group.backends)
        if lines[backend, slot.server.slot].weight != slot.weight
    ]


def limit_commands(groups: Iterable[Group], counts: Mapping[Place, Count]) -> list[str]:
    """What gives every server the number of requests at once that the view wants."""
    return [
        f"set maxconn server {backend}/{slot.server.slot} {group.limit}"
        for group in groups
        for backend in group.limited
        for slot in group.slots
        if counts[backend, slot.server.slot].limit != group.limit
    ]


def joining(groups: Iterable[Group], lines: Lines) -> frozenset[Place]:
    """The places that are wanted ready and are not so in a worker (`lines` is empty when none runs)."""
    wanted = (
        (group.checked, slot.server.slot)
        for group in groups
        for slot in group.slots
        if slot.state is SlotState.READY
    )
    return frozenset(
        place for place in wanted if place not in lines or lines[place].state is not SlotState.READY
    )


HEALTH_HEADER = (
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight"
    " srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state"
    " srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port"
    " srv_check_addr srv_agent_addr srv_agent_port"
)


def health_file(groups: Iterable[Group], lines: Lines) -> str:
    """HAProxy's server state file for the next worker: which slots run now, so that it starts from there.

    A slot that did not run, or was not there, begins as DOWN and comes up by its checks; at a launch
    (`lines` is empty) what is to be ready begins as UP, as HAProxy itself has it: clients that find the port
    open before the first check are not refused. Slots that are off are left out: their state stands in the
    configuration. Only checked backends read the file, since loading a tracking server's state as well leaves
    it in maintenance for ever (HAProxy 2.8).
    """
    rows = ["1", HEALTH_HEADER]
    for group in groups:
        for number, slot in enumerate(group.slots, 1):
            if slot.state is SlotState.OFF:
                continue
            line = lines.get((group.checked, slot.server.slot))
            up = line.running if line else not lines and slot.state is SlotState.READY
            weight = 0 if slot.state is SlotState.DRAIN else slot.weight
            names = f"1 {group.checked} {number} {slot.server.slot} {slot.host}"
            check = "15 3 3" if up else "1 0 0"  # passed and at full health, or never made
            rows.append(
                f"{names} {2 if up else 0} 0 {weight} {weight} 0 {check}"
                f" 6 0 0 0 - {slot.http_port} - 0 0 - - 0"
            )
    return "\n".join(rows) + "\n"
