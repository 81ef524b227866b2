"""One ssh connection: socket, handshake, host key, login. Nothing here is shared or tried twice."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import time

import paramiko

from distctl.adapters.ssh.auth import Secret, authenticate
from distctl.adapters.ssh.host_keys import known, preferred, verify
from distctl.adapters.ssh.known_hosts import HostKey
from distctl.adapters.ssh.packets import PatientPacketizer
from distctl.adapters.ssh.route import Hop

LOG = "distctl.ssh"
KEEPALIVE = 30  # seconds
WINDOW = 128 * 1024 * 1024  # bytes we let a node send ahead: a small one costs a round trip each 2 MiB
_GCM = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")  # half again as fast as paramiko's first choice
_LOST_AFTER = 45_000  # milliseconds without an answer until the kernel gives a connection up

Stream = socket.socket | paramiko.Channel


def connect(
    hop: Hop, node: str, via: paramiko.Transport | None, *, timeout: float, secret: Secret
) -> paramiko.Transport:
    """An authenticated connection to a hop, through the connection to the hop before it.

    Raises OSError, EOFError or paramiko.SSHException when there is no connection, NoIdentityAcceptedError,
    HostKeyUnknown and HostKeyChanged when there was one; none of those is worth a second try.
    """
    until = time.monotonic() + timeout
    transport = handshake(hop, via, timeout=timeout)
    try:
        verify(node, hop, shown_key(transport))
        transport.auth_timeout = max(until - time.monotonic(), 1.0)
        authenticate(transport, hop, secret)
        transport.set_keepalive(KEEPALIVE)
    except BaseException:
        transport.close()
        raise
    return transport


def handshake(hop: Hop, via: paramiko.Transport | None, *, timeout: float) -> paramiko.Transport:
    """A connection that is encrypted, to a machine whose key was not looked at yet."""
    until = time.monotonic() + timeout
    stream = _stream(hop, via, timeout)
    try:
        transport = paramiko.Transport(stream, default_window_size=WINDOW, packetizer_class=PatientPacketizer)
    except BaseException:
        stream.close()
        raise
    try:
        _settle(transport, hop, max(until - time.monotonic(), 0.1))
        transport.start_client(timeout=max(until - time.monotonic(), 0.1))
        _check(transport)
    except BaseException:
        transport.close()
        raise
    return transport


def _check(transport: paramiko.Transport) -> None:
    """`start_client` returns in silence when its time is over."""
    if not transport.initial_kex_done:
        raise TimeoutError("no answer to the handshake")


def shown_key(transport: paramiko.Transport) -> HostKey:
    """The host key that the other side proved to have."""
    key = transport.get_remote_server_key()
    return HostKey(key.get_name(), key.asbytes())


def _settle(transport: paramiko.Transport, hop: Hop, timeout: float) -> None:
    transport.set_log_channel(_silenced())
    transport.banner_timeout = transport.handshake_timeout = timeout
    options = transport.get_security_options()
    options.ciphers = (*_GCM, *(cipher for cipher in options.ciphers if cipher not in _GCM))
    options.key_types = preferred(known(hop).kinds, tuple(options.key_types))


def _silenced() -> str:
    """The logger's name for paramiko: it logs tracebacks of its threads, which belong on no user's screen."""
    logger = logging.getLogger(LOG)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return LOG


def _stream(hop: Hop, via: paramiko.Transport | None, timeout: float) -> Stream:
    if via is not None:
        return via.open_channel("direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=timeout)
    if hop.proxy_command is not None:
        return _Command(hop.proxy_command)
    stream = socket.create_connection((hop.host, hop.port), timeout)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _LOST_AFTER)
    return stream


class _Command(socket.socket):
    """A ProxyCommand as a socket: the command holds the other end of a pair, and ends when we hang up."""

    def __init__(self, command: str) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(fileno=ours.detach())
        with theirs:
            self._process = subprocess.Popen(
                [os.environ.get("SHELL", "/bin/sh"), "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        """Hang up, and end the command if that was not enough."""
        super().close()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
