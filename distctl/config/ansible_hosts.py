"""From Ansible's hosts and variables to nodes: what both know is taken over, the rest is told.

Variables: docs.ansible.com, "How to build your inventory", section on behavioral parameters.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distctl.config.ansible import AnsibleHost
from distctl.config.draft import Draft, node_names
from distctl.config.values import label_key_problem

_ALIKE = {
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_ssh_private_key_file": "key",
    "ansible_private_key_file": "key",
}
_ADDRESS = ("ansible_host", "ansible_ssh_host")
_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args")
_SECRETS = (
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_password",
    "ansible_become_pass",
)
_TRUE = ("true", "yes", "on", "1")
_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")
_NO_VALUE = frozenset("46AaCfGgKkMNnqsTtVvXxYy")  # options of ssh(1) that take none


@dataclass(slots=True)
class Notes:
    """What was left out, and of how many hosts."""

    hosts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, text: str, host: str) -> None:
        """Something was left out of one host."""
        self.hosts[text].append(host)

    def lines(self) -> Iterator[str]:
        """One sentence each; of many hosts the first and how many more."""
        for text, hosts in self.hosts.items():
            more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
            yield f"{hosts[0]}{more}: {text}"


def draft(hosts: Sequence[AnsibleHost], folder: Path) -> Draft:
    """The nodes that some hosts stand for. `folder` is what relative paths of keys start at."""
    notes = Notes()
    names = node_names([host.name.strip("[]") for host in hosts])
    nodes: dict[str, dict[str, Any]] = {}
    groups: dict[str, None] = {}
    for host in hosts:
        address = host.name.strip("[]")
        if address not in names:
            notes.add("no name of a node can be made of this one; it was left out", host.name)
            continue
        found = _node(host, names[address], address, folder, notes)
        if found is not None:
            nodes[names[address]] = found
            groups |= dict.fromkeys(found.get("groups", ()))
    return Draft(nodes, tuple(notes.lines()), tuple(groups))


def _node(host: AnsibleHost, name: str, address: str, folder: Path, notes: Notes) -> dict[str, Any] | None:
    said = {key: value for key, value in host.variables.items() if not _template(key, value, host, notes)}
    connection = said.pop("ansible_connection", "ssh")
    if connection not in (*_SSH, "local"):
        notes.add(
            f"it is reached by {connection}, and distctl knows ssh and local; it was left out", host.name
        )
        return None
    address = next((said[key].strip("[]") for key in _ADDRESS if key in said), address)
    node: dict[str, Any] = {"connection": "local"} if connection == "local" else {}
    if connection != "local" and address != name:
        node["address"] = address
    ssh = _ssh(said, host, folder, notes)
    if ssh and connection != "local":
        node["ssh"] = ssh
    if groups := [group for group in host.groups if _is_label(group, host, notes)]:
        node["groups"] = groups
    _tell_others(said, host, notes)
    return node


def _template(key: str, value: str, host: AnsibleHost, notes: Notes) -> bool:
    if "{{" not in value or not key.startswith("ansible_"):
        return False
    notes.add(f"{key} is a template of Ansible's and was left out", host.name)
    return True


def _is_label(group: str, host: AnsibleHost, notes: Notes) -> bool:
    problem = label_key_problem(group)
    if problem:
        notes.add(f"the group {group} was left out: {problem[0]}", host.name)
    return problem is None


def _ssh(said: Mapping[str, str], host: AnsibleHost, folder: Path, notes: Notes) -> dict[str, Any]:
    found: dict[str, Any] = {ours: said[theirs] for theirs, ours in _ALIKE.items() if theirs in said}
    if "port" in found:
        found["port"] = int(found["port"]) if found["port"].isdecimal() else found["port"]
    if "key" in found and not found["key"].startswith(("/", "~")):
        found["key"] = str(folder / found["key"])
    arguments = " ".join(said[key] for key in _ARGUMENTS if key in said)
    found |= _from_arguments(arguments, host, notes)
    if said.get("ansible_become", "").lower() in _TRUE:
        found["become"] = True
    return found


def _from_arguments(text: str, host: AnsibleHost, notes: Notes) -> dict[str, Any]:
    """Jump hosts and the rule for host keys, out of arguments for ssh(1)."""
    found: dict[str, Any] = {}
    try:
        options = list(_options(shlex.split(text)))
    except ValueError as error:
        notes.add(f"its ssh arguments cannot be read ({error}) and were left out: {text}", host.name)
        return {}
    for key, value in options:
        if key == "proxyjump":
            found["jump"] = value.split(",")
        elif key == "proxycommand" and (hop := _hop(value)):
            found["jump"] = [hop]
        elif key == "stricthostkeychecking" and value in ("no", "off", "accept-new"):
            found["host_keys"] = "accept-new"
        else:
            notes.add(f"the ssh argument {f'{key} {value}'.strip()} was left out", host.name)
    return found


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options of ssh(1) as keywords of ssh_config with their values; what is no option has the keyword ""."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        letter, value = word[1:2], word[2:]
        if not word.startswith("-") or not letter or letter in _NO_VALUE:
            yield ("" if not word.startswith("-") else word), ("" if word.startswith("-") else word)
            continue
        value = value or (rest.pop(0) if rest else "")
        if letter == "o":
            key, _, value = value.replace("=", " ", 1).partition(" ")
            yield key.strip().lower(), value.strip().strip("\"'")
        else:
            yield {"J": "proxyjump", "l": "user", "p": "port"}.get(letter, f"-{letter}"), value


def _hop(command: str) -> str:
    """The jump host in `ssh [options] -W %h:%p [user@]host`; empty when it is another command."""
    words = shlex.split(command)
    if not words or words[0].rpartition("/")[2] != "ssh":
        return ""
    options = dict(_options(words[1:]))
    host = options.pop("", "")
    if options.pop("-W", "") != "%h:%p" or not host:
        return ""
    user, port = options.pop("user", ""), options.pop("port", "")
    harmless = {"-q", "stricthostkeychecking", "userknownhostsfile"}
    if set(options) - harmless:
        return ""
    return (f"{user}@" if user and "@" not in host else "") + host + (f":{port}" if port else "")


def _tell_others(said: Mapping[str, str], host: AnsibleHost, notes: Notes) -> None:
    for key in said:
        if key in _SECRETS:
            notes.add(
                f"{key} was left out: write ssh: {{password: {{env: NAME}}}}, or the like under become",
                host.name,
            )
        elif key not in (*_ALIKE, *_ADDRESS, *_ARGUMENTS, "ansible_become", "ansible_python_interpreter"):
            notes.add(f"the variable {key} means nothing here and was left out", host.name)
