"""What servers run as: from what is written to what is wanted."""

from __future__ import annotations

from distctl.cluster.spec import Container, Login, Runtime, RuntimeKind, SecretRef
from distctl.config.kinds import ALONE
from distctl.config.merge import Merged
from distctl.config.problems import Problem
from distctl.config.runtime import LoginSection, RuntimeSection
from distctl.config.sections import SecretSection


def runtime(said: RuntimeSection) -> Runtime:
    """A runtime as the spec keeps it."""
    kind = RuntimeKind(said.kind or "binary")
    environment, arguments = dict(said.environment or {}), tuple(said.arguments or ())
    return Runtime(kind, said.path, said.python, environment, arguments, _container(said))


def _container(said: RuntimeSection) -> Container:
    standard = Container()
    return Container(
        engine=said.engine,
        image=said.image or standard.image,
        login=_login(said.login),
        network=said.network or standard.network,
        ipc=said.ipc or standard.ipc,
        shm=said.shm or standard.shm,
        ulimits=dict(said.ulimits or {}),
        volumes=tuple(said.volumes or ()),
        arguments=tuple(said.engine_arguments or ()),
    )


def _login(said: LoginSection | None) -> Login | None:
    if said is None or (password := secret(said.password)) is None:
        return None
    return Login(said.user, password)


def secret(said: SecretSection | None) -> SecretRef | None:
    """Where a secret is to be read, as the spec keeps it."""
    if said is None:
        return None
    if said.env is not None:
        return SecretRef("env", (said.env,))
    return (
        SecretRef("file", (said.file,))
        if said.file is not None
        else SecretRef("command", tuple(said.command or ()))
    )


def kind_problems(node: str, merged: Merged) -> list[Problem]:
    """Keys of containers on a node that no level makes one of containers."""
    kinds = {key[1] for key in merged if key[0] == "runtime"}
    lost = [key for key in merged if key[0] == "runtime" and key[1] in ALONE and "kind" not in kinds]
    return [
        Problem(
            (*merged[key].level.path, *key),
            f"`{key[1]}` has no effect: node {node} runs no container",
            "write runtime: {kind: container}",
        )
        for key in lost[:1]
    ]
