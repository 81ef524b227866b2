"""Which driver and which GPUs a release of Triton needs. Source of every row: NVIDIA, "Triton Inference
Server Release YY.MM", the sections Driver Requirements and GPU Requirements. A release between two rows has
at least the needs of the earlier one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from distctl.facts.verdict import Level

PUSHED = (24, 10)  # the release of Triton 2.51, which is in the nvidia-pytriton wheel

# A newer CUDA of the same major version runs on these drivers, except for what it compiles at run time:
# NVIDIA, "CUDA Compatibility", minor version compatibility.
_SAME_MAJOR = {11: 450, 12: 525, 13: 580}

_IMAGE = re.compile(r"tritonserver:(\d\d)\.(\d\d)-")
_DRIVER = re.compile(r"(\d+)\.(\d+)")
_CONSUMER = re.compile(r"\b(GeForce|TITAN)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a release needs: its CUDA, a driver branch, and the least compute capability.

    `branches` are older ones that the image's own compatibility package serves on data-centre GPUs, each
    with its least minor version.
    """

    cuda: str
    driver: int
    capability: tuple[int, int]
    branches: tuple[tuple[int, int], ...]


_R470, _R525, _R535 = (470, 57), (525, 85), (535, 86)
RELEASES = {
    (22, 12): Needs("11.8", 520, (6, 0), ((450, 51), _R470, (510, 47), (515, 65))),
    (23, 6): Needs("12.1", 530, (6, 0), ((450, 51), _R470, (510, 47), (515, 65), _R525)),
    (23, 8): Needs("12.2", 535, (6, 0), ((450, 51), _R470, (510, 47), _R525)),
    (24, 3): Needs("12.4", 545, (6, 0), (_R470, _R525, _R535)),
    # These notes name R545 in one sentence and take it back in the next; R550 and R570 are not taken back.
    (24, 10): Needs("12.6", 560, (6, 0), (_R470, _R525, _R535, (550, 0))),
    (25, 8): Needs("13.0", 575, (7, 5), (_R470, _R525, _R535, (550, 0), (570, 0))),
}

# NVIDIA, "Triton Inference Server Release YY.MM", what the container includes, and the Frameworks Support
# Matrix: Ubuntu 22.04 with Python 3.10, from 24.11 on Ubuntu 24.04 with 3.12.
IMAGE_PYTHONS = {(23, 8): "3.10", (24, 11): "3.12"}


def release_of(image: str) -> tuple[int, int] | None:
    """The release in an image's tag, (24, 10) in `.../tritonserver:24.10-py3`; None if it has none."""
    match = _IMAGE.search(image)
    return (int(match.group(1)), int(match.group(2))) if match else None


def needs(release: tuple[int, int]) -> Needs | None:
    """The needs of a release; None for one that is older than the table."""
    known = [row for row in RELEASES if row <= release]
    return RELEASES[max(known)] if known else None


def python_of(image: str) -> str:
    """The Python of NVIDIA's image by its tag; "" for other images and older releases."""
    release = release_of(image)
    known = [row for row in IMAGE_PYTHONS if release and row <= release]
    return IMAGE_PYTHONS[max(known)] if known else ""


def driver_level(wanted: Needs, driver: str, name: str, *, image: bool) -> Level:
    """How well a driver serves a release on a GPU of that name.

    `image`: the release comes as NVIDIA's image, with its compatibility package. OK: as the release wants it,
    or by that package, or the driver is not known. WARN: what was compiled for the GPU runs, what is compiled
    at run time may not. FAIL: CUDA does not start.
    """
    version = _DRIVER.match(driver)
    if not version:
        return Level.OK
    branch, minor = int(version.group(1)), int(version.group(2))
    served = any(branch == b and minor >= m for b, m in wanted.branches)
    if branch >= wanted.driver or (image and served and not _CONSUMER.search(name)):
        return Level.OK
    same = branch >= _SAME_MAJOR[int(wanted.cuda.partition(".")[0])]
    return Level.WARN if same else Level.FAIL
