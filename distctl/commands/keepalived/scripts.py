"""The scripts of keepalived's unit. Those that change something run inside `fence.guarded`."""

from __future__ import annotations

from string import Template

from distctl.cluster.names import RouterId
from distctl.cluster.shared import AddressSight, AddressView
from distctl.commands import units
from distctl.commands.files import quote, template, write
from distctl.commands.keepalived.handover import end_idle_loan, end_loan, lend, unrelay
from distctl.commands.keepalived.render import (
    CONFIG,
    DOORS,
    LESS,
    WISH,
    check_path,
    check_text,
    render,
    settings_of,
    wish_of,
)

TERMINATED = 143  # how the test of 2.2 ends when it has found nothing: by a signal to itself
NOWHERE = "0.0.0.0/32"  # an address that no interface has
KEPT = "kept"
PATH = "PATH=$PATH:/usr/sbin:/sbin"


def unit_name(router: str) -> str:
    """The name of the unit beside a router's own."""
    return f"keepalived-{router}"


def unit(root: str, router: str) -> units.Unit:
    """keepalived's unit on a place with that root folder."""
    return units.Unit(root, unit_name(router), stop_seconds=5.0)


def accept(unit: units.Unit, view: AddressView) -> str:
    """A script that writes what keepalived needs, has it check its configuration, and tells one that runs.

    It ends with 1 and keepalived's words when it refuses; nothing has changed then.
    """
    folder, config = quote(unit.folder), f"{unit.folder}/{CONFIG}"
    return f"""{PATH}
umask 077
{_check()}
{write(f"{config}.checked", render(view, unit.folder), 0o600)}
cd {folder} || exit 1
said=$(keepalived --config-test --use-file={quote(config)}.checked 2>&1)
case $? in 0 | {TERMINATED}) ;; *) printf '%s\n' "$said" >&2; exit 1 ;; esac
if printf '%s' "$said" | grep -v WARNING >&2; then exit 1; fi
changed=
cmp -s {CONFIG}.checked {CONFIG} || changed=yes
mv -f {CONFIG}.checked {CONFIG} || exit 1
{write(f"{unit.folder}/{WISH}", wish_of(view), 0o600)}
{units.install(unit, _run(unit, view))}
{"" if view.yields else end_idle_loan(unit, view.shared.address)}
{units.told(unit, 'if [ "$changed" ]; then kill -HUP "$pid"; fi')}
"""


def give_up(unit: units.Unit, view: AddressView, seconds: float, *, chained: bool) -> str:
    """A script that lets another place have the address, and waits up to `seconds` until it has gone.

    It prints `kept` when it has not: no other place is there to take it. What is open goes on (`handover`);
    `chained`: what another place gave up before, and still has open, is sent on to it from here as until now.
    """
    wish = write(f"{unit.folder}/{WISH}", f"{LESS}\n", 0o600)
    return f"""{PATH}
{_has(view.shared.address)} || exit 0
{lend(unit, view)}
{"" if chained else unrelay(unit)}
{wish}
ticks=0
while {_has(view.shared.address)}; do
    [ "$ticks" -lt {round(seconds * 20)} ] || {{ echo {KEPT}; break; }}
    ticks=$((ticks + 1))
    sleep 0.05
done
"""


def remove(unit: units.Unit, address: str, manager: units.Manager) -> str:
    """A script that stops keepalived, takes away an address that it left behind, and removes its folder."""
    return f"""{units.stop(unit, 5.0, manager)}
{PATH}
{_forget(address)}
{end_loan(unit, address)}
{unrelay(unit)}
rm -rf {quote(unit.folder)}
"""


def look(unit: units.Unit, address: str) -> str:
    """A script that prints what `parse_look` reads; it changes nothing."""
    folder = quote(unit.folder)
    return f"""{PATH}
if {_has(address)}; then echo holds; fi
cd {folder}/.. 2>/dev/null || exit 0
{units.states(unit.folder.rpartition("/")[0])}
"""


def parse_look(id: RouterId, text: str) -> AddressSight:
    """What `look` printed."""
    found = units.parse_states(text).get(unit_name(id.router))
    running = found is not None and found.process is not None
    return AddressSight(id, running, found.settings if found else "", holds="holds" in text.splitlines())


def _run(unit: units.Unit, view: AddressView) -> str:
    """The unit's start script: what an earlier process left of the address is taken away first."""
    return Template(template("keepalived/run.sh")).substitute(
        settings=settings_of(view),
        folder=quote(unit.folder),
        check=_check(),
        forget=_forget(view.shared.address),
    )


def _check() -> str:
    return f"mkdir -p -m 711 {DOORS} || exit 1\n{write(check_path(), check_text(), 0o755)}"


def _has(address: str) -> str:
    return f"ip -o {_family(address)} addr show to {address or NOWHERE} 2>/dev/null | grep -qv '^[0-9]*: lo '"


def _forget(address: str) -> str:
    there = f"ip -o {_family(address)} addr show to {address or NOWHERE}"
    return (
        f"{there} | while read -r _ interface _ found _; do\n"
        '    [ "$interface" = lo ] || ip addr del "$found" dev "$interface"\ndone'
    )


def _family(address: str) -> str:
    return "-6" if ":" in address else "-4"
