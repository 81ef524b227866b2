"""From what is written to what is wanted: nodes one by one, with every setting resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Any

from distctl.cluster.spec import (
    Become,
    Connection,
    Node,
    RuntimeKind,
    SshSettings,
    Timeouts,
)
from distctl.config import division, merge
from distctl.config.division import FIRST_PORT, Unclear
from distctl.config.inventory import Origin
from distctl.config.models import (
    InventorySection,
    NodeSection,
)
from distctl.config.paths import optional
from distctl.config.patterns import expand
from distctl.config.power import never, power_problems, power_spec
from distctl.config.problems import Path, Problem, line_of
from distctl.config.runtime import RuntimeSection
from distctl.config.runtimes import kind_problems, runtime, secret
from distctl.config.servers import ServersSection
from distctl.config.settings import (
    BecomeSection,
    NoBecome,
    Settings,
    SshSection,
    TimeoutsSection,
)
from distctl.config.units import show_duration
from distctl.config.values import LOCAL, LOOPBACK, address_problem, is_node_name, name_hint
from distctl.errors import InputError

LEFT_TO_SSH = ("ssh.user", "ssh.port", "ssh.key", "ssh.jump")


@dataclass(slots=True)
class Built:
    """What was made so far, and every problem met on the way."""

    nodes: dict[str, Node] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)  # node: its key in the file
    origins: dict[str, dict[str, Origin]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def nodes(tree: Mapping[str, Any], model: InventorySection, base: File, lines: Mapping[Path, int]) -> Built:
    """Every node of the inventory, ranges written out. `base` is the folder that paths are relative to."""
    built = Built()
    for key, section in model.nodes.items():
        levels, problems = merge.levels_of(tree, key)
        names = _names(key, built)
        addresses = _addresses(key, "address", section.address, names, built)
        serve = _addresses(key, "serve_address", section.serve_address, names, built)
        built.problems += problems
        if problems or addresses is None or serve is None:
            continue
        merged = merge.merge(levels)
        built.problems += kind_problems(key, merged)
        settings = Settings.model_validate(merge.nested(merged))
        said = merge.origins(merged, lines)
        for name, address, serve_address in zip(names, addresses, serve, strict=True):
            try:
                node = _node(name, section, settings, address, serve_address, base)
            except Unclear as unclear:
                built.problems.append(_unclear(merged, unclear))
                break
            if found := power_problems(key, node, merged):
                built.problems += found
                break
            built.nodes[name] = node
            built.origins[name] = _origins(node, key, section, said, lines)
            if node.servers and node.servers[-1].metrics_port > 65535:  # noqa: PLR2004 - the largest port
                message = (
                    f"the last of {len(node.servers)} servers would need port {node.servers[-1].metrics_port}"
                )
                built.problems.append(Problem(("nodes", key), message, "choose lower servers.ports"))
                break
    return built


def _unclear(merged: merge.Merged, found: Unclear) -> Problem:
    """The problem at the place that said it, which may be a group or the top level."""
    said = merged["servers", found.key].level
    return Problem((*said.path, "servers", found.key), found.message, found.hint)


def _names(key: str, built: Built) -> list[str]:
    """The names that a key stands for; none, with a problem, if they cannot be used."""
    try:
        names = expand(key)
    except InputError as exc:
        built.problems.append(Problem(("nodes", key), exc.message, exc.hint))
        return []
    wrong = next((name for name in names if not is_node_name(name) or name == LOCAL), None)
    if wrong is not None:
        hint = "`local` is this machine: choose another name" if wrong == LOCAL else name_hint(wrong)
        built.problems.append(Problem(("nodes", key), f"`{wrong}` cannot be the name of a node", hint))
        return []
    for name in names:
        if name in built.written:
            other = built.written[name]
            message = f"the node `{name}` twice" + (f": it is in `{other}` too" if other != key else "")
            built.problems.append(Problem(("nodes", key), message, "keep one of them"))
            return []
        built.written[name] = key
    return names


def _addresses(
    key: str, what: str, text: str | None, names: list[str], built: Built
) -> list[str | None] | None:
    """One address for each name, None each if none is written; None, with a problem, if they do not fit."""
    path: Path = ("nodes", key, what)
    if text is None:
        return [None] * len(names)
    try:
        found = expand(text)
    except InputError as exc:
        built.problems.append(Problem(path, exc.message, exc.hint))
        return None
    problem = next((problem for address in found if (problem := address_problem(address))), None)
    if problem is None and names and len(found) != len(names):
        hint = "a range of names needs a range of addresses of the same length"
        problem = (
            f"{len(found)} address{'es' * (len(found) > 1)} for {len(names)} node{'s' * (len(names) > 1)}",
            hint,
        )
    if problem is not None:
        built.problems.append(Problem(path, *problem))
        return None
    return list(found) if names else []


def _node(
    name: str, section: NodeSection, settings: Settings, address: str | None, serve: str | None, base: File
) -> Node:
    connection = Connection(section.connection or "ssh")
    address = address or (LOOPBACK if connection is Connection.LOCAL else name)
    serve = serve or address
    said, runs = settings.servers or ServersSection(), runtime(settings.runtime or RuntimeSection())
    external = runs.kind is RuntimeKind.EXTERNAL
    division.refuse_conflicts(said, external=external, environment=tuple(runs.environment))
    servers, per_device = division.servers_of(name, serve, said)
    node = Node(
        name=name,
        connection=connection,
        address=address,
        serve_address=serve,
        ssh=_ssh(settings.ssh or SshSection(), base),
        runtime=runs,
        servers=servers,
        per_device=per_device,
        labels=dict(settings.labels or {}),
        timeouts=_timeouts(settings.timeouts or TimeoutsSection()),
        directory=settings.directory,
    )
    return node if never(node) else replace(node, power=power_spec(settings.power))


def _ssh(said: SshSection, base: File) -> SshSettings:
    return SshSettings(
        user=said.user,
        port=said.port,
        key=optional(said.key, base),
        password=secret(said.password),
        jump=None if said.jump is None else tuple(said.jump),
        host_keys=said.host_keys or "strict",
        known_hosts=optional(said.known_hosts, base),
        config=optional(said.config, base),
        become=_become(said.become),
    )


def _become(said: BecomeSection | None) -> Become | None:
    return None if said is None or isinstance(said, NoBecome) else Become(secret(said.password))


def _timeouts(said: TimeoutsSection) -> Timeouts:
    return Timeouts(**{key: value for key, value in said.model_dump().items() if value is not None})


def _origins(
    node: Node, key: str, section: NodeSection, said: dict[str, Origin], lines: Mapping[Path, int]
) -> dict[str, Origin]:
    own = {"connection": node.connection.value, "address": node.address, "serve_address": node.serve_address}
    found = {
        word: Origin(value, f"node {key}", line_of(lines, ("nodes", key, word)))
        if getattr(section, word) is not None
        else Origin(value, "default")
        for word, value in own.items()
    }
    defaults = {
        dotted: Origin(value, "default") for dotted, value in _defaults(node).items() if dotted not in said
    }
    return {**found, **said, **defaults}


def _defaults(node: Node) -> dict[str, str]:
    """What holds where nothing is said."""
    values = {"runtime.kind": node.runtime.kind.value}
    if node.serves:
        values |= {"servers.per": "node", "servers.gpus": "all", "servers.ports": str(FIRST_PORT)}
    if node.contained:
        values |= {"runtime.image": node.runtime.container.image, "runtime.network": "host"}
    if node.connection is Connection.SSH:
        values |= dict.fromkeys(LEFT_TO_SSH, "as ~/.ssh/config and the agent say")
        values["ssh.host_keys"] = node.ssh.host_keys
    if node.power:
        values |= {f"power.{w}": show_duration(getattr(node.power, w)) for w in ("idle_for", "boot")}
    standard = Timeouts()
    for word in ("connect", "start", "load", "drain", *(["pull"] if node.contained else [])):
        values[f"timeouts.{word}"] = show_duration(getattr(standard, word))
    return values
