"""What routers tell of requests: every place of them asked at once, merged by time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from distctl.app.session import Session
from distctl.cluster.requests import Page, Told, Wanted
from distctl.cluster.spec import RouterId
from distctl.commands.haproxy.access import told
from distctl.control.observe import WIDTH
from distctl.errors import DistctlError, InputError


def logging_routers(session: Session, names: Sequence[str]) -> list[RouterId]:
    """The routers that are called so and keep a log, on every place of theirs; other names are left out."""
    logged = {router.name for router in session.spec.routers if router.log.written}
    ids = session.spec.router_ids
    return [id for id in ids if id.router in logged and {id.router, str(id)} & set(names)]


def refuse_strangers(session: Session, names: Sequence[str]) -> None:
    """Raise InputError unless each of the names is a router's that keeps a log of requests."""
    routers = session.spec.router_ids
    for name in names:
        meant = [id for id in routers if name in (id.router, str(id))]
        if not meant:
            known = ", ".join(sorted({id.router for id in routers})) or "none"
            raise InputError(
                f"{name} is no router, and only routers tell of requests",
                hint=f"routers of the inventory: {known}",
            )
        if not session.spec.router(meant[0].router).log.written:
            raise InputError(
                f"router {meant[0].router} keeps no log of requests",
                hint=f"write log: {{to: file}} for routers.{meant[0].router}, then distctl up",
            )


class Feed:
    """The logs of several routers, read on from where they were read last."""

    def __init__(self, session: Session, routers: Iterable[RouterId], wanted: Wanted) -> None:
        self._session, self._wanted = session, wanted
        self._positions = dict.fromkeys(routers, "")
        self.troubles: dict[RouterId, DistctlError] = {}  # of the last look

    @property
    def routers(self) -> tuple[RouterId, ...]:
        """Whose logs they are."""
        return tuple(self._positions)

    @property
    def silent(self) -> bool:
        """Whether none of them could be read at the last look."""
        return bool(self._positions) and len(self.troubles) == len(self._positions)

    def look(self, newest: int) -> list[Told]:
        """What is new in all of them, in the order in which it ended; at most so many of each."""
        self.troubles = {}
        with ThreadPoolExecutor(WIDTH, thread_name_prefix="requests") as pool:
            asked = {router: pool.submit(self._ask, router, newest) for router in self._positions}
        found = []
        for router, future in asked.items():
            try:
                page = future.result()
            except DistctlError as error:
                self.troubles[router] = error
                continue
            self._positions[router] = page.position
            found += [one for line in page.lines if (one := told(router, line))]
        return sorted(found, key=lambda one: one.ended)[-newest:]

    def _ask(self, router: RouterId, newest: int) -> Page:
        log = self._session.spec.router(router.router).log
        return self._session.world.router(router).requests(log, self._wanted, self._positions[router], newest)
