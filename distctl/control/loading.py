"""Waiting for Triton: a server that starts, a model that loads. Watched in the index, never asked twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from distctl.cluster.snapshot import ModelState, ReplicaSight
from distctl.cluster.spec import Server
from distctl.control.world import World
from distctl.errors import NodeError, TritonError

POLL = 0.2  # seconds between two looks at the index


def wait_for_models(
    world: World,
    server: Server,
    models: Iterable[str],
    *,
    start: float,
    load: float,
    report: Callable[[str], None],
) -> None:
    """Return when the server is live and each model is ready.

    `start` and `load` are seconds; loading begins with the process, so the sum bounds both. Raises NodeError
    that names the models that are not ready, Triton's reason, and the last lines of the log.
    """
    wanted = tuple(models)
    begun = world.clock.now()
    while True:
        index = _index(world, server)
        waited = world.clock.now() - begun
        late = _late(wanted, index) if index is not None else list(wanted)
        if index is not None and not late:
            return
        if index is not None and (failed := _failed(wanted, index)):
            raise _not_ready(world, server, f"{failed} did not load")
        if waited > (start if index is None else start + load):
            what = "the server never answered" if index is None else f"{', '.join(late)} not ready"
            raise _not_ready(world, server, f"{what} after {waited:.0f} s")
        phase = "starting" if index is None else f"loading {', '.join(late)}"
        report(f"{phase}, {waited:.0f} s")
        world.clock.sleep(POLL)


def reload_model(
    world: World, server: Server, model: str, *, seconds: float, report: Callable[[str], None]
) -> None:
    """Load a model, or its new content, into a running server and return when it is ready.

    Raises NodeError with Triton's reason and the last lines of the log.
    """
    begun = world.clock.now()
    client = world.triton(server.id)
    try:
        client.load(model)
    except TritonError as error:
        raise _not_ready(world, server, f"{model} did not load: {error.message}") from error
    while True:
        sight = (_index(world, server) or {}).get(model, ReplicaSight(ModelState.ABSENT))
        waited = world.clock.now() - begun
        if sight.state is ModelState.READY:
            return
        if sight.state is ModelState.UNAVAILABLE and sight.reason not in ("", "unloaded"):
            raise _not_ready(world, server, f"{model} did not load: {sight.reason}")
        if waited > seconds:
            raise _not_ready(world, server, f"{model} is {sight.state.value} after {waited:.0f} s")
        report(f"loading, {waited:.0f} s")
        world.clock.sleep(POLL)


def _index(world: World, server: Server) -> dict[str, ReplicaSight] | None:
    try:
        return world.triton(server.id).index()
    except TritonError:
        return None


def _late(wanted: tuple[str, ...], index: dict[str, ReplicaSight]) -> list[str]:
    return [m for m in wanted if m not in index or index[m].state is not ModelState.READY]


def _failed(wanted: tuple[str, ...], index: dict[str, ReplicaSight]) -> str:
    bad = [m for m in wanted if m in index and index[m].state is ModelState.UNAVAILABLE and index[m].reason]
    return "; ".join(f"{model}: {index[model].reason}" for model in bad)


def _not_ready(world: World, server: Server, problem: str) -> NodeError:
    unit = f"server-{server.id.server}"
    return NodeError(
        server.id.node,
        f"start {server.id}",
        problem,
        output=world.node(server.id.node).tail(unit, 20),
        hint=f"distctl logs {server.id.node}",
    )
