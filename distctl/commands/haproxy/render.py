"""A router's files from its view: the same view always gives the same bytes.

Every path in the configuration is relative to its folder, so it does not depend on the place. The other
files carry their digest in their name: the rename of `haproxy.cfg` alone switches from one state to the next.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import Endpoint, Hold, LogSpec
from distctl.commands.haproxy.access import VARIABLE
from distctl.commands.haproxy.groups import groups_of, ids_of
from distctl.commands.haproxy.kinds import CHECKED, Kind, kinds_of
from distctl.commands.haproxy.living import CERTIFICATE, KEYS, living
from distctl.commands.haproxy.refusals import ERRORS, REFUSALS, grpc_files
from distctl.data import data_folder

CONFIG = "haproxy.cfg"
HEALTH = "health.state"
LUA = ("shut", "seat", "total", "lost", "request")
HEADROOM = (
    8 * 1024
)  # bytes of a buffer for headers and HAProxy's own reserve; each is copied with every request
LEAST_BUFFER = 16 * 1024  # HTTP/2 allows frames of that size, and HAProxy drops clients where none would fit
HEADERS_IN = 10.0  # seconds in which a request's headers must arrive; the router's `limits.upload` if shorter
JAIL = "jail"  # the folder that unprivileged workers see, as they and the master call it
NOBODY = 65534  # uid and gid of nobody on Linux
HOT_BUFFERS = 128  # buffers that a thread keeps: beyond them each request pays for fresh memory
PIPES = 64  # large bodies that go from socket to socket at once
PIPE_SIZE = 512 * 1024  # bytes; all pipes together stay below what Linux gives one user, 64 MiB (pipe(7))
BEHIND = 50  # ms that a waiting request stands behind for each request that its key has in the pool
CUT_MARGIN = 80  # ms beyond the connect timeout: a session that still connects when it is cut is not retried
USUAL = ("infer", "generate")  # what most requests ask of a model
PRIORITIES = "high -1\nlow 1\n"  # what x-priority says, and the class that waits: the lowest goes first
VISIBLE = 16 * 1024  # bytes of a large body that are read before a server is chosen
HOLD_PAUSE = (
    100  # ms between two tries of a request that is held; HAProxy waits its connect timeout, 1 s at most
)
SLOW_START = 10  # seconds in which a server that came up is given its whole share: caches and clocks are cold
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
        **{f"{word}.lua": (folder / f"{word}.lua").read_text() for word in LUA},
        **_maps(view),
        **grpc_files(view),
    }
    if view.tls and view.tls.client_ca:
        contents["clients.pem"] = view.tls.client_ca
    parts = ((*name.split("."), text) for name, text in contents.items())
    return {f"{stem}-{digest_of(text)}.{ending}": text for stem, ending, text in parts}


def _maps(view: RouterView) -> dict[str, str]:
    """What leads to a backend: a model, or for most requests a whole path; and what words stand for.

    A model that must not be asked twice never leads to a backend that would.
    """
    found = {"slots.map": "".join(f"{number} {name}\n" for name, number in ids_of(view).items())}
    for word, letter in (("rest", "r"), ("grpc", "g")):
        found[f"{word}.map"] = "".join(f"{p.model} {_first(p, letter)}\n" for p in view.pools)
        found[f"{word}once.map"] = _map(view.pools, f"_{letter}n")
        found[f"{word}stream.map"] = _map(view.pools, f"_{letter}s")
    found["usual.map"] = "".join(
        f"/v2/models/{p.model}/{asked} {_first(p, 'r')}\n" for p in view.pools for asked in USUAL
    )
    holding = [pool for pool in view.pools if pool.hold]
    if holding:
        found |= {f"{word}hold.map": _map(holding, f"_{word[0]}h") for word in ("rest", "grpc")}
        found["holding.map"] = _map(holding, CHECKED)
    if any(pool.admission for pool in view.pools):
        found["priorities.map"] = PRIORITIES
    return found


def _first(pool: Pool, letter: str) -> str:
    """The backend of a pool's small requests."""
    return f"{pool.model}_{letter}{'' if pool.replay else 'n'}"


def _map(pools: Iterable[Pool], suffix: str) -> str:
    return "".join(f"{pool.model} {pool.model}{suffix}\n" for pool in pools)


def _blank(view: RouterView) -> RouterView:
    """The view without everything that the socket can change."""
    tls = view.tls and replace(view.tls, certificate="", key="")
    keys = None if view.keys is None else ()
    pools = tuple(_blank_pool(pool) for pool in view.pools)
    log = LogSpec("file" if view.log.written else "off")
    return replace(view, pools=pools, tls=tls, keys=keys, log=log, draining=False)


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
    longest = max((int(pool.timeouts.total) + 1 for pool in view.pools), default=600)
    connect = max(view.checks.connect, *(round(1000 * (p.timeouts.connect or 0)) for p in view.pools), 0)
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
            + 2 * PIPES
            + 200,  # a client's and a server's side; checks; both ends of a pipe; listeners
            pipes=PIPES,
            pipe_size=PIPE_SIZE,
            cut_after=connect + CUT_MARGIN,
            cut_stream_after=connect + CUT_STREAM_AFTER,
            hold_pause=max(connect, HOLD_PAUSE),
            hold_tries=lambda hold: _tries(hold, max(connect, HOLD_PAUSE)),
            holding=any(pool.hold for pool in view.pools),
            visible=VISIBLE,
            kinds=kinds_of,
            ids=ids_of(view),
            slow_start=_slow_start,
            names=names,
            words={status: words for status, words, _ in ERRORS},
            rest_errors=[(status, words) for status, words, _ in ERRORS],
            grpc_errors=[(status, names[f"grpc{status}"]) for status, _, _ in ERRORS],
            refusals=REFUSALS,
            ACCESS=VARIABLE,
            living={name: digest_of(text) for name, text in living(view).items()},
            offset=BEHIND,
            limit=_limit,
            own_socket=_worker_file(view, "admin.sock"),
            successor=_worker_file(view, "successor.sock"),
            secure=_secure(view, names),
            KEYS=KEYS,
            JAIL=JAIL,
            NOBODY=NOBODY,
            bind=lambda port: _bind(view.bind, port),
            peers_bind=_peers_bind(view),
            http=lambda slot: Endpoint(slot.host, slot.http_port),
            grpc=lambda slot: Endpoint(slot.host, slot.grpc_port),
            seen_down_after=2 * (view.checks.interval + view.checks.timeout * view.checks.fall),
            whole_seconds=math.ceil,
            milliseconds=lambda value: f"{max(1, round(value * 1000))}ms",
            state=_state,
            weight=_weight,
        )
    )


def _worker_file(view: RouterView, name: str) -> str:
    """A file as its workers find it."""
    return f"{JAIL}/{name}" if view.drops_root else name


def _bind(address: str, port: int) -> str:
    return f"{Endpoint(address, port)} v4v6" if address == "::" else str(Endpoint(address, port))


def _peers_bind(view: RouterView) -> str:
    """Where a router that has other places listens to them: on every interface, since NAT may stand between.

    "" where it is the only one.
    """
    own = next((peer.endpoint for peer in view.peers if peer.place == view.id.place), None)
    if own is None:
        return ""
    if ipaddress.ip_address(own.host).is_loopback:
        return str(own)
    return _bind("::" if ":" in own.host else "0.0.0.0", own.port)  # noqa: S104 - said above


def _secure(view: RouterView, names: Mapping[str, str]) -> str:
    """What makes a bind line one of TLS."""
    if view.tls is None:
        return ""
    clients = f" ca-file {names['clients']} verify required" if view.tls.client_ca else ""
    return f" ssl crt {CERTIFICATE} alpn h2,http/1.1{clients}"


def _weight(slot: Slot) -> str:
    """A draining slot boots with weight 0: tracking servers follow the check, and not the weight."""
    return f" weight {0 if slot.state is SlotState.DRAIN else slot.weight}"


def _slow_start(pool: Pool) -> str:
    """A server's share grows from nothing.

    Where keys hang on weights that would only move them twice; where requests are counted a server that came
    up is not flooded anyway, and HAProxy would let its count grow as slowly.
    """
    steady = pool.policy in ("prefix", "sequence") or pool.admission is not None
    return "" if steady else f" slowstart {SLOW_START}s"


def _tries(hold: Hold, pause: int) -> int:
    """How often a held request tries, `pause` milliseconds apart; HAProxy waits a second at most."""
    return max(1, round(hold.time * 1000 / min(pause, 1000)))


def _limit(pool: Pool, kind: Kind) -> str:
    """How many requests a server of the backend takes at once."""
    return f" maxconn {pool.admission.concurrency}" if pool.admission and kind.counted else ""


def _state(slot: Slot) -> str:
    return _weight(slot) + (" disabled" if slot.state is SlotState.OFF else "")
