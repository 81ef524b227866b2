"""Nodes over ssh, as users of OpenSSH know it: their config, keys, agent, jump hosts and known_hosts.

paramiko does the protocol; what it leaves out of OpenSSH's behaviour is in this package, a file for each.
`Connections` is what the rest of the program needs.
"""

from distctl.adapters.ssh.connections import Connections
from distctl.adapters.ssh.connector import SshConnector

__all__ = ["Connections", "SshConnector"]
