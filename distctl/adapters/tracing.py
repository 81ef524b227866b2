"""A connector that tells of each step that it took: what, how long, by which script.

A secret that was read in this run never stands in what is told, nor a variable's value that looks like one.
"""

from __future__ import annotations

import re
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from distctl.cluster.spec import Endpoint, SecretRef
from distctl.errors import DistctlError
from distctl.ports import Connector, Progress, Result, Upload

REDACTED = "[REDACTED]"
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_LOOKS_SECRET = re.compile(
    r"""(\b\w*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)\w*=)(?:'[^']*'|"[^"]*"|[^\s'"]+)+""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Trace:
    """One step that was taken on a node; `problem` is "" when it went well."""

    node: str
    tried: str
    seconds: float
    script: str = ""
    problem: str = ""


Tell = Callable[[Trace], None]


@dataclass(slots=True)
class Secrets:
    """Reads secrets, and afterwards takes them out of texts."""

    read: Callable[[SecretRef], str]
    known: set[str] = field(default_factory=set)

    def __call__(self, ref: SecretRef) -> str:
        """The secret itself."""
        value = self.read(ref)
        self.known.add(value)
        return value

    def redact(self, text: str) -> str:
        """The text without secrets that were read, private keys, and values that look like a secret."""
        forms = {form for value in self.known for form in _forms(value)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, REDACTED)
        text = _PRIVATE_KEY.sub(REDACTED, text)
        return _LOOKS_SECRET.sub(rf"\1{REDACTED}", text)


def _forms(value: str) -> tuple[str, str, str]:
    """A text as it is, as a shell's script has it, and as a script inside of a script has it."""
    once = shlex.quote(f" {value}")[2:-1]  # the blank makes it quote, whatever the text is
    return value, once, shlex.quote(f" {once}")[2:-1]


@dataclass(frozen=True, slots=True)
class TracedConnector:
    """Fulfils `ports.Connector` by another one, and tells of each script and copy when it has ended."""

    node: str
    inner: Connector
    tell: Tell
    redact: Callable[[str], str]

    def run(self, script: str, *, tried: str, deadline: float) -> Result:
        """Run a script; see `ports.Connector`."""
        with self._step(tried, script) as problems:
            result = self.inner.run(script, tried=tried, deadline=deadline)
            if result.status:
                problems.append(f"status {result.status}")
        return result

    def put(self, uploads: Sequence[Upload], *, deadline: float, progress: Progress | None = None) -> None:
        """Copy files; see `ports.Connector`."""
        with self._step(f"copying {len(uploads)} files", ""):
            self.inner.put(uploads, deadline=deadline, progress=progress)

    def dial(self, target: Endpoint | str, *, timeout: float) -> socket.socket:
        """A stream; see `ports.Connector`. It is not told: a look at a router takes many."""
        return self.inner.dial(target, timeout=timeout)

    def close(self) -> None:
        """End the connection."""
        self.inner.close()

    @contextmanager
    def _step(self, tried: str, script: str) -> Iterator[list[str]]:
        began, problems = time.monotonic(), list[str]()
        try:
            yield problems
        except DistctlError as error:
            problems.append(self.redact(error.message))
            raise
        finally:
            seconds = time.monotonic() - began
            self.tell(Trace(self.node, self.redact(tried), seconds, self.redact(script), "; ".join(problems)))
