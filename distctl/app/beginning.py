"""A first inventory, with the sample model beside it: from node names, or from what another tool knows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from distctl.config.draft import HERE, Draft, node_names, render
from distctl.config.values import LOCAL
from distctl.data import data_folder
from distctl.errors import DistctlError, InputError

ANSIBLE, SSH_CONFIG = "ansible", "ssh-config"


def first_inventory(
    file: Path, cluster: str, nodes: Sequence[str], *, source: str = "", overwrite: bool = False
) -> tuple[str, ...]:
    """Write an inventory and copy the sample model beside it; what comes back could not be taken over.

    `source` is "" for nodes of these names (none: two on this machine), `ansible:FILE`, or `ssh-config`, out
    of which `nodes` choose (names, ranges, globs; of Ansible groups too). Nothing is written unless
    it is valid. Raises InputError, also when the file is there already.
    """
    if file.exists() and not overwrite:
        raise InputError(
            f"{file} is there already", hint="name another with --file, or replace it with --overwrite"
        )
    draft = _draft(source, nodes)
    if not draft.nodes:
        raise InputError(f"{source}: no node in it", hint="; ".join(draft.notes))
    here = any(said.get("connection") == "local" for said in draft.nodes.values())
    router = LOCAL if here else next(iter(draft.nodes))  # no other machine reaches nodes on this one
    with _sample_model(file.parent / "model_repo"):
        _write(file, render(draft, cluster, router=router), source)
    return draft.notes


@contextmanager
def _sample_model(folder: Path) -> Iterator[None]:
    """Copy the sample model to a folder unless it is there, and take it away again if what follows fails."""
    made = [path for path in (folder / "digits", folder) if not path.exists()]
    if made:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(data_folder("model_repo") / "digits", folder / "digits", ignore=ignore)
    try:
        yield
    except BaseException:
        for path in made:
            shutil.rmtree(path)
        raise


def _draft(source: str, nodes: Sequence[str]) -> Draft:
    from distctl.config.patterns import expand

    kind, _, name = source.partition(":")
    if not source:
        return Draft({node: {} for pattern in nodes for node in expand(pattern)}) if nodes else HERE
    if kind == ANSIBLE and name:
        return _from_ansible(Path(name), nodes)
    if source == SSH_CONFIG:
        return _from_ssh_config(Path.home(), nodes)
    raise InputError(f"--from {source!r} is unknown", hint="--from ansible FILE, or --from ssh-config")


def _write(file: Path, text: str, source: str) -> None:
    """Put the file in place if it is valid."""
    from distctl.config import load

    beside = file.with_name(f".{file.name}.part")
    beside.write_text(text, encoding="utf-8")
    try:
        load(beside)
        beside.replace(file)
    except DistctlError as error:
        words = error.message.replace(str(beside), f"{file} (not written)")
        raise InputError(f"{source}: {words}" if source else words, hint=error.hint) from error
    finally:
        beside.unlink(missing_ok=True)


def _from_ansible(file: Path, wanted: Sequence[str]) -> Draft:
    from dataclasses import replace

    from distctl.config.ansible import read
    from distctl.config.ansible_hosts import draft

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    hosts = read(text, str(file))
    groups = {group for host in hosts for group in host.groups}
    names = _chosen([host.name for host in hosts], [name for name in wanted if name not in groups])
    kept = [h for h in hosts if not wanted or h.name in names or set(wanted) & set(h.groups)]
    found = draft(kept, file.parent.resolve())
    beside = [
        f"{n}/ beside it is not read" for n in ("group_vars", "host_vars") if (file.parent / n).is_dir()
    ]
    return replace(found, notes=(*found.notes, *beside))


def _chosen(names: Sequence[str], wanted: Sequence[str]) -> set[str]:
    from distctl.config.patterns import select

    return set(select(names, ",".join(wanted))) if wanted else set()


def _from_ssh_config(home: Path, wanted: Sequence[str]) -> Draft:
    """Every host of ~/.ssh/config that is named as it is, but forges and mere jump hosts unless asked for.

    distctl reads that file itself at each connection, so that little has to be written here.
    """
    from distctl.adapters.ssh.config import load

    notes: list[str] = []
    config = load([home / ".ssh" / "config"], home=home, warn=notes.append)
    found = {name: config.lookup(name) for name in config.names()}
    chosen = _chosen(list(found), wanted)
    hops = {hop for said in found.values() for word in said.get("proxyjump", ()) for hop in word.split(",")}
    jumps = {hop.rpartition("@")[2].partition(":")[0] for hop in hops}
    kept = []
    for name, said in found.items():
        if name in chosen or (not wanted and name not in jumps and said.get("user") != ("git",)):
            kept.append(name)
        elif not wanted:
            why = "a jump host of others" if name in jumps else "its user is git"
            notes.append(f"{name}: {why}; it was left out: distctl init {name} ... takes it")
    names = node_names(kept)
    notes += [
        f"{n}: no name of a node can be made of this one; it was left out" for n in kept if n not in names
    ]
    nodes = {node: _ssh_node(name, node, found[name].get("hostname", ())) for name, node in names.items()}
    return Draft(nodes, tuple(notes))


def _ssh_node(name: str, node: str, host: Sequence[str]) -> dict[str, str]:
    """What is to be said of a host of ssh_config: its name if that is another, and where routers reach it."""
    said = {} if node == name else {"address": name}
    return {**said, "serve_address": host[0].replace("%h", name)} if host else said
