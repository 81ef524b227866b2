"""The environments of models with needs: resolved and packed on the operator's side, so that a node needs
neither pip nor internet.

Everything is kept in the cache: what some requirements came to for a target, the wheels, the archives. What
was resolved once holds until the text of the requirements changes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

from distctl.adapters import artifacts
from distctl.adapters.packing import Member, files, opened, pack, sha256_of
from distctl.adapters.pip import Refusal, download
from distctl.adapters.requirements import NUMPY, Requirements
from distctl.cluster.content import Archive, Kind
from distctl.cluster.needs import Environment, Lock, Target, Wheel, parse_lock
from distctl.errors import DistctlError, InputError

Alive = Callable[[], None]  # called every second while pip works


class Environments:
    """Environments, kept under `cache`."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def known(self, requirements: Requirements, target: Target) -> Environment | None:
        """What the cache says that requirements came to; None when it does not know."""
        try:
            lines = self._note(requirements, target).read_text(encoding="utf-8").splitlines()
        except OSError:
            return None
        return parse_lock(lines).environments.get(target)

    def resolve(self, requirements: Requirements, target: Target, alive: Alive) -> Environment:
        """The wheels that requirements come to, from the cache, else by pip, which then downloads them.

        Raises InputError when they cannot be had for the target, DistctlError when pip cannot work here.
        """
        if found := self.known(requirements, target):
            return found
        with self._beside() as folder:
            refused = download(target, folder, _asked(requirements, target, folder), alive)
            if refused:
                raise _unresolved(requirements, target, refused, self._cache)
            wheels = sorted(self._take(path) for path in folder.glob("*.whl"))
        environment = Environment(target, tuple(wheels))
        _check_numpy(requirements, environment)
        self._remember(requirements, environment)
        return environment

    def archive(self, requirements: Requirements, environment: Environment, alive: Alive) -> Archive:
        """An environment's archive: built unless the cache has it, which may download wheels.

        Raises DistctlError when one cannot be had.
        """
        path = self._cache / "environments" / f"{environment.digest}.tar.gz"
        size_note = path.with_suffix(".size")
        if not (path.exists() and size_note.exists()):
            path.parent.mkdir(parents=True, exist_ok=True)
            size_note.write_text(str(pack_wheels(self._wheels(requirements, environment, alive), path)))
        size = path.stat().st_size
        return Archive(path, environment.digest, size, int(size_note.read_text()), Kind.ENVIRONMENT)

    def _remember(self, requirements: Requirements, environment: Environment) -> None:
        path = self._note(requirements, environment.target)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock(requirements.digest, {environment.target: environment})
        beside = path.with_suffix(".part")
        beside.write_text(lock.text, encoding="utf-8")
        beside.replace(path)

    def _note(self, requirements: Requirements, target: Target) -> Path:
        return self._cache / "environments" / f"{requirements.digest}-{target}.lock"

    def _wheels(self, requirements: Requirements, environment: Environment, alive: Alive) -> list[Path]:
        """Every wheel of an environment, those that the cache lacks by pip, which verifies their hashes."""
        missing = [wheel for wheel in environment.wheels if not self._place(wheel).exists()]
        if missing:
            with self._beside() as folder:
                pins = folder / "pins.txt"
                lines = [f"{wheel.requirement} --hash=sha256:{wheel.sha256}" for wheel in missing]
                pins.write_text("\n".join([*requirements.sources, *lines]) + "\n", encoding="utf-8")
                what = ["--no-deps", "--require-hashes", "--requirement", str(pins)]
                if refused := download(environment.target, folder, what, alive):
                    raise _unresolved(requirements, environment.target, refused, self._cache)
                for path in list(folder.glob("*.whl")):
                    self._take(path)
        return [self._place(wheel) for wheel in environment.wheels]

    def _take(self, path: Path) -> Wheel:
        """Move a wheel into the cache."""
        with path.open("rb") as file:
            wheel = Wheel(path.name, sha256_of(file))
        place = self._place(wheel)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
        return wheel

    def _place(self, wheel: Wheel) -> Path:
        return self._cache / "wheels" / wheel.sha256[:16] / wheel.file

    def _beside(self) -> _Beside:
        folder = self._cache / "wheels"
        folder.mkdir(parents=True, exist_ok=True)
        return _Beside(dir=folder, prefix=".download-")


class _Beside(tempfile.TemporaryDirectory[str]):
    """A folder in the cache that is gone afterwards."""

    def __enter__(self) -> Path:  # type: ignore[override]
        return Path(super().__enter__())


def _asked(requirements: Requirements, target: Target, folder: Path) -> list[str]:
    """What pip is to download: the requirements, below NumPy 2, and NumPy itself in any case."""
    limit = folder / "limit.txt"
    limit.write_text(f"{NUMPY}\n", encoding="utf-8")
    what = ["--requirement", str(requirements.path), "--constraint", str(limit)]
    if requirements.names_numpy:
        return what
    more = folder / "numpy.txt"
    pin = f"{artifacts.NUMPY} --hash=sha256:{artifacts.NUMPY_SHA256.get(target.python, '')}"
    more.write_text(f"{pin if requirements.hashed else NUMPY}\n")  # with hashes everything needs one
    return [*what, "--requirement", str(more)]


def _unresolved(requirements: Requirements, target: Target, refused: Refusal, cache: Path) -> DistctlError:
    what = f"{requirements.path}: no wheels for {target.text}: {refused.problem}"
    if refused.offline:
        return DistctlError(
            what,
            hint=f"run the same command once where pip has a network: what it gets is kept in {cache}",
        )
    if "numpy" in refused.problem.lower() and "conflict" in refused.output:
        return InputError(
            what, hint=f"Triton's python backend answers wrongly with NumPy 2: all must agree with {NUMPY}"
        )
    return InputError(what, hint=f"change {requirements.path} so that pip finds wheels for it")


def _check_numpy(requirements: Requirements, environment: Environment) -> None:
    """Raise InputError for NumPy 2, where a constraint did not hold (a wheel named by its address)."""
    for wheel in environment.wheels:
        name, _, version = wheel.requirement.partition("==")
        if name.lower() == "numpy" and int(version.partition(".")[0]) > 1:
            raise InputError(
                f"{requirements.path}: it brings numpy {version}",
                hint=f"Triton's python backend answers wrongly with NumPy 2: ask for {NUMPY}",
            )


def pack_wheels(wheels: list[Path], path: Path) -> int:
    """Pack wheels as an installer would lay them out; return the bytes that the archive unpacks to.

    Scripts, headers and files outside of packages are left out: the python backend runs none of them.
    """
    with ExitStack() as stack:
        members = {
            member.name: member
            for wheel in sorted(wheels)
            for member in wheel_members(stack.enter_context(opened(wheel)))
        }
        return pack([members[name] for name in sorted(members)], path)


def wheel_members(wheel: ZipFile) -> Iterator[Member]:
    """The files of a wheel that belong into site-packages."""
    for source in files(wheel):
        parts = PurePosixPath(source).parts
        if parts[0].endswith(".data"):
            if len(parts) < 3 or parts[1] not in ("purelib", "platlib"):  # noqa: PLR2004 - X.data/purelib/FILE
                continue
            parts = parts[2:]
        runs = bool(wheel.getinfo(source).external_attr >> 16 & 0o111)
        yield Member(str(PurePosixPath("site-packages", *parts)), wheel, source, executable=runs)
