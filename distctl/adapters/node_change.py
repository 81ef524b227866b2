"""Every change to a node goes through here: under the node's lock, compared with its owner file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from distctl.cluster.snapshot import Owner
from distctl.commands import fence
from distctl.commands.paths import NodePaths
from distctl.errors import CommandFailed, ForeignNode, NodeError, NodeLocked, StaleGeneration
from distctl.ports import Connector, Result

STEP = 60.0  # seconds for a step that names no deadline


class Changes:
    """Runs changing scripts on one node as `owner`, once there is one (see `NodeSite.claim`).

    `wait` is how many seconds the node's lock may be another run's before a change is refused.
    """

    def __init__(
        self,
        node: str,
        connector: Connector,
        paths: Callable[[], NodePaths],
        *,
        wait: int = fence.LOCK_WAIT,
    ) -> None:
        self._node, self._connector, self._paths, self._wait = node, connector, paths, wait
        self.owner: Owner | None = None
        # Two steps of one run wait for each other here; the node's own lock is for other runs.
        self._one_at_a_time = threading.Lock()

    def run(self, script: str, *, tried: str, deadline: float = STEP) -> Result:
        """Run a script under the fence; `deadline` in seconds is its own, waiting for the lock comes on top.

        A status other than 0 is a result. Raises NodeLocked, ForeignNode, StaleGeneration, Unreachable,
        DeadlineExceeded, NodeError when the node was never claimed.
        """
        if self.owner is None:
            raise NodeError(self._node, tried, "the node was not claimed before it was changed")
        return self._sent(fence.guarded(self._paths(), self.owner, script, wait=self._wait), tried, deadline)

    def must(self, script: str, *, tried: str, deadline: float = STEP) -> Result:
        """The same; a status other than 0 raises CommandFailed with the last lines."""
        return self.check(self.run(script, tried=tried, deadline=deadline), tried)

    def check(self, result: Result, tried: str) -> Result:
        """Raise CommandFailed unless the status is 0."""
        if result.status != 0:
            output = (result.stderr or result.stdout).splitlines()[-20:]
            raise CommandFailed(self._node, tried, result.status, output=output)
        return result

    def claim(self, owner: Owner, *, tried: str, also: Iterable[str] = ()) -> None:
        """Write the owner file; from now on changes are made as this owner."""
        self._write(owner, owner, tried, also)
        self.owner = owner

    def renew(self, until: float) -> None:
        """Let the claim last until then, if there is one."""
        if (ours := self.owner) is not None and ours.until:
            longer = replace(ours, until=until)
            script = fence.renewal(self._paths(), ours, longer, wait=self._wait)
            self.check(self._sent(script, "renewing the claim", STEP), "renewing the claim")

    def let_go(self, *, changed: bool) -> None:
        """Write that the work is done; nothing can be changed any more before the next claim."""
        if self.owner is not None:
            before = self.owner.generation if changed else self.owner.generation - 1
            done = replace(self.owner, until=0.0, generation=before)
            self._write(self.owner, done, "letting go of the node")
            self.owner = done if changed else None

    def _write(self, ours: Owner, owner: Owner, tried: str, also: Iterable[str] = ()) -> None:
        """Write an owner file as the owner that we are."""
        script = fence.claim(self._paths(), ours, owner, wait=self._wait, also=also)
        self.check(self._sent(script, tried, STEP), tried)

    def _sent(self, script: str, tried: str, deadline: float) -> Result:
        with self._one_at_a_time:
            result = self._connector.run(script, tried=tried, deadline=deadline + self._wait)
        if result.status in (fence.LOCK_BUSY, fence.FOREIGN, fence.STALE) and fence.REFUSED in result.stdout:
            raise refused(self._node, tried, result)
        return result


def refused(node: str, tried: str, result: Result) -> NodeError:
    """The error for a script that the fence refused, with who was there and when."""
    owner = fence.refusal(result.stdout)
    who = f" ({_who(owner)})" if owner else ""
    if result.status == fence.LOCK_BUSY:
        problem = f"another change is under way on the node{who}"
        return NodeLocked(node, tried, problem, hint="wait for it to end, then run the command again")
    if owner is None:
        return ForeignNode(
            node, tried, "its owner file is gone: somebody removed it meanwhile", hint="distctl up"
        )
    if result.status == fence.FOREIGN:
        problem = f"the node belongs to cluster {owner.cluster}, record {owner.record[:12]}{who}"
        hint = f"take it down from there, or give {node} another `directory`"
        return ForeignNode(node, tried, problem, hint=hint)
    problem = f"another run took the node over: generation {owner.generation}{who}"
    return StaleGeneration(node, tried, problem, hint="distctl plan shows what is left to do")


def _who(owner: Owner) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(owner.at))
    return f"{owner.by or 'somebody'} at {when}"
