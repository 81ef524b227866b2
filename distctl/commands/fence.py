"""The node's own fence: a lock, and an owner file that says whose the node is and how far it was changed.

A lease in a database cannot stop a second laptop with a second database, and a remote command outlives its
ssh client. So every script that changes a node runs inside `guarded`: one at a time under flock(1), after
comparing the owner file, with the lock's descriptor closed for everything it starts. The node needs a
POSIX shell and util-linux.
"""

from __future__ import annotations

from collections.abc import Iterable

from distctl.cluster.snapshot import Owner
from distctl.commands.files import quote, write
from distctl.commands.paths import NodePaths

LOCK_BUSY = 75
FOREIGN = 76
STALE = 77
LOCK_WAIT = 10  # seconds; a change takes a few, a stop as long as its drain

# One marker line divides what a refused script says from the owner file that it prints.
REFUSED = "distctl-owner-file:"


def owner_text(owner: Owner) -> str:
    """The owner file: `key=value` lines that a shell can read. Line breaks in values become spaces."""
    pairs = (
        ("cluster", owner.cluster),
        ("record", owner.record),
        ("generation", str(owner.generation)),
        ("run", owner.run),
        ("by", owner.by),
        ("at", f"{owner.at:.3f}"),
        ("until", f"{owner.until:.3f}"),
        ("intents", owner.intents),
    )
    return "".join(f"{key}={' '.join(value.split())}\n" for key, value in pairs)


def parse_owner(text: str) -> Owner | None:
    """The owner that the text names; None when there is none in it. Unknown keys are ignored."""
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if not pairs.get("cluster") or not pairs.get("record"):
        return None
    return Owner(
        cluster=pairs["cluster"],
        record=pairs["record"],
        generation=int(_number(pairs.get("generation", ""))),
        by=pairs.get("by", ""),
        at=_number(pairs.get("at", "")),
        until=_number(pairs.get("until", "")),
        intents=pairs.get("intents", ""),
        run=pairs.get("run", ""),
    )


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if abs(value) < float("inf") else 0.0


def guarded(
    paths: NodePaths,
    owner: Owner,
    body: str,
    *,
    wait: int = LOCK_WAIT,
    claiming: bool = False,
    also: Iterable[str] = (),
) -> str:
    """A script that runs `body` under the node's lock, if the node is still `owner`'s.

    It ends with body's status, or with LOCK_BUSY (not free within `wait` seconds), FOREIGN (another cluster
    or record, or no owner file at all), STALE (a newer generation was here, or another run of the same one:
    two copies of a record count alike); refused, it prints REFUSED and the owner file. `claiming` also
    accepts a node without an owner, and `also` names other records from which it may be taken. `body` runs in
    a subshell of its own.
    """
    records = " | ".join(quote(record) for record in (owner.record, *also))
    absent = ":" if claiming else f"refuse {FOREIGN}"
    return f"""umask 077
mkdir -p {quote(paths.root)} || exit 1
refuse() {{ printf '%s\\n' '{REFUSED}'; cat {quote(paths.owner)} 2>/dev/null; exit "$1"; }}
exec 9>>{quote(paths.lock)} || exit 1
flock -w {wait} 9 || refuse {LOCK_BUSY}
[ /proc/self/fd/9 -ef {quote(paths.lock)} ] || refuse {LOCK_BUSY}
found_cluster= found_record= found_generation=0 found_run=
if [ -r {quote(paths.owner)} ]; then
    while IFS='=' read -r key value; do
        case $key in
            cluster) found_cluster=$value ;;
            record) found_record=$value ;;
            generation) found_generation=$value ;;
            run) found_run=$value ;;
        esac
    done < {quote(paths.owner)}
    [ "$found_cluster" = {quote(owner.cluster)} ] || refuse {FOREIGN}
    case $found_record in {records}) ;; *) refuse {FOREIGN} ;; esac
    [ "$found_generation" -le {owner.generation} ] || refuse {STALE}
    [ "$found_generation" -lt {owner.generation} ] || [ "$found_run" = {quote(owner.run)} ] || refuse {STALE}
else {absent}
fi
(
{body}
) 9>&-
"""


def claim(
    paths: NodePaths,
    ours: Owner,
    written: Owner | None = None,
    *,
    wait: int = LOCK_WAIT,
    also: Iterable[str] = (),
) -> str:
    """A script that makes the node `ours`, if it is nobody's or was this record's before, or one of `also`.

    `written` is what the owner file then says instead, when the work ends.
    """
    text = write(paths.owner, owner_text(written or ours), 0o600)
    return guarded(paths, ours, text, wait=wait, claiming=True, also=also)


def renewal(paths: NodePaths, ours: Owner, written: Owner, *, wait: int = LOCK_WAIT) -> str:
    """A script that lets a claim last longer, where the node is still `ours`; it brings nothing back."""
    text = write(paths.owner, owner_text(written), 0o600)
    return f"[ -e {quote(paths.owner)} ] || exit 0\n{guarded(paths, ours, text, wait=wait)}"


def refusal(stdout: str) -> Owner | None:
    """The owner that a refused script printed."""
    _, found, text = stdout.partition(f"{REFUSED}\n")
    return parse_owner(text) if found else None
