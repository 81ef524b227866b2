"""Old contents on a node: what can go so that disks do not fill, and what stays for a quick way back.

Of each model the wanted content stays and the one before it, with the environments of both; of runtimes only
the wanted one. What a link points to always stays.
"""

from __future__ import annotations

from collections.abc import Mapping

from distctl.cluster.snapshot import NodeSight
from distctl.cluster.spec import Node
from distctl.policy.operations import Prune
from distctl.policy.work import Work


def prune_contents(work: Work, node: Node) -> None:
    """Plan what is removed from a node once everything else was done there."""
    sight = work.snapshot.nodes.get(node.name)
    if node.external or not node.servers or sight is None or not sight.reachable:
        return
    models = {model: _kept(work, node, sight, model) for model in sorted(sight.models)}
    runtimes = _runtimes(work, node, sight)
    old = [f"{m} {d}" for m, found in sorted(sight.models.items()) for d in sorted(found - models[m])]
    environments = _environments(work, node, sight, models)
    old += [f"runtime {digest}" for digest in sorted(sight.runtimes - runtimes)]
    old += [f"environment {digest}" for digest in sorted(sight.environments - environments)]
    if not old:
        return
    for model, digest in work.wish.contents.items():
        models[model] = models.get(model, frozenset()) | ({digest} if digest else set())
    kept = tuple((model, tuple(sorted(found))) for model, found in sorted(models.items()) if found)
    step = Prune(node.name, kept, tuple(sorted(runtimes)), tuple(sorted(environments)))
    work.draft.add(step, f"no longer used: {', '.join(old)}", work.draft.on(node.name))


def _kept(work: Work, node: Node, sight: NodeSight, model: str) -> frozenset[str]:
    """The digests of a model that stay, of those that are stored on the node.

    The one before is what is linked now and will not be any more. When that was forgotten (a process died in
    between) it is the only other one that is stored; among several nobody can tell, and none is kept.
    """
    stored = sight.models[model]
    known = any(m.name == model for m in work.wish.spec.models)
    if not known and not work.wish.prune:
        return stored
    linked = {digest for (_, name), digest in sight.links.items() if name == model}
    wanted = {work.wish.contents.get(model, "")} if known else set()
    needed = wanted | _linked_then(work, node, sight, model)
    others = stored - needed
    if not known:
        return stored & needed
    before = sorted(others & linked) or (sorted(others) if len(others) == 1 else [])
    return frozenset((stored & needed) | set(before[:1]))


def _linked_then(work: Work, node: Node, sight: NodeSight, model: str) -> set[str]:
    """What is still linked once the plan was carried out, the wanted content aside."""
    renewed = {s.id.server for s in node.servers if model in work.wish.models_of(s.id)}
    renewed |= {server.server for server, name in work.unloaded if (server.node, name) == (node.name, model)}
    return {d for (server, name), d in sight.links.items() if name == model and server not in renewed}


def _environments(
    work: Work, node: Node, sight: NodeSight, models: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """The environments of contents that stay, and those that are wanted."""
    kept = set(work.wish.environments.get(node.name, {}).values())
    for model, digests in models.items():
        for digest in digests:
            if lock := sight.locks.get((model, digest)):
                kept |= lock.digests
    return frozenset(kept)


def _runtimes(work: Work, node: Node, sight: NodeSight) -> frozenset[str]:
    """The runtimes that stay: the wanted one, and all while a server runs that is not started again."""
    wanted = work.wish.runtimes.get(node.name)
    ours = {f"server-{server.id.server}" for server in node.servers}
    strange = any(
        unit.process and name.startswith("server-") for name, unit in sight.units.items() if name not in ours
    )
    if wanted is None or strange or node.name in work.kept_running:
        return sight.runtimes | ({wanted} if wanted else set())
    return frozenset({wanted} if wanted else ())
