"""A registry asked what a tag means now: one HEAD request, as docker and podman ask before a pull.

Protocol: the distribution project's HTTP API v2 (`/v2/NAME/manifests/TAG`, header Docker-Content-Digest) and
its token authentication (WWW-Authenticate: Bearer realm, service, scope). Plain HTTP is spoken on loopback
alone, as docker does.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import Any

from distctl.cluster.image import Image
from distctl.policy.images import Answer

PATIENCE = 4.0  # seconds for each of at most three requests: a plan must not wait for a closed network
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
HOSTS = {"docker.io": "registry-1.docker.io"}  # where the API of a registry is, when not under its name
UNAUTHORIZED, MISSING = 401, 404

Credentials = Callable[[], tuple[str, str]]  # user and password, read when the registry asks for them


def digest_of(image: Image, credentials: Credentials | None = None, *, patience: float = PATIENCE) -> Answer:
    """What a registry says of an image's tag. Never raises for what a registry or the network does."""
    host = HOSTS.get(image.registry, image.registry)
    scheme = "http" if _loopback(host) else "https"
    url = f"{scheme}://{host}/v2/{image.repository}/manifests/{image.tag}"
    try:
        headers = _ask(url, credentials, patience)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == MISSING:
            return Answer(
                problem=f"there is no {image.repository}:{image.tag} in {image.registry}", missing=True
            )
        if error.code == UNAUTHORIZED:
            return Answer(problem=f"{image.registry} refuses us: it wants a login")
        return Answer(problem=f"{image.registry} answered {error.code} {error.reason}")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Answer(problem=f"{image.registry} does not answer here: {reason}")
    digest = headers.get("Docker-Content-Digest", "")
    return Answer(digest) if digest else Answer(problem=f"{image.registry} names no digest")


def _ask(url: str, credentials: Credentials | None, patience: float) -> Message:
    try:
        return _head(url, "", patience)
    except urllib.error.HTTPError as error:
        wanted = error.headers.get("WWW-Authenticate", "")
        error.close()
        if error.code != UNAUTHORIZED or not (authorization := _authorization(wanted, credentials, patience)):
            raise
    return _head(url, authorization, patience)


def _head(url: str, authorization: str, patience: float) -> Message:
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": MANIFESTS})  # noqa: S310 - ours
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    with _opened(request, patience) as answer:
        headers: Message = answer.headers
        return headers


def _authorization(wanted: str, credentials: Credentials | None, patience: float) -> str:
    """What the registry asks for: a token from where it says, or our login itself; "" if we have neither."""
    scheme, _, rest = wanted.partition(" ")
    basic = _basic(credentials) if credentials else ""
    if scheme.lower() != "bearer":
        return basic
    words = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    realm = words.pop("realm", "")
    if not realm.startswith(("https://", "http://")):
        return ""
    request = urllib.request.Request(f"{realm}?{urllib.parse.urlencode(words)}")  # noqa: S310 - checked above
    if basic:
        request.add_unredirected_header("Authorization", basic)
    with _opened(request, patience) as answer:
        found = json.load(answer)
    token = found.get("token") or found.get("access_token") if isinstance(found, dict) else ""
    return f"Bearer {token}" if token else ""


def _opened(request: urllib.request.Request, patience: float) -> Any:
    """The answer, by the proxy that the environment names; what is on this machine needs none."""
    proxies: dict[str, str] | None = {} if _loopback(request.host) else None
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies)).open(request, timeout=patience)


def _basic(credentials: Credentials) -> str:
    user, password = credentials()
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _loopback(host: str) -> bool:
    name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
