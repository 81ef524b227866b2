"""A router's log of requests: how it comes from HAProxy into files or the journal, and out of them again.

HAProxy writes into a named pipe that its start script opened for it, so workers in their jail need no path.
Beside it a small script reads the pipe and keeps the files. The supervisor keeps that script running too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from distctl.cluster.names import RouterId
from distctl.cluster.requests import Page, Told, Wanted
from distctl.cluster.router_spec import LogSpec
from distctl.commands.files import quote, template
from distctl.commands.haproxy.endings import ANSWERED_HERE, IN_ORDER, in_words
from distctl.commands.systemd import digest_of

VARIABLE = "DISTCTL_ACCESS"  # the descriptor of the pipe; where it is not set, HAProxy writes nothing
DESCRIPTOR = 3
PIPE = "access.pipe"
FILE = "access.log"

OPEN = f"""if [ -p {PIPE} ] || mkfifo {PIPE} 2>/dev/null || [ -p {PIPE} ]; then
    exec {DESCRIPTOR}<>{PIPE}
    export {VARIABLE}={DESCRIPTOR}
fi
"""
"""Opens the pipe for HAProxy, for reading too: it never lacks a reader, whoever else comes and goes."""


def journal_name(root: str, unit: str) -> str:
    """What the lines of a unit are called in the machine's journal."""
    return f"distctl-{unit}-{digest_of(root)}"


def keeper(log: LogSpec, folder: str, name: str) -> str:
    """The script that keeps the log of the router in that folder."""
    chunk = log.keep // log.files // 2
    settings = f"to={log.to} folder={quote(folder)} chunk={chunk} files={log.files} name={quote(name)}"
    return f"{settings}\n{template('haproxy/access.sh')}"


def reader(log: LogSpec, folder: str, name: str, wanted: Wanted, position: str, newest: int) -> str:
    """A script that prints the newest lines that are asked for, from a position on, as `page` reads them.

    With the position of an earlier page it prints what came since; "" begins with the oldest.
    """
    words = {
        "model": wanted.model,
        "key": wanted.key,
        "request": wanted.request,
        "slow": str(wanted.slow),
        "errors": "yes" if wanted.errors else "",
        "since": f"{wanted.since:.3f}",
    }
    exports = "".join(f"export {word}={quote(value)}\n" for word, value in words.items())
    return (
        f"{exports}to={log.to} folder={quote(folder)} name={quote(name)} newest={newest}\n"
        f"position={quote(position)} program={quote(template('haproxy/requests.awk'))}\n"
        f"{template('haproxy/requests.sh')}"
    )


def page(text: str, before: str) -> Page:
    """What that script printed; without a position the one `before` stays."""
    lines = text.splitlines()
    if lines and lines[-1].startswith("position "):
        return Page(tuple(lines[:-1]), lines[-1].partition(" ")[2] or before)
    return Page((), before)


def told(router: RouterId, line: str) -> Told | None:
    """What a line says; None for one that is none of ours."""
    try:
        said = json.loads(line)
        return _told(router, said)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _told(router: RouterId, said: Mapping[str, object]) -> Told:
    def text(name: str) -> str:
        value = str(said.get(name, ""))
        return "" if value == "-" else value

    def number(name: str) -> int:
        return int(str(said.get(name, 0)))

    total, status, grpc, end = (
        number("total"),
        max(0, number("status")),
        text("grpc_status"),
        str(said["end"]),
    )
    return Told(
        router=router,
        ended=float(str(said["at"])) + max(0, total) / 1000,
        status=status,
        grpc=grpc,
        model=text("model"),
        server=text("server"),
        request=text("request"),
        key=text("key"),
        tries=number("retries") + (1 if text("server") else 0),
        queue=number("queue"),
        total=total,
        how=text("error") or in_words(end),
        failed=not 100 <= status < 400 or grpc not in ("", "0") or end not in (IN_ORDER, ANSWERED_HERE),  # noqa: PLR2004
        said=said,
    )
