"""A connector without a machine: it answers from a script and notes what it was asked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distctl.cluster.spec import Endpoint
from distctl.errors import NodeError, Unreachable
from distctl.ports import Progress, Result, Upload

Answer = Result | NodeError | Callable[[str], Result]


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of `run`; `deadline` in seconds."""

    script: str
    tried: str
    deadline: float


class FakeConnector:
    """Answers `run` by the first part that occurs in `tried` or in the script; else status 0, no text.

    An answer is a result, an error to raise, or a function of the script. `runs` and `files` hold what was
    asked and what was put (target to content and mode). `dials` makes the sockets of `dial`; without it
    every dial is refused.
    """

    def __init__(
        self,
        answers: Sequence[tuple[str, Answer]] = (),
        *,
        name: str = "node",
        dials: Callable[[Endpoint | str], socket.socket] | None = None,
    ) -> None:
        self.runs: list[Asked] = []
        self.files: dict[str, tuple[bytes, int]] = {}
        self.closed = False
        self._answers, self._name, self._dials = list(answers), name, dials

    def run(self, script: str, *, tried: str, deadline: float) -> Result:
        """Answer from the script. Raises the error that was given for it."""
        self.runs.append(Asked(script, tried, deadline))
        for part, answer in self._answers:
            if part in tried or part in script:
                return _given(answer, script)
        return Result(0, "", "")

    def put(self, uploads: Sequence[Upload], *, deadline: float, progress: Progress | None = None) -> None:
        """Keep the files in memory; progress is told after each."""
        contents = [u.source.read_bytes() if isinstance(u.source, Path) else u.source for u in uploads]
        done, total = 0, sum(map(len, contents))
        for upload, content in zip(uploads, contents, strict=True):
            self.files[upload.target] = (content, upload.mode)
            done += len(content)
            if progress:
                progress(done, total)

    def dial(self, target: Endpoint | str, *, timeout: float) -> socket.socket:
        """The socket that `dials` makes. Raises Unreachable without one."""
        if self._dials is None:
            raise Unreachable(self._name, f"reach {target}", "refused")
        return self._dials(target)

    def close(self) -> None:
        """Note it."""
        self.closed = True


def _given(answer: Answer, script: str) -> Result:
    if isinstance(answer, NodeError):
        raise answer
    return answer if isinstance(answer, Result) else answer(script)
