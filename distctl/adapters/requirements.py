"""A model's requirements.txt, read as far as we must understand it; pip reads the rest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from distctl.cluster.needs import REQUIREMENTS
from distctl.errors import InputError

NUMPY = "numpy<2"  # with NumPy 2 the python backend of 24.10 answers every request with an error

# What could not be told from the file's text alone, or does not come as a wheel.
_REFUSED = {
    r"-r\b|--requirement\b": "another file is named: write its requirements here",
    r"-c\b|--constraint\b": "another file is named: write the versions here",
    r"-e\b|--editable\b": "an editable install is no wheel",
    r"\.{0,2}/|file:|[^#\s]+\s*@\s*file:": "a path: name a package and its version",
    r"(git|hg|svn|bzr)\+|[^#\s]+\s*@\s*(git|hg|svn|bzr)\+": "a repository is no wheel: name a package",
}
_SOURCES = ("--index-url", "--extra-index-url", "--find-links", "-i ", "-f ")
_NUMPY_NAMED = re.compile(r"numpy\s*([=<>~!;,\[@]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Requirements:
    """The text of a requirements.txt, and where it lies."""

    path: Path
    text: str

    @property
    def digest(self) -> str:
        """The name of exactly this text: another comment is enough to resolve it anew."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def hashed(self) -> bool:
        """Whether pip demands a hash of everything, as it does once one is written."""
        return "--hash" in self.text

    @property
    def names_numpy(self) -> bool:
        """Whether a line asks for NumPy itself."""
        return any(_NUMPY_NAMED.match(line) for line in self._lines)

    @property
    def sources(self) -> list[str]:
        """The lines that say where packages come from."""
        return [line for line in self._lines if line.startswith(_SOURCES)]

    @property
    def _lines(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines()]


def read_requirements(folder: Path) -> Requirements | None:
    """The requirements of a model's folder; None when it has no file of that name, or one that asks nothing.

    Raises InputError, with the line, for what cannot become wheels for another machine.
    """
    path = folder / REQUIREMENTS
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines, 1):
        for pattern, why in _REFUSED.items():
            if re.match(pattern, line):
                raise InputError(
                    f"{path}:{number}: {line}: {why}",
                    hint="every line names a package as pip does; it comes as a wheel from a package index",
                )
    asks = any(line and not line.startswith(("#", "-")) for line in lines)
    return Requirements(path, text) if asks else None
