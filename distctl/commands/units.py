"""One supervised process on a node, whatever it is: the scripts that start, stop and look at it.

A unit is a folder with a start script (`run`), which its owner supplies. A small supervisor of ours keeps
it running: below systemd where there is one that survives logins and boots (a system unit as root, a user
unit with linger), else detached. The supervisor is the same in all three, so that restart, log rotation,
shared memory and the killing of a whole session do not depend on the place. Scripts that change something
are to be run inside `fence.guarded`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from distctl.cluster.snapshot import Identity, UnitSight
from distctl.commands import systemd
from distctl.commands.files import quote, template, write

LOG_BYTES = 16 * 1024 * 1024
LOG_KEEP = 3

# A start script may carry the line `# settings: WORD`; the running process's own is found again in UnitSight.
SETTINGS = "# settings:"

_COLUMNS = ("unit", "name", "digest", "up", "settings", "process", "restarts")


class Manager(str, Enum):
    """Who keeps a unit's supervisor running."""

    SYSTEM = "system"  # a systemd unit of the machine
    USER = "user"  # a systemd unit of the account, which has linger
    DETACHED = "detached"  # nobody: it ends with the machine


@dataclass(frozen=True, slots=True)
class Unit:
    """A supervised process: `name` is `server-NAME` or `router-NAME`, `root` the node's root folder.

    `stop_seconds` is how long the process may take after SIGTERM when somebody else stops the supervisor (a
    shutdown); `shm_prefix` names the shared memory that is removed before each start, empty for none.
    """

    root: str
    name: str
    stop_seconds: float = 30.0
    shm_prefix: str = ""
    log_bytes: int = LOG_BYTES
    log_keep: int = LOG_KEEP
    hardened: bool = False  # under systemd, without what a router does not need

    @property
    def folder(self) -> str:
        """Where the unit's files are."""
        return f"{self.root}/units/{self.name}"

    @property
    def run(self) -> str:
        """The start script: an sh script that ends in `exec`."""
        return f"{self.folder}/run"

    @property
    def log(self) -> str:
        """What the process and the supervisor said."""
        return f"{self.folder}/log"


def manager_for(facts: Mapping[str, str], *, become: bool) -> Manager:
    """Who is to keep units running on a node with these facts (see `distctl.facts`)."""
    systemd_runs = facts.get("systemd") == "yes"
    if systemd_runs and (become or facts.get("uid") == "0"):
        return Manager.SYSTEM
    if systemd_runs and facts.get("systemd.user") == "yes" and facts.get("systemd.linger") == "yes":
        return Manager.USER
    return Manager.DETACHED


def install(unit: Unit, run: str) -> str:
    """A script that puts the start script in place; it prints `changed PATH` when it was another before."""
    return write(unit.run, run, 0o700)


def accompany(unit: Unit, script: str) -> str:
    """A script that has the supervisor keep another one running beside the process, none when it is empty.

    One that runs with another text is ended; the supervisor starts the new one within a second.
    """
    beside = f"{unit.folder}/beside"
    changed = write(beside, script, 0o600) if script else f"[ ! -e {quote(beside)} ] || echo changed\n"
    return f"""changed=$({{
{changed}}}) || exit 1
[ -n "$changed" ] || exit 0
{"" if script else f"rm -f {quote(beside)}"}
cd {quote(unit.folder)} || exit 1
{template("systemd/process.sh")}
read_pid
kill_session "$beside"
"""


def start(unit: Unit, manager: Manager = Manager.DETACHED) -> str:
    """A script that starts the unit unless it runs, and returns when its process was started.

    It ends with 1 and the last lines of the log when no process was seen within five seconds.
    """
    supervisor = template("systemd/process.sh") + template("systemd/supervise.sh")
    return f"""{write(f"{unit.folder}/supervise", supervisor, 0o700)}
cd {quote(unit.folder)} || exit 1
{template("systemd/process.sh")}
: > up
read_pid
if ! alive "$supervisor"; then
{_launch(unit, manager)}
fi
tries=0
while [ "$tries" -lt 50 ]; do
    read_pid
    if alive "$supervisor"; then
        [ "$tries" -ne 0 ] || kill -USR1 "$pid"
        ! alive "$process" || exit 0
    fi
    tries=$((tries + 1))
    sleep 0.1
done
tail -n 20 log >&2
exit 1
"""


def stop(unit: Unit, seconds: float, manager: Manager = Manager.DETACHED) -> str:
    """A script that stops the unit: SIGTERM, after `seconds` SIGKILL of its whole session, memory cleared.

    It prints `killed` when SIGKILL was needed. A unit that does not run or was never there is no error.
    """
    ticks = max(0, math.ceil(seconds * 10))
    return f"""cd {quote(unit.folder)} 2>/dev/null || exit 0
{template("systemd/process.sh")}
rm -f up
ticks=0 asked= last=
while :; do
    read_pid
    [ -z "$process" ] || last=$process
    if alive "$process"; then
        [ "$asked" = "$process" ] || kill -TERM "$pid"
        asked=$process
    elif alive "$supervisor"; then
        kill -USR1 "$pid"
    else
        break
    fi
    if [ "$ticks" -ge {ticks} ] && alive "$process"; then
        kill_session "$process"
        echo killed
    elif [ "$ticks" -ge {ticks + 50} ]; then
        alive "$supervisor" && kill -KILL "$pid"
    fi
    ticks=$((ticks + 1))
    sleep 0.1
done
kill_session "$last"
kill_session "$beside"
clear_memory {quote(unit.shm_prefix)}
rm -f pid
{_forget(unit, manager)}
"""


def signal(unit: Unit, name: str) -> str:
    """A script that sends a signal (such as USR2) to the unit's process; it ends with 1 if none runs."""
    return f"""cd {quote(unit.folder)} 2>/dev/null || exit 1
{template("systemd/process.sh")}
read_pid
alive "$process" && kill -{name} "$pid"
"""


def told(unit: Unit, telling: str) -> str:
    """A script that tells something to a process which runs, by lines that know its `$pid`; else nothing.

    What its start script says now is then what it runs with.
    """
    return f"""cd {quote(unit.folder)} || exit 1
{template("systemd/process.sh")}
read_pid
if alive "$process"; then
{telling}
cp run started.new && mv -f started.new started || exit 1
fi
"""


def tail(unit: Unit, lines: int = 20) -> str:
    """A script that prints the last lines of the log, the rotated one included when the log is short."""
    return f"cd {quote(unit.folder)} 2>/dev/null && cat log.1 log 2>/dev/null | tail -n {lines}; true\n"


def states(units_folder: str) -> str:
    """A script that prints, for every unit below a folder, the lines that `parse_states` reads."""
    return f"""{template("systemd/process.sh")}
cd {quote(units_folder)} 2>/dev/null || exit 0
for folder in "$PWD"/*/; do
    cd "$folder" 2>/dev/null || continue
    folder=${{folder%/}}
    read_pid
    up=no digest= settings=
    [ ! -e up ] || up=yes
    [ ! -r run ] || digest=$(sha256sum < run)
    if alive "$process"; then
        while read -r mark word value; do
            [ "$mark $word" != '{SETTINGS}' ] || {{ settings=$value; break; }}
        done < started
    else
        process=
    fi
    printf 'unit\\t%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "${{folder##*/}}" "${{digest%% *}}" "$up" "$settings" \\
        "$process" "$restarts"
done
"""


def parse_states(text: str) -> dict[str, UnitSight]:
    """What `states` printed: unit name to what was seen of it. Lines that are cut short are left out."""
    found: dict[str, UnitSight] = {}
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) != len(_COLUMNS) or parts[0] != _COLUMNS[0] or parts[3] not in {"yes", "no"}:
            continue
        _, name, digest, up, settings, process, restarts = parts
        found[name] = UnitSight(
            name,
            run_digest=digest,
            settings=settings,
            process=parse_identity(process),
            wanted_up=up == "yes",
            restarts=int(restarts) if restarts.isdecimal() else 0,
        )
    return found


def parse_identity(text: str) -> Identity | None:
    """`BOOT PID STARTED` as an identity; None when it is anything else."""
    match text.split():
        case [boot, pid, started] if pid.isdecimal() and started.isdecimal():
            return Identity(boot, int(pid), int(started))
        case _:
            return None


def _arguments(unit: Unit) -> dict[str, str]:
    return {
        "folder": unit.folder,
        "stop_seconds": str(math.ceil(unit.stop_seconds)),
        "memory": unit.shm_prefix,
        "log_bytes": str(unit.log_bytes),
        "log_keep": str(unit.log_keep),
    }


def _launch(unit: Unit, manager: Manager) -> str:
    if manager is Manager.DETACHED:
        words = " ".join(quote(word) for word in _arguments(unit).values())
        return f"setsid sh ./supervise {words} </dev/null >/dev/null 2>>log &"
    user = manager is Manager.USER
    timeout = unit.stop_seconds + 10
    text = systemd.render(
        unit.root, unit.name, _arguments(unit), timeout=timeout, user=user, hardened=unit.hardened
    )
    return systemd.enable(systemd.service(unit.root, unit.name), text, user=user)


def _forget(unit: Unit, manager: Manager) -> str:
    if manager is Manager.DETACHED:
        return ":"
    return systemd.disable(systemd.service(unit.root, unit.name), user=manager is Manager.USER)
