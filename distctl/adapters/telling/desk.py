"""A small web server in a thread of the controller's process: it answers from what the loop saw last.

Nothing is worked out before somebody asks, and then once for each look, however often it is asked.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from distctl.adapters.telling import metrics, page
from distctl.adapters.telling.gate import Gate
from distctl.cluster.spec import Endpoint
from distctl.commands.discovery import ROLES, discovered
from distctl.policy.outlook import Outlook

AGAIN = 5.0  # seconds until a place that somebody else listens on is tried again
LONGEST = 8192  # bytes of a request's body: none is needed
GUARDS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": page.POLICY,
}
NOT_YET = "this controller has not looked at the cluster: it stands by, or began just now\n"
LOGIN = "this page needs a login: open the link that `distctl controller page` prints\n"
TOKEN = "this needs the controller's token: Authorization: Bearer TOKEN\n"  # noqa: S105 - none

Say = Callable[[str, str], None]
Answer = tuple[str, bytes]  # a content type, a body
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Desk:
    """Answers at one endpoint from `start` to `close`. `outlook` is asked for at each request."""

    def __init__(
        self, endpoint: Endpoint, cluster: str, token: str, outlook: Callable[[], Outlook], say: Say
    ) -> None:
        self._endpoint, self._cluster, self._outlook, self._say = endpoint, cluster, outlook, say
        self._gate = Gate(token, endpoint.host)
        self._made: dict[str, tuple[Outlook, Answer]] = {}
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="distctl-telling", daemon=True)

    def start(self) -> Desk:
        """Listen; while somebody else does there, try again now and then."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Answer nobody any more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda _, context: self._say("warning", context["message"]))
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        quiet = logging.getLogger("distctl.telling")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        runner = web.AppRunner(self._app(), access_log=None, logger=quiet, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await self._listen(runner)
            await self._over.wait()
        finally:
            await runner.cleanup()
            await asyncio.sleep(0)  # for the connections that it closes

    async def _listen(self, runner: web.AppRunner) -> None:
        told = ""
        while not self._over.is_set():
            try:
                await web.TCPSite(runner, self._endpoint.host, self._endpoint.port).start()
            except OSError as error:
                why = f"cannot listen on {self._endpoint}: {error.strerror or error}"
                if why != told:
                    self._say("warning", f"{why}; everything else goes on, and it is tried again")
                told = why
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._over.wait(), AGAIN)
            else:
                self._say("listening", f"metrics are at {self._endpoint.url}/metrics")
                return

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded], client_max_size=LONGEST)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/sd", self._discovery)
        app.router.add_get("/login", self._login)
        app.router.add_get("/", self._page)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse whoever may not ask, and let no failure of ours become a trace on somebody's screen."""
        try:
            self._admit(request)
            answer = await handler(request)
        except web.HTTPException as refusal:
            answer = web.Response(status=refusal.status, text=refusal.text, headers=refusal.headers)
        except Exception as error:  # the controller goes on, whatever a page does
            self._say("warning", f"{request.path} cannot be told: {type(error).__name__}: {error}")
            answer = web.Response(status=500, text="this cannot be told: the controller's log says why\n")
        answer.headers.update(GUARDS)
        return answer

    def _admit(self, request: web.Request) -> None:
        """Raise web.HTTPUnauthorized unless this one may be told."""
        if self._gate.bearer(request.headers.get("Authorization", "")) or request.path == "/login":
            return
        if request.path in ("/metrics", "/sd"):
            if not self._gate.open_to(request.url.host or ""):
                raise web.HTTPUnauthorized(text=TOKEN, headers={"WWW-Authenticate": "Bearer"})
        elif not self._gate.logged_in(request.cookies.get(self._cookie, "")):
            raise web.HTTPUnauthorized(text=LOGIN, headers={"WWW-Authenticate": "Bearer"})

    @property
    def _cookie(self) -> str:
        return f"distctl-{self._cluster}"  # cookies are for all ports of a host

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        accept = metrics.OPENMETRICS if metrics.OPENMETRICS in request.headers.get("Accept", "") else ""
        return _response(self._once(f"metrics {accept}", lambda seen: metrics.rendered(seen, accept)))

    async def _discovery(self, request: web.Request) -> web.StreamResponse:
        role = request.query.get("role", "")
        if role not in ("", *ROLES):
            raise web.HTTPBadRequest(text=f"role is one of {', '.join(ROLES)}\n")
        return _response(self._once(f"sd {role}", lambda seen: _targets(seen, role)))

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not self._gate.is_token(request.query.get("token", "")):
            raise web.HTTPForbidden(text=LOGIN)
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(self._cookie, self._gate.cookie, httponly=True, samesite="Strict", path="/")
        return answer

    async def _page(self, _: web.Request) -> web.StreamResponse:
        return _response(self._once("page", lambda seen: page.rendered(self._cluster, seen)))

    def _once(self, what: str, make: Callable[[Outlook], Answer]) -> Answer:
        outlook = self._outlook()
        before = self._made.get(what)
        if before is None or before[0] is not outlook:
            before = self._made[what] = (outlook, make(outlook))
        return before[1]


def _targets(outlook: Outlook, role: str) -> Answer:
    """What Prometheus is told to ask. A refusal leaves it with what it knew; an empty list would not."""
    if outlook.seen is None:
        raise web.HTTPServiceUnavailable(text=NOT_YET)
    found = discovered(outlook.seen.spec, outlook.seen.record, role)
    return "application/json", json.dumps(found).encode()


def _response(answer: Answer) -> web.Response:
    kind, body = answer
    return web.Response(body=body, headers={"Content-Type": kind})
