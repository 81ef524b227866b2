"""One look at many servers at once, without a history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import closing
from time import monotonic

from distctl.adapters.polling.http import Inquiry
from distctl.adapters.polling.lines import Lines
from distctl.adapters.polling.server import Known, Target, ask
from distctl.cluster.snapshot import ServerSight
from distctl.cluster.spec import Endpoint, ServerId
from distctl.policy.asking import EVERYTHING, Question

ASKED = EVERYTHING - {Question.READY}


def observe_servers(
    endpoints: Mapping[ServerId, Endpoint],
    keys: Mapping[ServerId, str],
    *,
    metrics: Mapping[ServerId, Endpoint] | None = None,
    timeout: float = 2.0,
) -> dict[ServerId, ServerSight]:
    """Ask every server at once: live, ready, its models. One that does not answer is told in `error`.

    `keys` are those of restricted APIs; a server without one is asked without. Servers in `metrics` are asked
    which GPUs they see. `timeout` in seconds is for each server as a whole.
    """
    seen = metrics or {}
    targets = [Target(id, http, seen.get(id), keys.get(id, "")) for id, http in endpoints.items()]
    return asyncio.run(_observe(targets, timeout))


async def _observe(targets: list[Target], timeout: float) -> dict[ServerId, ServerSight]:
    lines, until = Lines(2 * len(targets) + 1), monotonic() + timeout
    with closing(lines):
        found = await asyncio.gather(
            *(
                ask(Inquiry(lines, until, t.headers), t, ASKED, Known(ServerSight(t.id)), lambda: 0.0)
                for t in targets
            )
        )
        return {known.sight.id: known.sight for known in found}
