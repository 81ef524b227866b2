"""Paths as they are written in the inventory."""

from __future__ import annotations

import os.path
from pathlib import Path as File


def absolute(text: str, base: File) -> File:
    """A path as written in the inventory, made absolute; `~` is the home folder. Nothing is looked at."""
    return File(os.path.normpath(base / File(os.path.expanduser(text))))  # noqa: PTH111 - no error without a home


def optional(text: str | None, base: File) -> File | None:
    """The same where none need be written."""
    return None if text is None else absolute(text, base)
