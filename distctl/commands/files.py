"""Quoting, and files written by a script: the one place where text becomes part of a shell command."""

from __future__ import annotations

import shlex
from pathlib import Path


def quote(word: str) -> str:
    """`word` as one word of a POSIX shell command."""
    return shlex.quote(word)


def write(path: str, text: str, mode: int) -> str:
    """A script that makes `path` hold `text`: written beside and renamed, left alone when it is the same.

    The script prints `changed PATH` when it wrote. `text` holds no NUL.
    """
    target, beside = quote(path), quote(f"{path}.new")
    return (
        f"mkdir -p {quote(str(Path(path).parent))} || exit 1\n"
        f"printf %s {quote(text)} > {beside} && chmod {mode:o} {beside} || exit 1\n"
        f"if cmp -s {beside} {target}; then rm -f {beside}; chmod {mode:o} {target}\n"
        f"else mv -f {beside} {target} && printf 'changed %s\\n' {target} || exit 1; fi\n"
    )


def template(name: str) -> str:
    """The text of a template that ships with distctl, such as `systemd/unit.service`."""
    here = Path(__file__).resolve()
    shipped = here.parents[1] / "_data" / "templates" / name
    return (shipped if shipped.exists() else here.parents[2] / "templates" / name).read_text()
