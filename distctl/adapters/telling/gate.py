"""Who may ask a controller what it knows: who shows its token, by header or by the cookie of a login.

Where it listens on loopback alone, metrics and service discovery are open to whoever is on this machine; a
name in the `Host` header that is not this machine's is refused there, so that no web page can ask for them
through a browser (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gate:
    """`host` is what is listened on."""

    token: str
    host: str

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def cookie(self) -> str:
        """What a browser keeps: of no use as a token."""
        return hmac.new(self.token.encode(), b"page", hashlib.sha256).hexdigest()

    def is_token(self, shown: str) -> bool:
        """Whether this is the token, in constant time."""
        return _same(shown, self.token)

    def bearer(self, header: str) -> bool:
        """Whether an `Authorization` header shows the token."""
        scheme, _, shown = header.partition(" ")
        return scheme.lower() == "bearer" and self.is_token(shown.strip())

    def logged_in(self, cookie: str) -> bool:
        """Whether a cookie is that of a login."""
        return _same(cookie, self.cookie)

    def open_to(self, host: str) -> bool:
        """Whether a request needs no token. `host` is what it names: without brackets and port."""
        return self.loopback and (host in ("localhost", self.host) or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _same(shown: str, right: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="surrogateescape"), right.encode())
