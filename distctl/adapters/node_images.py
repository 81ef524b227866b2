"""Images of one node: pulled by its own engine, watched from here, told in plain words when that fails."""

from __future__ import annotations

import time
from collections.abc import Callable

from distctl.adapters.node_change import Changes
from distctl.cluster.image import Image, Pinned
from distctl.commands import images
from distctl.commands.images import Access, Watched
from distctl.commands.paths import NodePaths
from distctl.errors import DeadlineExceeded, NodeError
from distctl.facts.engine_words import explain
from distctl.ports import Connector

POLL = 0.5  # seconds between two looks at a pull
LOOK = 60.0  # seconds that such a look may take


class NodeImages:
    """Pulls images on one node. `login` gives what a registry is to be told, if anything."""

    def __init__(
        self, node: str, connector: Connector, changes: Changes, paths: Callable[[], NodePaths]
    ) -> None:
        self._node, self._connector, self._changes, self._paths = node, connector, changes, paths

    def pull(
        self,
        engine: str,
        image: Pinned,
        access: Access | None,
        *,
        seconds: float,
        report: Callable[[str], None],
    ) -> None:
        """Pull an image and mark it as ours. `report` is told what the engine says; it may raise to end it.

        Raises NodeError with what is wrong in plain words and a remedy, DeadlineExceeded after `seconds`;
        nothing that runs was changed then.
        """
        tried = f"pulling {image.text}"
        begun = self._changes.run(images.begin(self._paths(), engine, image.content, access), tried=tried)
        if begun.status != 0:
            raise self._failed(engine, tried, begun.stderr or begun.stdout, image.image)
        folder = begun.stdout.split()[-1]
        try:
            watched = self._watch(folder, tried, seconds, report)
        finally:
            self._connector.run(images.end(folder), tried=f"ending {tried}", deadline=LOOK)
        if watched.status != 0:
            raise self._failed(engine, tried, watched.said, image.image)

    def mark(self, engine: str, image: Image, digest: str) -> None:
        """Remember on the node that an image was pulled by us, so that it is removed when nobody needs it."""
        self._changes.must(images.mark(self._paths(), engine, image.name, digest), tried=f"marking {image}")

    def prune(self, kept: frozenset[str]) -> None:
        """Remove the images of ours that are not named."""
        self._changes.must(images.prune(self._paths(), kept), tried="removing images", deadline=300)

    def _watch(self, folder: str, tried: str, seconds: float, report: Callable[[str], None]) -> Watched:
        begun = time.monotonic()
        while True:
            script = images.watch(folder)
            watched = images.parse_watched(self._connector.run(script, tried=tried, deadline=LOOK).stdout)
            waited = time.monotonic() - begun
            if watched.status is not None:
                return watched
            if waited > seconds:
                hint = "give it longer with `timeouts.pull`, or pull it there by hand once"
                raise DeadlineExceeded(self._node, tried, seconds, output=_lines(watched.said), hint=hint)
            report(f"{watched.last}, {waited:.0f} s")
            time.sleep(POLL)

    def _failed(self, engine: str, tried: str, said: str, image: Image) -> NodeError:
        found = explain(engine, said)
        problem = f"{found.problem}; nothing was changed"
        hint = found.hint.replace("IMAGE", str(image))
        return NodeError(self._node, tried, problem, output=_lines(said), hint=hint)


def _lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.strip()][-5:]
