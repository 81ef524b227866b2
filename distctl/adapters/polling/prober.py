"""Made-up requests to servers that are watched: one at a time for each, beside the looks at them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from math import prod
from time import monotonic
from urllib.parse import quote

from distctl.adapters.polling.http import OK, SHOWN, Inquiry
from distctl.adapters.polling.lines import Lines, NoAnswer
from distctl.adapters.polling.server import Target
from distctl.cluster.snapshot import Instant, ModelState, ServerSight
from distctl.cluster.spec import ServerId
from distctl.errors import InputError, TritonError
from distctl.policy.asking import phase
from distctl.policy.bench.data import ModelShape, made, model_shape
from distctl.policy.probing import NOTHING, Probe, again, begun, compared, heard, spared, told

LARGEST = 65_536  # elements of a request: it is made in the loop that watches everybody
CONFIG = 2.0  # seconds to say what a model wants


class Unprobed(Exception):
    """Nothing can be made up for a model, or it must not be sent."""


class Prober:
    """What is known of every replica that is probed. Used in the event loop alone."""

    def __init__(self, lines: Callable[[], Lines], now: Callable[[], Instant]) -> None:
        self._lines, self._now = lines, now
        self._probes: dict[ServerId, dict[str, Probe]] = {}
        self._failing: dict[str, dict[ServerId, Instant]] = {}  # by model: who fails, and since when
        self._running: dict[ServerId, asyncio.Task[None]] = {}

    def visit(self, target: Target, sight: ServerSight) -> ServerSight:
        """Begin what is due at a server that was just looked at; the sight with what its probes came to."""
        now = self._now()
        before = self._probes.get(target.id, {})
        after = {
            model: self._after(target.id, model, before.get(model), sight, now)
            for model in target.probes
            if sight.live and (seen := sight.replicas.get(model)) and seen.state is ModelState.READY
        }
        self._keep(target.id, after)
        due = [model for model, probe in after.items() if probe.due <= now]
        running = self._running.get(target.id)
        if due and (running is None or running.done()):
            asking = self._ask(target, min(due, key=lambda model: after[model].due))
            self._running[target.id] = asyncio.get_running_loop().create_task(asking)
        return replace(sight, probes={model: probe.sight for model, probe in after.items()})

    def hurry(self) -> None:
        """Something was just changed: whoever failed is asked anew."""
        now = self._now()
        for server in {server for servers in self._failing.values() for server in servers}:
            self._keep(server, {m: again(probe, now) for m, probe in self._probes[server].items()})

    def forget(self, server: ServerId) -> None:
        """It is watched no more."""
        self._keep(server, {})
        self._probes.pop(server)
        if running := self._running.pop(server, None):
            running.cancel()

    def close(self) -> None:
        """End what is under way."""
        for running in self._running.values():
            running.cancel()

    def _keep(self, server: ServerId, probes: dict[str, Probe]) -> None:
        """Remember the probes of a server, and since when it fails at which models."""
        for model in self._probes.get(server, {}).keys() | probes.keys():
            failing = self._failing.setdefault(model, {})
            failing.pop(server, None)
            if model in probes and probes[model].sight.failures:
                failing[server] = probes[model].sight.since
        self._probes[server] = probes

    def _after(
        self, server: ServerId, model: str, before: Probe | None, sight: ServerSight, now: Instant
    ) -> Probe:
        counted = sight.service.get(model, NOTHING)
        if before is None:
            return begun(now, phase(server), counted)
        probe = heard(before, counted, now)
        failing = self._failing.get(model, {})
        others = max((since for id, since in failing.items() if id != server), default=0.0)
        return compared(probe, others, now) if others else probe

    async def _ask(self, target: Target, model: str) -> None:
        try:
            error = await self._answer(target, model)
        except Unprobed:
            error = None
        probe = self._probes.get(target.id, {}).get(model)
        if probe is not None:
            now = self._now()
            after = spared(probe, now) if error is None else told(probe, error, now)
            self._keep(target.id, {**self._probes[target.id], model: after})

    async def _answer(self, target: Target, model: str) -> str:
        """Send one; how it failed, "" when it was answered, however."""
        path = f"/v2/models/{quote(model, safe='')}"
        body = _request(await self._config(target, path))
        seconds = target.probes[model]
        try:
            answer = await self._inquiry(target, seconds).post(target.http, f"{path}/infer", body)
        except NoAnswer as error:
            return f"no answer within {seconds:g} s" if "in time" in error.message else error.message
        except TritonError:  # more than is read: it answers
            return ""
        if answer.status == OK:
            return ""
        return f"HTTP status {answer.status}: {answer.body[:SHOWN].decode('utf-8', 'replace')}"

    async def _config(self, target: Target, path: str) -> bytes:
        """A model's configuration. One that cannot be had is no failure: looks tell that better."""
        try:
            answer = await self._inquiry(target, CONFIG).get(target.http, f"{path}/config")
        except TritonError as error:
            raise Unprobed from error
        if answer.status != OK:
            raise Unprobed
        return answer.body

    def _inquiry(self, target: Target, seconds: float) -> Inquiry:
        return Inquiry(self._lines(), monotonic() + seconds, target.headers, keep=False)


def _request(config: bytes) -> bytes:
    """What is sent to a model of this configuration. Raises Unprobed."""
    try:
        shape = model_shape(json.loads(config))
        if not shape.inputs or shape.sequences or shape.decoupled or _elements(shape) > LARGEST:
            raise Unprobed
        return json.dumps(made(shape, {}, 1)).encode()
    except (InputError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unprobed from error


def _elements(shape: ModelShape) -> int:
    return sum(prod(item.dims) for item in shape.inputs if not item.optional)
