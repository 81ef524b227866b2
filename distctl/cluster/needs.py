"""What a model needs beside Python: its requirements, resolved to wheels, and the environment they make.

A `Lock` travels with the model's content, so that what was resolved once is known wherever that content is:
another operator who finds it on a node takes it over instead of resolving anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LAYOUT = 1  # raised when the same wheels are packed in another way

REQUIREMENTS = "requirements.txt"  # beside config.pbtxt, written by the user
LOCK = "distctl.lock"  # beside it on a node, written by us
STUB = "triton_python_backend_stub"  # what Triton runs instead of its own stub, if a model's folder has one

PYTHONS = ("3.12", "3.11", "3.10", "3.9")  # what Triton's stubs and NumPy 1 exist for, the best first

UNRESOLVED = "unresolved"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*-[A-Za-z0-9_.!+]+(-[A-Za-z0-9_.]+){3,4}\.whl")  # PEP 427


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """What wheels must fit: a Python version such as 3.11, a processor, a version of glibc."""

    python: str
    arch: str
    glibc: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.python}-{self.arch}-{self.glibc[0]}.{self.glibc[1]}"

    @property
    def text(self) -> str:
        """The target in words."""
        return f"Python {self.python} on {self.arch} with glibc {self.glibc[0]}.{self.glibc[1]}"


@dataclass(frozen=True, slots=True, order=True)
class Wheel:
    """One wheel: its file's name and SHA-256."""

    file: str
    sha256: str

    @property
    def requirement(self) -> str:
        """`name==version`, which stand first in a wheel's name."""
        name, version = self.file.split("-")[:2]
        return f"{name}=={version}"


@dataclass(frozen=True, slots=True, order=True)
class Environment:
    """The wheels that some requirements come to for a target; none as long as nobody has resolved them."""

    target: Target
    wheels: tuple[Wheel, ...] = ()

    @property
    def digest(self) -> str:
        """The name of this content, the same for equal wheels of one Python; "" while it is not resolved."""
        if not self.wheels:
            return ""
        lines = (f"{wheel.sha256} {wheel.file}\n" for wheel in sorted(self.wheels))
        recipe = f"layout {LAYOUT}\npython {self.target.python}\n{''.join(lines)}"
        return hashlib.sha256(recipe.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Lock:
    """What a model's requirements, named by the digest of their text, came to for each target."""

    requirements: str
    environments: Mapping[Target, Environment] = field(default_factory=dict)

    @property
    def digests(self) -> frozenset[str]:
        """The environments that are resolved."""
        return frozenset(found.digest for found in self.environments.values() if found.wheels)

    @property
    def text(self) -> str:
        """The lock as a file: `environment` lines are also read by the stub that runs beside it."""
        lines = [f"requirements {self.requirements}"]
        for target, environment in sorted(self.environments.items()):
            lines.append(f"environment {target} {environment.digest or UNRESOLVED}")
            lines += [f"wheel {wheel.sha256} {wheel.file}" for wheel in sorted(environment.wheels)]
        return "".join(f"{line}\n" for line in lines)


def parse_lock(lines: Iterable[str]) -> Lock:
    """What `Lock.text` wrote. Lines that are cut short, and environments that lost one, are left out."""
    requirements, named = "", dict[Target, str]()
    wheels = dict[Target, list[Wheel]]()
    target: Target | None = None
    for line in lines:
        match line.split():
            case ["requirements", digest]:
                requirements = digest
            case ["environment", text, digest]:
                target = parse_target(text)
                if target is not None:
                    named[target], wheels[target] = digest, []
            case ["wheel", sha256, file] if target is not None and _is_wheel(sha256, file):
                wheels[target].append(Wheel(file, sha256))
            case _:
                continue
    found = {t: Environment(t, tuple(sorted(parts))) for t, parts in wheels.items()}
    return Lock(requirements, {t: e for t, e in found.items() if e.wheels and e.digest == named[t]})


def _is_wheel(sha256: str, file: str) -> bool:
    """Whether a line names a wheel and nothing else: a node said it, and pip will be asked for it."""
    return bool(_SHA256.fullmatch(sha256) and _WHEEL.fullmatch(file))


def parse_target(text: str) -> Target | None:
    """What `str(target)` wrote; None for anything else."""
    match text.split("-"):
        case [python, arch, glibc]:
            major, _, minor = glibc.partition(".")
            if major.isdecimal() and minor.isdecimal():
                return Target(python, arch, (int(major), int(minor)))
    return None
