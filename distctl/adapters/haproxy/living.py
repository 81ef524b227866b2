"""API keys, the certificate, what health says: the running worker is brought to what stands in the files."""

from __future__ import annotations

from collections.abc import Mapping

from distctl.adapters.haproxy.master import Master
from distctl.commands.haproxy import living, wire
from distctl.errors import RouterError


def tell_living(master: Master, wanted: Mapping[str, str]) -> int:
    """Tell the worker what differs, read it back, and say how many commands that took.

    `wanted` has the content of the files by name. Raises RouterError when the worker refuses something.
    """
    if not wanted:
        return 0
    seen = master.read()
    pid = seen.worker.pid if seen else 0
    told = 0
    if living.KEYS in wanted and not _has_keys(master, pid, wanted[living.KEYS]):
        version = living.version_of(master.ask(living.begin_keys(pid)))
        told += _tell(master, living.fill_keys(pid, version, wanted[living.KEYS]), "keys")
        _confirm(_has_keys(master, pid, wanted[living.KEYS]), "keys")
    if living.CERTIFICATE in wanted and not _shows(master, pid, wanted[living.CERTIFICATE]):
        told += _tell(master, living.set_certificate(pid, wanted[living.CERTIFICATE]), "certificate")
        _confirm(_shows(master, pid, wanted[living.CERTIFICATE]), "certificate")
    return told


def _has_keys(master: Master, pid: int, wanted: str) -> bool:
    return living.same_keys(master.ask(living.ask_keys(pid)), wanted)


def _shows(master: Master, pid: int, wanted: str) -> bool:
    return living.same_certificate(master.ask(living.ask_certificate(pid)), wanted)


def _tell(master: Master, commands: list[str], what: str) -> int:
    for command in commands:
        if said := living.complaint(master.ask(command)):
            raise RouterError(f"the router refused its new {what}: {said}")
    return len(commands)


def _confirm(done: bool, what: str) -> None:
    if not done:
        raise RouterError(f"the router did not take over its new {what}", hint="run the command again")


def tell_draining(master: Master, *, draining: bool) -> int:
    """Have the worker's health path say whether the router is to end; how many commands that took."""
    seen = master.read()
    pid = seen.worker.pid if seen else 0
    if wire.says_draining(master.ask(wire.ask_draining(pid))) == draining:
        return 0
    return _tell(master, [wire.set_draining(pid, draining)], "state")
