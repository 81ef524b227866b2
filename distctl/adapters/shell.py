"""How a script is handed to a shell on a node, whatever carries it there.

The ssh and the local connector must behave alike to the last detail: where the script goes (standard input,
so that it shows up in no process list and has no length limit), what standard input the script itself sees
(none), how root is asked for, and how much output is kept. That lives here, without I/O, so that it is
tested as data.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

KEPT = 4 * 1024 * 1024  # bytes of each output stream; a script that floods us must not fill our memory


class Tail:
    """The last part of a stream of bytes, in bounded memory."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit
        self._kept = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take more bytes; the oldest ones beyond the limit are forgotten."""
        self._kept += chunk
        if len(self._kept) > 2 * self._limit:  # twice, so that the copying is amortised
            del self._kept[: -self._limit]

    def text(self) -> str:
        """What is kept, as text; bytes that are not UTF-8 become replacement characters."""
        return bytes(self._kept[-self._limit :]).decode("utf-8", "replace")

    def lines(self, count: int = 20) -> tuple[str, ...]:
        """The last `count` lines, for errors."""
        return tuple(self.text().splitlines()[-count:])


def wrapped(script: str) -> bytes:
    """The script as one compound command with an empty standard input.

    A shell reads a compound command to its end before it runs the first word of it, so no command of the
    script can eat the rest of the script from the shell's own standard input.
    """
    return f"{{ :\n{script}\n}} </dev/null\n".encode()


def ending(token: str) -> str:
    """The script that kills the process group of the shell with this token, for a step past its deadline.

    Closing a channel ends nothing on a node, and sshd takes no signals for root's sessions.
    """
    return f"""
ps -A -o pgid= -o args= | while read -r group args; do
    case $args in *{token}*) kill -s KILL -- "-$group" ;; esac
done"""


@dataclass(slots=True)
class Dialogue:
    """What to run on a node and what to send there when: plain, or as root by sudo.

    With a password, sudo is told to mark its question with `token`; the password is sent only when it is
    asked for, and only once, so that a wrong one costs one failed attempt and not the account's lock. The
    script is sent only once the root shell has said `token` on its output, so that sudo can never take it
    for a password.

    `token` is a random word that no output contains by accident. It also stands in the shell's own arguments,
    where `ending` finds it.
    """

    script: str
    token: str
    become: bool = False
    password: str | None = field(default=None, repr=False)
    out: Tail = field(default_factory=Tail)
    err: Tail = field(default_factory=Tail)
    started: bool = field(default=False, init=False)
    refused: bool = field(default=False, init=False)
    _asked: int = field(default=0, init=False)
    _pending_out: bytes = field(default=b"", init=False)
    _pending_err: bytes = field(default=b"", init=False)

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line: a shell that reads its script from standard input."""
        if not self.become:
            return ("sh", "-s", self.token)
        ask = ("-n",) if self.password is None else ("-S", "-p", self._question)
        return ("sudo", "-H", *ask, "--", "sh", "-c", f"echo {self.token}; exec sh -s {self.token}")

    @property
    def command(self) -> str:
        """The same as one line for a login shell."""
        return shlex.join(self.argv)

    @property
    def _question(self) -> str:
        return f"ask-{self.token}:"

    def opening(self) -> bytes:
        """What to send at once."""
        self.started = not self.become
        return wrapped(self.script) if self.started else b""

    def stdout(self, chunk: bytes) -> bytes:
        """Take output; give what has to be sent now. Standard input ends after the script."""
        if self.started:
            self.out.add(chunk)
            return b""
        self._pending_out += chunk
        greeting = f"{self.token}\n".encode()
        _, found, after = self._pending_out.partition(greeting)
        if not found:
            return b""
        self.started = True
        self.out.add(after)  # what came before is sudo's and the login shell's, not the script's
        return wrapped(self.script)

    def stderr(self, chunk: bytes) -> bytes:
        """Take error output; give what has to be sent now, which is the password when sudo asks for it."""
        if self.started:
            self.err.add(chunk)
            return b""
        self._pending_err += chunk
        before, found, after = self._pending_err.partition(self._question.encode())
        if not found or self.password is None:
            return b""
        self._pending_err = before + after
        self._asked += 1
        self.refused = self._asked > 1
        return b"" if self.refused else f"{self.password}\n".encode()

    def refusal(self) -> tuple[str, ...]:
        """What sudo said instead of starting the shell; only sensible while not `started`."""
        said = (self._pending_err + self._pending_out).decode("utf-8", "replace")
        return tuple(line for line in said.splitlines() if line.strip())[-5:]
