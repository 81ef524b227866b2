"""A router's log of requests: how it comes from HAProxy into files or the journal, and out of them again.

HAProxy writes into a named pipe that its start script opened for it, so workers in their jail need no path.
Beside it a small script reads the pipe and keeps the files. The supervisor keeps that script running too.
"""

from __future__ import annotations

from distctl.cluster.router_spec import LogSpec
from distctl.commands.files import quote, template
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
