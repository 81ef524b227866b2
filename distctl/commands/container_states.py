"""What a node's containers say of themselves: a script, and its output read. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from distctl.cluster.snapshot import UnitSight
from distctl.commands.container import ENGINES, LABEL, MARK, label
from distctl.commands.files import quote, template
from distctl.commands.units import parse_identity

_COLUMNS = ("container", "server", "settings", "ports", "process")


def states() -> str:
    """A script that prints, for each container of the node's folder (`$root`), what `parse_states` reads.

    Asked is every engine where servers are to run in containers (`$wanted_engine`), and the one that a unit's
    container was given to: a node that never had one pays nothing for it.
    """
    given = f'cat "$root"/units/server-*/{MARK} 2>/dev/null'
    tab = '{{"\\t"}}'
    own = [label(key) for key in ("server", "settings", "ports")]
    line = tab.join([_COLUMNS[0], *own, "{{.State.Running}}", "{{.State.Pid}}"])
    return f"""{template("systemd/process.sh")}
engines=$({given} | sort -u)
[ -z "$wanted_engine" ] || engines={quote(" ".join(ENGINES))}
for engine in $engines; do
    command -v "$engine" >/dev/null || continue
    ids=$(timeout 20 "$engine" ps --all --quiet --no-trunc --filter "label={LABEL}.root=$root" 2>/dev/null)
    [ -n "$ids" ] || continue
    timeout 20 "$engine" inspect --format '{line}' $ids |
    while IFS='	' read -r mark server settings ports running pid; do
        process=
        [ "$running" = true ] && fields "$pid" && process="$boot $pid $started"
        printf '%s\\t%s\\t%s\\t%s\\t%s\\n' "$mark" "$server" "$settings" "$ports" "$process"
    done
done"""


def parse_states(text: str, units: Mapping[str, UnitSight]) -> dict[str, UnitSight]:
    """The units with what their containers say of themselves. Lines that are cut short are left out.

    A container is the unit's process where no other runs; what is stopped does not hide what runs.
    """
    found = dict(units)
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) != len(_COLUMNS) or parts[0] != _COLUMNS[0]:
            continue
        _, server, settings, ports, process = parts
        name, identity = f"server-{server}", parse_identity(process)
        before = found.get(name, UnitSight(name))
        if identity is None and before.process is not None:
            continue
        found[name] = UnitSight(
            name,
            run_digest=before.run_digest,
            settings=settings,
            process=identity,
            wanted_up=True,
            ports=tuple(int(port) for port in ports.split(",") if port.isdecimal()),
        )
    return found
