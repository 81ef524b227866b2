"""How a server does not answer, from the error that a client of it met."""

from __future__ import annotations

import asyncio

import aiohttp

from distctl.cluster.snapshot import Silence


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
