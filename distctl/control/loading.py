"""Waiting for Triton: a server that starts, a model that loads. Watched in the index, never asked twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress

from distctl.cluster.snapshot import ModelState, ReplicaSight
from distctl.cluster.spec import Server
from distctl.control.world import World
from distctl.errors import NodeError, TritonError

POLL = 0.2  # seconds between two looks at the index
SHORT = 0.02  # seconds, as a load begins: somebody may be waiting for it
BRIEFLY = 30.0  # seconds for which a load is looked at so often
UNLOADED = "unloaded"  # Triton's reason for a model that was taken out and did not fail


def _nothing() -> None:
    pass


def wait_for_models(
    world: World,
    server: Server,
    models: Iterable[str],
    *,
    start: float,
    load: float,
    report: Callable[[str], None],
) -> None:
    """Return when the server is live and each model is ready, or has failed beside another that is ready.

    A model that the process was not started with is loaded.
    `start` and `load` are seconds; loading begins with the process, so the sum bounds both. Raises NodeError
    with Triton's reason and the last lines of the log when the server never answers or no model is ready;
    one that failed beside others is told by `unready` when it is to be routed to.
    """
    wanted = tuple(models)
    begun = world.clock.now()
    asked: set[str] = set()
    while True:
        index = _index(world, server)
        if index is not None and (idle := [m for m in wanted if m not in asked and _idle(index, m)]):
            asked |= _ask(world, server, idle)
            index = _index(world, server)
        waited = world.clock.now() - begun
        late = _late(wanted, index or {})
        failed = _failed(late, index or {})
        over = waited > (start if index is None else start + load)
        if index is not None and (len(failed) == len(late) or over):
            if late and len(late) == len(wanted):
                raise _not_ready(world, server, "; ".join(_problem(m, index, waited) for m in late))
            return
        if over:
            raise _not_ready(world, server, f"the server never answered after {waited:.0f} s")
        phase = "starting" if index is None else f"loading {', '.join(late)}"
        report(f"{phase}, {waited:.0f} s")
        world.clock.sleep(POLL)


def unready(world: World, server: Server, models: Iterable[str]) -> dict[str, NodeError]:
    """Those of some models that are not ready there, with Triton's reason and the last lines of the log.

    A server that does not answer at this moment is left to the routers' own checks.
    """
    index = _index(world, server)
    if index is None:
        return {}
    return {
        model: _not_ready(world, server, _problem(model, index), tried=f"route {model} to {server.id}")
        for model in _late(models, index)
    }


def reload_model(
    world: World,
    server: Server,
    model: str,
    *,
    seconds: float,
    report: Callable[[str], None],
    meanwhile: Callable[[], None] = _nothing,
) -> None:
    """Load a model, or its new content, into a running server and return when it is ready.

    `meanwhile` is done once, while it loads; not where it is ready at once.
    A server that is just being started again by its supervisor is waited for. Raises NodeError with Triton's
    reason and the last lines of the log.
    """
    begun = world.clock.now()
    client = world.triton(server.id)
    tried = f"load {model} in {server.id}"
    while _index(world, server) is None and (waited := world.clock.now() - begun) <= seconds:
        report(f"waiting for the server, {waited:.0f} s")
        world.clock.sleep(POLL)
    try:
        client.load(model)
    except TritonError as error:
        raise _not_ready(world, server, f"{model} did not load: {error.message}", tried=tried) from error
    while True:
        sight = (_index(world, server) or {}).get(model, ReplicaSight(ModelState.ABSENT))
        waited = world.clock.now() - begun
        if sight.state is ModelState.READY:
            return
        if sight.state is ModelState.UNAVAILABLE and sight.reason not in ("", UNLOADED):
            raise _not_ready(world, server, f"{model} did not load: {sight.reason}", tried=tried)
        if waited > seconds:
            problem = f"{model} is {sight.state.value} after {waited:.0f} s"
            raise _not_ready(world, server, problem, tried=tried)
        report(f"loading, {waited:.0f} s")
        meanwhile()
        meanwhile = _nothing
        world.clock.sleep(SHORT if waited < BRIEFLY else POLL)


def _index(world: World, server: Server) -> dict[str, ReplicaSight] | None:
    try:
        return world.triton(server.id).index()
    except TritonError:
        return None


def _idle(index: Mapping[str, ReplicaSight], model: str) -> bool:
    """Whether a server that answers neither has a model nor loads it, nor has failed to."""
    sight = index.get(model, ReplicaSight(ModelState.ABSENT))
    return sight.state in (ModelState.ABSENT, ModelState.UNAVAILABLE) and sight.reason in ("", UNLOADED)


def _ask(world: World, server: Server, models: Collection[str]) -> set[str]:
    """Ask for models to be loaded; the index tells what becomes of them, also of those that are refused."""
    for model in models:
        with suppress(TritonError):
            world.triton(server.id).load(model)
    return set(models)


def _late(wanted: Iterable[str], index: dict[str, ReplicaSight]) -> list[str]:
    return [m for m in wanted if m not in index or index[m].state is not ModelState.READY]


def _failed(late: Iterable[str], index: dict[str, ReplicaSight]) -> list[str]:
    return [m for m in late if m in index and index[m].state is ModelState.UNAVAILABLE and index[m].reason]


def _problem(model: str, index: dict[str, ReplicaSight], waited: float | None = None) -> str:
    sight = index.get(model, ReplicaSight(ModelState.ABSENT))
    if sight.state is ModelState.UNAVAILABLE and sight.reason:
        return f"{model} did not load: {sight.reason}"
    return f"{model} is {sight.state.value}" + ("" if waited is None else f" after {waited:.0f} s")


def _not_ready(world: World, server: Server, problem: str, *, tried: str = "") -> NodeError:
    unit = f"server-{server.id.server}"
    return NodeError(
        server.id.node,
        tried or f"start {server.id}",
        problem,
        output=world.node(server.id.node).tail(unit, 20),
        hint=f"distctl logs {server.id}",
    )
