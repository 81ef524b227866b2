"""Which content an image's tag means: pinned once, so that all nodes run the same, and a moved tag is seen.

Best is what the registry says now; else what the record remembers; else what a node has under that tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.cluster.image import Image, Pinned
from distctl.cluster.snapshot import Instant

FACT = "image"  # of a node, in the record: `NAME:TAG@DIGEST SECONDS`, what it was given last and when


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry said of a tag: its digest, or why not. `missing`: it knows that there is none."""

    digest: str = ""
    problem: str = ""
    missing: bool = False


def pin(
    image: Image, answer: Answer | None, known: Iterable[str], seen: Iterable[Mapping[str, str]]
) -> Pinned:
    """What is meant by an image. Pure.

    `answer` is None where no registry was asked, `known` are the facts of that kind in the record, of which
    the newest counts, `seen` the images of the nodes in the inventory's order, by name.
    """
    if image.digest:
        return Pinned(image, image.digest, "inventory")
    if answer is not None and answer.digest:
        return Pinned(image, answer.digest, "registry")
    problem, missing = (answer.problem, answer.missing) if answer else ("", image.local)
    given = [fact for text in known if (fact := given_fact(text)).name == str(image)]
    if given:
        return Pinned(image, max(given, key=lambda fact: fact.at).digest, "record", problem)
    for images in seen:
        if digest := images.get(str(image), ""):
            return Pinned(image, digest, "node", problem)
    return Pinned(image, problem=problem, missing=missing)


@dataclass(frozen=True, slots=True)
class Given:
    """What a node was given: an image's name, its digest, and when."""

    name: str = ""
    digest: str = ""
    at: Instant = 0.0

    @property
    def text(self) -> str:
        """The fact as the record keeps it."""
        return f"{self.name}@{self.digest} {self.at:.0f}"


def given_fact(text: str) -> Given:
    """The fact that was written; an empty one for anything else."""
    words, _, at = text.partition(" ")
    name, _, digest = words.rpartition("@")
    return Given(name, digest, float(at)) if name and at.isdecimal() else Given()


def told(pinned: Pinned) -> str:
    """A pin in words, for the reader of a plan."""
    if not pinned.digest:
        said = f" ({pinned.problem})" if pinned.problem else ""
        return f"image {pinned.image}: the first node that pulls it will tell its digest{said}"
    who = {"inventory": "the inventory", "registry": "the registry", "record": "the record", "node": "a node"}
    why = f"; the registry: {pinned.problem}" if pinned.problem else ""
    return f"image {pinned.image} is {pinned.digest[:19]}, says {who.get(pinned.source, 'nobody')}{why}"
