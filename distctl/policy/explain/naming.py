"""Which things a word means: a name, or KIND/NAME where several things are called so."""

from __future__ import annotations

from dataclasses import dataclass

from distctl.cluster.record import Record
from distctl.cluster.spec import RouterId, ServerId, Spec

KINDS = ("node", "server", "model", "router")


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that can be explained. A router's is one of its places."""

    kind: str
    name: str

    @property
    def server(self) -> ServerId:
        """Its id, where it is a server."""
        node, _, server = self.name.rpartition("/")
        return ServerId(node, server)

    @property
    def router(self) -> RouterId:
        """Its id, where it is a router."""
        router, _, place = self.name.rpartition("@")
        return RouterId(router, place)


def known(spec: Spec, record: Record) -> dict[str, list[Target]]:
    """Everything that has a name, by each name that it answers to. A router alone means all its places."""
    found = [Target("node", node.name) for node in spec.nodes]
    found += [Target("server", str(server.id)) for server in spec.servers]
    found += [Target("model", name) for name in _models(spec, record)]
    names: dict[str, list[Target]] = {}
    for target in found:
        names.setdefault(target.name, []).append(target)
    for router in sorted({*spec.router_ids, *record.routers}):
        for name in (router.router, str(router)):
            names.setdefault(name, []).append(Target("router", str(router)))
    return names


def _models(spec: Spec, record: Record) -> list[str]:
    ours = [model.name for model in spec.models]
    return [*ours, *sorted({replica.model for replica in record.replicas} - set(ours))]


def meant(word: str, names: dict[str, list[Target]]) -> list[Target]:
    """The things that a word means; none where nothing is called so."""
    if word in names:
        return names[word]
    kind, _, name = word.partition("/")
    return [target for target in names.get(name, ()) if kind in KINDS and target.kind == kind]


def subjects(target: Target, spec: Spec) -> tuple[str, ...]:
    """The subjects under which events tell of it: its own names first."""
    own = (target.name, f"{target.kind} {target.name}")
    if target.kind != "node":
        return own
    servers = (str(server.id) for node in spec.nodes if node.name == target.name for server in node.servers)
    return (*own, *servers)
