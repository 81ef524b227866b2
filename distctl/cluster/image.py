"""The name of a container image, written out in full, and the content that a tag was found to mean.

`triton:24.10` is `docker.io/library/triton:24.10` for every engine here: which registry a short name means
would otherwise differ from node to node. Grammar: the reference of the distribution project, which docker and
podman share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

NVIDIA = "nvcr.io/nvidia/tritonserver:24.10-py3"  # the release that the pushed runtime has too
LOCAL = "localhost"  # what an engine calls the registry of images that were built on the node

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Image:
    """An image as the inventory names it: by a tag, or by the digest of its content. One of them is empty."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def local(self) -> bool:
        """Whether it was built on the node: no registry has it."""
        return self.registry == LOCAL

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse_image(text: str) -> Image:
    """The image of a name as docker and podman take it. A digest wins over a tag. Raises ValueError."""
    rest, _, digest = text.partition("@")
    if digest and not _DIGEST.fullmatch(digest):
        raise ValueError(f"`{digest}` is no digest: write sha256: and 64 hex digits")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, "latest"
    if not _TAG.fullmatch(tag):
        raise ValueError(f"`{tag}` is no tag")
    registry, slash, repository = path.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == LOCAL):
        registry, repository = "docker.io", path if slash else f"library/{path}"
    if not _REPOSITORY.fullmatch(repository) or not _REGISTRY.fullmatch(registry):
        raise ValueError(f"`{text}` is no name of an image")
    return Image(registry, repository, "" if digest else tag, digest)


Source = Literal["inventory", "registry", "record", "node", ""]


@dataclass(frozen=True, slots=True)
class Pinned:
    """An image and the digest of its content: who said so, and why nobody better did.

    The digest is that of the manifest, or the engine's own id for an image that has none; empty while nobody
    knows it: then the node that pulls it first will say.
    """

    image: Image
    digest: str = ""
    source: Source = ""
    problem: str = ""  # what the registry said instead
    missing: bool = False  # the registry answered that there is no such image

    @property
    def content(self) -> str:
        """The image by its digest, else by its tag: what an engine is asked for."""
        return f"{self.image.name}@{self.digest}" if self.digest else str(self.image)

    @property
    def text(self) -> str:
        """The image for a reader."""
        short = f"@{self.digest[:19]}" if self.digest else ""
        return f"{self.image.name}{':' + self.image.tag if self.image.tag else ''}{short}"
