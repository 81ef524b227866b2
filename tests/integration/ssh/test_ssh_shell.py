"""A shell on a node is joined to a real terminal."""

from __future__ import annotations

import os
import pty
import sys

import pytest

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(30)]

# What `distctl exec NODE` does, in a process of its own, since it takes the terminal.
JOINED = """
import sys
from pathlib import Path
from distctl.adapters.ssh import Connections
from distctl.cluster.spec import Connection, Node, SshSettings
address, key, known = sys.argv[1:]
ssh = SshSettings(user="root", key=Path(key), known_hosts=Path(known))
with Connections(secret=lambda ref: "", warn=lambda text: None) as connections:
    sys.exit(connections.shell(Node("gpu01", Connection.SSH, address, address, ssh)))
"""


def test_what_is_typed_runs_on_the_node_and_its_status_comes_back(hosts):
    node = hosts.add("gpu01").node()
    words = [node.address, str(node.ssh.key), str(node.ssh.known_hosts)]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", JOINED, *words])
    os.write(terminal, b"echo in-$(hostname)-$((6 * 7)); tty; exit 3\n")
    shown = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert b"in-gpu01-42" in shown
    assert b"/dev/pts/" in shown
    assert os.waitstatus_to_exitcode(status) == 3
