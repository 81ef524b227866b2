"""The schema of `power`: how nodes are turned off while nobody needs them, and on again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from distctl.cluster.power import PowerSpec
from distctl.cluster.spec import Node
from distctl.config.merge import Merged
from distctl.config.problems import Problem
from distctl.config.runtimes import secret
from distctl.config.sections import Secret, Section
from distctl.config.values import Duration, Text, Variable

Command = Annotated[list[Text], Field(min_length=1)]


class PowerSection(Section):
    """Commands that turn a node off and on, run where the controller runs, and when they are used."""

    on: Command | None = Field(
        default=None, description="the command that turns it on, with its arguments; {node}, {address}"
    )
    off: Command | None = Field(default=None, description="the command that turns it off, with its arguments")
    environment: dict[Variable, Secret] | None = Field(
        default=None, description="secrets that the commands find in these variables"
    )
    idle_for: Duration | None = Field(
        default=None, description="how long it serves nothing before it is turned off (30m)"
    )
    boot: Duration | None = Field(
        default=None, description="how long it may take to answer once it was turned on (5m)"
    )


def power_spec(said: PowerSection | None) -> PowerSpec | None:
    """How a node is turned on and off; None where no level says both."""
    if said is None or said.on is None or said.off is None:
        return None
    standard = PowerSpec((), ())
    secrets = {name: ref for name, one in (said.environment or {}).items() if (ref := secret(one))}
    return PowerSpec(
        tuple(said.on),
        tuple(said.off),
        secrets,
        standard.idle_for if said.idle_for is None else said.idle_for,
        standard.boot if said.boot is None else said.boot,
    )


def power_problems(key: str, node: Node, merged: Merged) -> list[Problem]:
    """Half of the commands, or the commands of a node that nobody could turn off."""
    said = {path[1]: setting for path, setting in merged.items() if path[0] == "power" and len(path) > 1}
    if not said:
        return []
    some = next(iter(said.values()))
    where = (*some.level.path, "power")
    for word, other in (("off", "on"), ("on", "off")):
        if word not in said:
            hint = f"write `{word}: [PROGRAM, ARGUMENT]` beside `{other}`"
            return [Problem(where, f"`{word}` is missing for node {node.name}", hint)]
    if some.level.path == ("nodes", key) and (why := never(node)):
        return [Problem(where, f"`power` has no effect: {why}", "remove it here")]
    return []


def never(node: Node) -> str:
    """Why a node is never turned off, "" where it may be; what a level above says does not count there."""
    if node.external:
        return f"what runs on {node.name} is not started by distctl"
    if node.connection.value == "local":
        return f"{node.name} is this machine"
    return "" if node.serves else f"no server is meant to run on {node.name}"
