"""What a controller serves over HTTP, where it is asked to: begun and ended with it, and how to log in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from distctl.app.running import folder
from distctl.cluster.spec import Endpoint
from distctl.commands.prometheus import EVERYWHERE, LOOPBACK, Desk
from distctl.config import Inventory
from distctl.config.controlling import endpoint
from distctl.control.loop import Loop, Say
from distctl.errors import InputError


def place(inventory: Inventory, said: str | None) -> Endpoint | None:
    """Where to listen: what was said, else what the inventory says; None is nowhere. Raises InputError."""
    return endpoint(said) if said else inventory.listen


def token_file(inventory: Inventory) -> Path:
    """Where the token is, beside the record of an inventory that names none."""
    return folder(inventory) / f"{inventory.spec.cluster}.controller.token"


@contextmanager
def told(inventory: Inventory, listen: Endpoint | None, loop: Loop, say: Say) -> Iterator[None]:
    """Tell over HTTP what a loop knows meanwhile; nothing where nobody is to listen. Raises DistctlError."""
    if listen is None:
        yield
        return
    from distctl.adapters import telling

    token = telling.token_of(token_file(inventory))
    desk = telling.Desk(listen, inventory.spec.cluster, token, lambda: loop.outlook, say)
    with closing(desk.start()):
        yield


def link(inventory: Inventory, said: str | None) -> str:
    """The URL of the page, with the token that logs its reader in. Raises DistctlError."""
    from distctl.adapters.telling import token_of

    token = token_of(token_file(inventory))
    return f"{_reached(_listening(inventory, said)).url}/login?token={token}"


def desk(inventory: Inventory) -> Desk | None:
    """What a Prometheus asks, and the file with the token that it must show; None without a controller's."""
    if inventory.listen is None:
        return None
    from distctl.adapters.telling.gate import Gate

    loopback = Gate("", inventory.listen.host).loopback
    return Desk(_reached(inventory.listen), "" if loopback else str(token_file(inventory)))


def _listening(inventory: Inventory, said: str | None) -> Endpoint:
    found = place(inventory, said)
    if found is None:
        raise InputError(
            "the controller of this inventory serves no page",
            hint="write controller: {listen: 127.0.0.1:8090}, or say --listen as to `controller run`",
        )
    return found


def _reached(listen: Endpoint) -> Endpoint:
    """Where this machine reaches what listens everywhere."""
    return Endpoint(LOOPBACK, listen.port) if listen.host in EVERYWHERE else listen
