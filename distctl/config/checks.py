"""What no single section can see: ports that meet, places that do not exist, models that fit nowhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from urllib.parse import urlsplit

from distctl.cluster.spec import Connection, ModelSpec, Node, RouterSpec, Server, StoreSpec, nth_server
from distctl.config.problems import Path, Problem, did_you_mean
from distctl.config.shared import WILDCARDS
from distctl.config.values import LOCAL


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that something listens on: whose, on which machine, at which of its addresses."""

    who: str
    path: Path
    machine: str
    host: str
    port: int
    router: bool = False


def machine(node: Node) -> str:
    """Which machine a node is, as far as the file tells; all local ones are the same."""
    if node.connection is Connection.LOCAL or (is_loopback(node.address) and not node.ssh.jump):
        port = (
            node.ssh.port
            if node.connection is Connection.SSH and not is_loopback(node.serve_address)
            else None
        )
        return f"here:{port}" if port else "here"
    return f"{node.address}:{node.ssh.port or 22}:{','.join(node.ssh.jump or ())}"


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached on its own machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listeners(
    nodes: Mapping[str, Node], written: Mapping[str, str], routers: Iterable[RouterSpec]
) -> Iterator[Listener]:
    """Every port that the inventory asks for."""
    for node in nodes.values():
        for server in _expected(node):
            who = f"server {server.id}"
            path: Path = ("nodes", written[node.name])
            for port in (server.http_port, server.grpc_port, server.metrics_port):
                yield Listener(who, path, machine(node), _host(node.serve_address), port)
    for router in routers:
        for place in router.on:
            where = machine(nodes[place]) if place in nodes else "here"
            for word in ("http", "grpc", "metrics", *(["peers"] if len(router.on) > 1 else [])):
                port = getattr(router, f"{word}_port")
                path = ("routers", router.name, "ports", word)
                yield Listener(
                    f"router {router.name}@{place}", path, where, _host(router.address), port, router=True
                )


def _expected(node: Node) -> tuple[Server, ...]:
    """The servers of a node; of one for each device, the one that will be there at least."""
    if node.per_device is None or node.servers:
        return node.servers
    return (nth_server(node.name, node.serve_address, node.per_device.first_port, 0),)


def _host(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def port_problems(found: Iterable[Listener]) -> list[Problem]:
    """Two servers or routers on one address and port, told once for each pair."""
    return [_clash(one, other) for one, other in _meetings(found)]


def device_port_problems(nodes: Mapping[str, Node], routers: Iterable[RouterSpec]) -> dict[str, Problem]:
    """The same for nodes with a server for each device, by node, once a look has told which those are."""
    found = {}
    for one, other in _meetings(listeners(nodes, {name: name for name in nodes}, routers)):
        for section, name, *_ in (one.path, other.path):
            if section == "nodes" and nodes[str(name)].per_device:
                found[str(name)] = _clash(one, other)
    return found


def _meetings(found: Iterable[Listener]) -> list[tuple[Listener, Listener]]:
    told: dict[tuple[str, str], tuple[Listener, Listener]] = {}
    near: dict[tuple[int, str, str], list[Listener]] = {}  # by what two that meet have in common
    for listener in found:
        for key in ((listener.port, "machine", listener.machine), (listener.port, "host", listener.host)):
            earlier = near.setdefault(key, [])
            if other := next((one for one in earlier if _meet(one, listener)), None):
                told.setdefault((other.who, listener.who), (other, listener))
            if listener.host not in WILDCARDS or key[1] == "machine":
                earlier.append(listener)
    return list(told.values())


def _meet(one: Listener, other: Listener) -> bool:
    if one.machine != other.machine:
        return one.host == other.host and not is_loopback(one.host) and one.host not in WILDCARDS
    both_servers = not (one.router or other.router)
    return both_servers or one.host == other.host or bool({one.host, other.host} & WILDCARDS)


def _clash(one: Listener, other: Listener) -> Problem:
    if one.who == other.who:
        return Problem(
            other.path, f"{other.who} has port {other.port} twice", "give each protocol a port of its own"
        )
    hint = "give one of them other ports" + ("" if other.router else ": servers: {ports: ...}")
    return Problem(other.path, f"{one.who} and {other.who} share port {other.port} of {other.host}", hint)


def reach_problems(nodes: Mapping[str, Node], routers: Iterable[RouterSpec]) -> Iterator[Problem]:
    """Servers that only their own machine can reach, with a router elsewhere."""
    for router in routers:
        for place in router.on:
            where = machine(nodes[place]) if place in nodes else "here"
            for node in nodes.values():
                if node.serves and is_loopback(node.serve_address) and machine(node) != where:
                    message = f"on {place} it cannot reach node {node.name} at {node.serve_address}"
                    hint = f"give node {node.name} a serve_address that {place} reaches"
                    yield Problem(("routers", router.name, "on"), message, hint)
                    break


def place_problems(
    router: str, places: Sequence[str], nodes: Iterable[str], address: str | None
) -> Iterator[Problem]:
    """Places of a router that are no nodes, or stand there twice, or listen on different things."""
    here: Path = ("routers", router, "on")
    known = list(nodes)
    for place in dict.fromkeys(places):
        if place != LOCAL and place not in known:
            yield Problem(
                here, f"there is no node `{place}`", did_you_mean(place, [*known, LOCAL], what="places")
            )
    for place in {p for p in places if places.count(p) > 1}:
        yield Problem(here, f"`{place}` twice", "keep it once")
    if len(places) > 1 and LOCAL in places and address is None:
        hint = "write address: 0.0.0.0, or a router of its own for local"
        yield Problem(here, "local listens on 127.0.0.1 and nodes on every interface: say which", hint)


def model_problems(model: ModelSpec, nodes: Mapping[str, Node]) -> Iterator[Problem]:
    """A source that is not there (folders here are looked at), or more replicas than servers that fit."""
    here: Path = ("models", model.name)
    yield from _source_problems(model, here)
    fitting = [node for node in nodes.values() if model.where.items() <= node.labels.items()]
    if any(node.per_device for node in fitting):
        return  # how many servers those nodes have is known after a look at them
    servers = sum(len(node.servers) for node in fitting)
    if not servers and model.most:
        yield _nowhere(model, nodes, fitting)
    elif model.replicas > servers:
        which = " that `where` asks for" if model.where else ""
        message = f"{model.replicas} replicas, and {servers} server{'s' * (servers != 1)}{which}"
        yield Problem((*here, "replicas"), message, f"at most one replica for each server: {servers}")
    if model.source.kind == "node":
        yield from _mount_problems(model, fitting)


def _mount_problems(model: ModelSpec, nodes: Iterable[Node]) -> Iterator[Problem]:
    """A path of the node that its containers cannot see under the same name."""
    path = model.source.path.rstrip("/") + "/"
    for node in nodes:
        places = [volume.rsplit(":", 2)[:2] for volume in node.runtime.container.volumes]
        seen = any(source == place and path.startswith(f"{place.rstrip('/')}/") for source, place in places)
        if node.contained and not seen:
            message = f"the containers of node {node.name} do not see {model.source.path}"
            hint = f"write runtime: {{volumes: [{model.source.path}]}}, or a folder above it"
            yield Problem(("models", model.name, "source"), message, hint)
            return


def _nowhere(model: ModelSpec, nodes: Mapping[str, Node], fitting: Sequence[Node]) -> Problem:
    if fitting:
        names = ", ".join(node.name for node in fitting[:3])
        hint = "remove `servers: none` from one of them, or change `where`"
        return Problem(("models", model.name), f"the nodes that fit have no servers: {names}", hint)
    wanted = ", ".join(f"{key}: {value}" for key, value in model.where.items())
    for key, value in model.where.items():
        values = list(dict.fromkeys(node.labels[key] for node in nodes.values() if key in node.labels))
        if value not in values:
            keys = [label for node in nodes.values() for label in node.labels]
            hint = (
                did_you_mean(value, values, what=f"values of `{key}`")
                if values
                else did_you_mean(key, keys, what="labels") or "no node has labels"
            )
            return Problem(("models", model.name, "where"), f"no node has the labels {{{wanted}}}", hint)
    return Problem(
        ("models", model.name, "where"), f"no node has all the labels {{{wanted}}}", "each is on some node"
    )


def _source_problems(model: ModelSpec, here: Path) -> Iterator[Problem]:
    here, path = (*here, "source"), model.source.path
    folder = File(path)
    if model.source.kind == "node":
        return
    try:
        is_folder, exists = folder.is_dir(), folder.exists()
    except OSError as exc:
        yield Problem(
            here, f"the folder cannot be looked at: {exc.strerror}", "name a folder that can be read"
        )
        return
    if not exists:
        yield Problem(here, f"there is no folder {folder}", _neighbour(folder))
    elif not is_folder:
        yield Problem(
            here, f"{folder} is no folder", "name the model's folder: config.pbtxt and 1/ are in it"
        )


def _neighbour(folder: File) -> str:
    try:
        names = sorted(entry.name for entry in folder.parent.iterdir() if entry.is_dir())
    except OSError:
        return f"there is no {folder.parent} either; paths are relative to the inventory"
    return (
        did_you_mean(folder.name, names, what=f"folders in {folder.parent}")
        or "paths are relative to the inventory"
    )


def store_problems(store: StoreSpec) -> Iterator[Problem]:
    """A URL that no record can be kept at, or that tells its password."""
    scheme = store.url.partition("://")[0]
    known = ("sqlite", "postgresql")
    here: Path = ("store", "url")
    if "://" not in store.url or scheme.partition("+")[0] not in known:
        hint = "write postgresql://user@host/database or sqlite:///record.db"
        yield Problem(here, "the record is kept in SQLite or PostgreSQL", hint)
        return
    if scheme.startswith("sqlite") and (not store.url.partition(":///")[2] or store.url.endswith(":memory:")):
        yield Problem(here, "the record needs a file", "write sqlite:///record.db, relative to the inventory")
        return
    try:
        told = urlsplit(store.url).password
    except ValueError:
        yield Problem(here, "not a URL", "write postgresql://user@host/database")
        return
    if told is not None or "password=" in store.url:
        yield Problem(
            here,
            "a secret must not stand in the inventory",
            "remove it from the URL; write store: {password: {env: NAME}}",
        )
