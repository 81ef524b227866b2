"""How a server does not answer: from the error that a client of it met, and asked on its own node."""

from __future__ import annotations

import asyncio

import aiohttp

from distctl.cluster.snapshot import Silence
from distctl.cluster.spec import Endpoint
from distctl.errors import NothingListens
from distctl.ports import Connector

ANSWER = 1.0  # seconds
_LIVE = b"GET /v2/health/live HTTP/1.0\r\n\r\n"


def silence_of(error: Exception) -> Silence:
    """What an error of aiohttp says of the server it was sent to.

    The session's `sock_connect` must be shorter than its `total`: whoever ran out of the total had a
    connection. A server that hangs up has nobody who answers, as one that refuses.
    """
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Silence.LOST
    if isinstance(error, asyncio.TimeoutError):
        return Silence.MUTE
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = isinstance(error.os_error, ConnectionRefusedError)
        return Silence.REFUSED if refused else Silence.LOST
    hung_up = isinstance(error, (aiohttp.ServerDisconnectedError, ConnectionResetError))
    return Silence.REFUSED if hung_up else Silence.NONE


def inside(connector: Connector, endpoint: Endpoint) -> Silence:
    """How the server at an endpoint does not answer on its own node. Raises NodeError, Unreachable."""
    try:
        stream = connector.dial(endpoint, timeout=ANSWER)
    except NothingListens:
        return Silence.REFUSED
    try:
        stream.settimeout(ANSWER)
        stream.sendall(_LIVE)
        return Silence.NONE if stream.recv(1) else Silence.REFUSED
    except TimeoutError:
        return Silence.MUTE
    except (OSError, EOFError):
        return Silence.REFUSED
    finally:
        stream.close()
