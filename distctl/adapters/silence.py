"""How a server does not answer, asked on its own node."""

from __future__ import annotations

from distctl.cluster.snapshot import Silence
from distctl.cluster.spec import Endpoint
from distctl.errors import NothingListens
from distctl.ports import Connector

ANSWER = 1.0  # seconds
_LIVE = b"GET /v2/health/live HTTP/1.0\r\n\r\n"


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
