"""A router's folder on its place: executable, files, configuration and the unit's start script."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from distctl.adapters.haproxy.executable import bundled, refuse, uploads_to
from distctl.cluster.requests import Page, Wanted
from distctl.cluster.router import Lost
from distctl.cluster.spec import LogSpec
from distctl.commands import units
from distctl.commands.files import quote, write
from distctl.commands.haproxy import HEALTH, Rendered, access, copies, lost, place
from distctl.errors import RouterError
from distctl.ports import Connector, Result

LONGEST_READ = 60.0  # seconds; a gigabyte is read in ten
Change = Callable[[str, str, float], Result]  # script, what it is for, deadline in seconds


@dataclass(frozen=True, slots=True)
class Written:
    """Whether files changed, and whether another executable runs than the one that should."""

    changed: bool
    stale: bool


@dataclass(frozen=True, slots=True)
class FolderSight:
    """What would boot (a digest), the requests that were lost twice, and why HAProxy is outdated."""

    config: str
    lost: tuple[Lost, ...]
    outdated: str


class RouterFolder:
    """Brings the files of one router to what was rendered. Deadlines are seconds from the call."""

    def __init__(
        self,
        name: str,
        connector: Connector,
        unit: units.Unit,
        change: Change,
        setting: str | None,
        login: str = "",
    ) -> None:
        self._name, self._connector, self._unit = name, connector, unit
        self._change, self._setting, self._login = change, setting, login
        self._run = secrets.token_hex(4)  # names what this process copies

    def write(self, rendered: Rendered, log: LogSpec, deadline: float) -> Written:
        """Have the files there, checked by HAProxy itself and renamed into place.

        Raises RouterError when HAProxy refuses the configuration; nothing has changed then.
        """
        found = self._found(deadline)
        executable = self._executable(found, deadline)
        origin = copies.origin(found.copy, ours=bool(found.candidate.problem))
        run = place.run_script(self._unit.folder, self._login)
        scripts = units.install(self._unit, run) + units.accompany(self._unit, self._keeper(log))
        self._do(scripts, "writing the router's start scripts", deadline)
        stale = found.copy.runs not in ("", executable)
        same = found.config == rendered.digest and found.files >= rendered.files.keys()
        if same and (found.copy.chosen, found.copy.origin) == (executable, origin):
            return Written(changed=False, stale=stale)
        files = {n: text for n, text in rendered.files.items() if n in place.CHANGING or n not in found.files}
        if HEALTH not in found.files:
            files[HEALTH] = "1\n"
        script = place.accept(self._unit.folder, executable, files, origin)
        self._do(script, "checking the router's configuration", deadline)
        return Written(changed=True, stale=stale)

    def requests(self, log: LogSpec, wanted: Wanted, position: str, newest: int) -> Page:
        """The newest lines of the log of requests from a position on."""
        script = access.reader(log, self._unit.folder, self._journal_name, wanted, position, newest)
        tried = "reading the router's log of requests"
        return access.page(self._connector.run(script, tried=tried, deadline=LONGEST_READ).stdout, position)

    @property
    def _journal_name(self) -> str:
        return access.journal_name(self._unit.root, self._unit.name)

    def _keeper(self, log: LogSpec) -> str:
        return access.keeper(log, self._unit.folder, self._journal_name) if log.written else ""

    def write_health(self, text: str, deadline: float) -> None:
        """Leave for the next worker which slots run."""
        script = write(f"{self._unit.folder}/{HEALTH}", text, 0o600)
        self._do(script, "writing which slots of the router run", deadline)

    def take_back(self, deadline: float) -> None:
        """Bring back the configuration before."""
        self._do(place.take_back(self._unit.folder), "bringing back the router's configuration", deadline)

    def tidy(self, rendered: Rendered, deadline: float) -> None:
        """Remove what older configurations named."""
        script = place.tidy(self._unit.folder, self._found(deadline).files, rendered.files)
        self._do(script, "removing the router's older files", deadline)

    def look(self, deadline: float) -> FolderSight:
        """What there is to know without asking HAProxy."""
        script = f"{place.look(self._unit.folder, self._setting)}{lost.SCRIPT}"
        tried = "looking at the router's folder"
        said = self._connector.run(script, tried=tried, deadline=deadline).stdout
        copy = copies.parse(said)
        ours = bundled()[0] if copy.ours else ""
        return FolderSight(
            place.parse_inspect(said).config, lost.lost_requests(said), copies.outdated(copy, ours)
        )

    def _found(self, deadline: float) -> place.Found:
        script = place.inspect(self._unit.folder, self._setting)
        return place.parse_inspect(
            self._connector.run(script, tried="looking at the router's folder", deadline=deadline).stdout
        )

    def _executable(self, found: place.Found, deadline: float) -> str:
        """The digest of the executable to run, present in the folder."""
        if self._setting:
            refuse(found.candidate, self._setting)
        if not found.candidate.problem:
            digest = found.candidate.digest
            script = place.adopt(self._unit.folder, found.candidate.path, digest)
        else:
            digest, _ = bundled()
            script = place.unveil(self._unit.folder, digest, self._run)
        if digest not in found.executables:
            self._do(f"mkdir -p {quote(self._unit.folder)}", "making the router's folder", deadline)
            if found.candidate.problem:
                incoming = place.incoming(self._unit.folder, digest, self._run)
                self._connector.put(uploads_to(incoming), deadline=deadline)
            self._do(script, "installing HAProxy", deadline)
        return digest

    def _do(self, script: str, tried: str, deadline: float) -> None:
        result = self._change(script, tried, deadline)
        if result.status != 0:
            said = (result.stdout + result.stderr).strip().splitlines()[-20:]
            raise RouterError(f"router {self._name}: {tried} failed: " + "\n".join(said))
