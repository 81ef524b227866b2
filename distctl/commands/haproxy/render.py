"""A router's files from its view: the same view always gives the same bytes.

Every path in the configuration is relative to its folder, so it does not depend on the place. The other
files carry their digest in their name: the rename of `haproxy.cfg` alone switches from one state to the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import Endpoint
from distctl.commands.haproxy.groups import groups_of
from distctl.commands.haproxy.living import CERTIFICATE, KEYS, living
from distctl.commands.haproxy.refusals import ERRORS, REFUSALS, grpc_files
from distctl.data import data_folder

CONFIG = "haproxy.cfg"
HEALTH = "health.state"
HEADROOM = (
    8 * 1024
)  # bytes of a buffer for headers and HAProxy's own reserve; each is copied with every request
LEAST_BUFFER = 16 * 1024  # HTTP/2 allows frames of that size, and HAProxy drops clients where none would fit
HEADERS_IN = 10.0  # seconds in which a request's headers must arrive; the router's `limits.upload` if shorter
JAIL = "jail"  # the folder that unprivileged workers see, as they and the master call it
NOBODY = 65534  # uid and gid of nobody on Linux
HOT_BUFFERS = 128  # buffers that a thread keeps: beyond them each request pays for fresh memory
BEHIND = 50  # ms that a waiting request stands behind for each request that its key has in the pool
CUT_MARGIN = 80  # ms beyond the connect timeout: a session that still connects when it is cut is not retried
CUT_STREAM_AFTER = 2000  # ms of being DOWN before an answer that cannot be repeated is given up


@dataclass(frozen=True, slots=True)
class Rendered:
    """Files by name, the digest of the configuration, and the digest of its structure.

    Two views of equal `structure` differ in states, weights and limits of slots, in keys and certificates
    alone, which the socket can change. `living` names the files whose content may change under their name.
    """

    files: Mapping[str, str]
    structure: str
    digest: str
    living: Mapping[str, str]


@lru_cache(maxsize=8)
def render(view: RouterView) -> Rendered:
    """Every file that the router needs beside its executable. Raises RouterError for an impossible name.

    A plan asks for the same views again and again, and the largest take a second.
    """
    beside = _beside(view)
    names = {name.partition("-")[0]: name for name in beside}
    structure = digest_of(_config(_blank(view), names, ""))
    config = _config(view, names, structure)
    changing = living(view)
    return Rendered({**beside, **changing, CONFIG: config}, structure, digest_of(config), changing)


def digest_of(text: str) -> str:
    """The first 16 hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _beside(view: RouterView) -> dict[str, str]:
    """The files that the configuration names, their digest in their name."""
    folder = data_folder("templates") / "haproxy"
    contents = {
        "shut.lua": (folder / "shut.lua").read_text(),
        "sequence.lua": (folder / "sequence.lua").read_text(),
        "rest.map": _map(view.pools, "_r"),
        "grpc.map": _map(view.pools, "_g"),
        "restonce.map": _map(view.pools, "_rn"),
        "grpconce.map": _map(view.pools, "_gn"),
        **grpc_files(view),
    }
    if any(pool.admission for pool in view.pools):
        contents["reststream.map"] = _map(view.pools, "_rsn")
        contents["grpcstream.map"] = _map(view.pools, "_gsn")
    if view.tls and view.tls.client_ca:
        contents["clients.pem"] = view.tls.client_ca
    parts = ((*name.split("."), text) for name, text in contents.items())
    return {f"{stem}-{digest_of(text)}.{ending}": text for stem, ending, text in parts}


def _map(pools: tuple[Pool, ...], suffix: str) -> str:
    """Model to backend; a model that must not be asked twice never leads to a backend that would.

    Streams have backends of their own where requests are counted.
    """
    return "".join(f"{pool.model} {pool.model}{_kind(pool, suffix)}\n" for pool in pools)


def _kind(pool: Pool, suffix: str) -> str:
    stream = suffix.endswith("sn")
    there = pool.admission is not None if stream else pool.replay
    return suffix if there else f"{suffix[:2]}n"


def _blank(view: RouterView) -> RouterView:
    """The view without everything that the socket can change."""
    tls = view.tls and replace(view.tls, certificate="", key="")
    keys = None if view.keys is None else ()
    return replace(view, pools=tuple(_blank_pool(pool) for pool in view.pools), tls=tls, keys=keys)


def _blank_pool(pool: Pool) -> Pool:
    slots = tuple(replace(slot, state=SlotState.OFF, weight=100) for slot in pool.slots)
    return replace(pool, slots=slots, admission=pool.admission and replace(pool.admission, concurrency=1))


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(data_folder("templates") / "haproxy"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - this is no HTML; names are checked in `groups`
    )


def _config(view: RouterView, names: Mapping[str, str], structure: str) -> str:
    longest = max((int(pool.total_timeout) + 1 for pool in view.pools), default=600)
    anywhere, *_ = groups_of(view)
    slots = sum(len(pool.slots) for pool in view.pools) + len(anywhere.slots)
    bufsize = max(view.replay_limit + HEADROOM, LEAST_BUFFER)
    return (
        _environment()
        .get_template("haproxy.cfg.j2")
        .render(
            view=view,
            pools=view.pools,
            any_slots=anywhere.slots,
            structure=structure,
            longest=longest,
            headers_in=min(HEADERS_IN, view.limits.upload),
            bufsize=bufsize,
            hot_size=bufsize * HOT_BUFFERS,
            descriptors=2 * view.maxconn
            + 4 * slots
            + 200,  # a client's and a server's side; checks; listeners
            cut_after=view.checks.connect + CUT_MARGIN,
            cut_stream_after=view.checks.connect + CUT_STREAM_AFTER,
            names=names,
            rest_errors=[(status, words) for status, words, _ in ERRORS],
            grpc_errors=[(status, names[f"grpc{status}"]) for status, _, _ in ERRORS],
            refusals=REFUSALS,
            living={name: digest_of(text) for name, text in living(view).items()},
            admitting=any(pool.admission for pool in view.pools),
            offset=BEHIND,
            limit=lambda pool: f" maxconn {pool.admission.concurrency}" if pool.admission else "",
            secure=_secure(view, names),
            KEYS=KEYS,
            JAIL=JAIL,
            NOBODY=NOBODY,
            bind=lambda port: _bind(view.bind, port),
            http=lambda slot: Endpoint(slot.host, slot.http_port),
            grpc=lambda slot: Endpoint(slot.host, slot.grpc_port),
            seconds=lambda value: f"{round(value * 1000)}ms",
            state=_state,
            weight=_weight,
        )
    )


def _bind(address: str, port: int) -> str:
    return f"{Endpoint(address, port)} v4v6" if address == "::" else str(Endpoint(address, port))


def _secure(view: RouterView, names: Mapping[str, str]) -> str:
    """What makes a bind line one of TLS."""
    if view.tls is None:
        return ""
    clients = f" ca-file {names['clients']} verify required" if view.tls.client_ca else ""
    return f" ssl crt {CERTIFICATE} alpn h2,http/1.1{clients}"


def _weight(slot: Slot) -> str:
    """A draining slot boots with weight 0: tracking servers follow the check, and not the weight."""
    return f" weight {0 if slot.state is SlotState.DRAIN else slot.weight}"


def _state(slot: Slot) -> str:
    return _weight(slot) + (" disabled" if slot.state is SlotState.OFF else "")
