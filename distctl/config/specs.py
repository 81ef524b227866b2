"""Models, routers and the store as the spec keeps them, from what is written of each."""

from __future__ import annotations

import re
from pathlib import Path as File

from distctl.cluster.spec import (
    Admission,
    Limits,
    LogSpec,
    ModelSpec,
    RouterSpec,
    Source,
    StoreSpec,
    TlsSpec,
)
from distctl.config.models import ModelSection, RouterSection, StoreSection, TlsSection
from distctl.config.paths import absolute, optional
from distctl.config.requests import PrefixSection, prefix_spec, request_timeouts
from distctl.config.runtimes import secret
from distctl.config.scaling import autoscale
from distctl.config.shared import shared_address
from distctl.config.values import LOCAL, LOOPBACK


def model_spec(name: str, said: ModelSection, base: File) -> ModelSpec:
    """A model as the spec keeps it, its folder made absolute."""
    return ModelSpec(
        name=name,
        source=source(said.source, base),
        replicas=said.replicas if isinstance(said.replicas, int) else said.replicas.min,
        where=dict(said.where),
        replay=said.replay,
        probe=said.probe,
        timeouts=request_timeouts(said.timeouts),
        policy=said.policy,
        prefix=prefix_spec(said.prefix or PrefixSection()) if said.policy == "prefix" else None,
        admission=_admission(said),
        autoscale=autoscale(said.replicas, said.autoscale),
    )


def _admission(said: ModelSection) -> Admission | None:
    """None unless something is said of it: a router that counts nothing costs less."""
    wait = said.timeouts.queue if said.timeouts else None
    if said.concurrency is None and said.queue is None and wait is None:
        return None
    usual = Admission()
    return Admission(
        said.concurrency or usual.concurrency,
        usual.queue if said.queue is None else said.queue.length,
        usual.wait if wait is None else wait,
    )


def source(text: str, base: File) -> Source:
    """`node:/path` is a path on the node; everything else a folder here."""
    if text.startswith("node:"):
        return Source("node", text.removeprefix("node:"))
    return Source("folder", str(absolute(text, base)))


def router_spec(
    cluster: str, name: str, said: RouterSection, places: tuple[str, ...], base: File
) -> RouterSpec:
    """A router as the spec keeps it: without an address it listens everywhere on nodes, on loopback here.

    Places that share one listen everywhere: the address comes and goes.
    """
    shared = shared_address(cluster, name, said.address, said.keepalived, places)
    everywhere = "::" if shared and shared.sixth else "0.0.0.0"  # noqa: S104 - documented
    return RouterSpec(
        name=name,
        on=places,
        shared=shared,
        address=everywhere if shared else said.address or (LOOPBACK if places == (LOCAL,) else everywhere),
        http_port=said.ports.http,
        grpc_port=said.ports.grpc,
        metrics_port=said.ports.metrics,
        peers_port=said.ports.peers,
        replay_limit=said.replay_limit,
        checks=said.checks,
        haproxy=said.haproxy,
        tls=_tls(said.tls, base),
        auth=said.auth,
        ready=said.ready,
        log=LogSpec(**said.log.model_dump()),
        limits=Limits(**(said.limits.model_dump(exclude_none=True) if said.limits else {})),
        lame_duck=said.lame_duck,
    )


def _tls(said: TlsSection | None, base: File) -> TlsSpec | None:
    key = secret(said.key) if said else None
    if said is None or key is None:
        return None
    return TlsSpec(absolute(said.certificate, base), key, optional(said.client_ca, base))


def store_spec(said: StoreSection | None, cluster: str, base: File) -> StoreSpec:
    """Where the record is, a sqlite path made absolute; by default `.distctl/CLUSTER.db` beside the file."""
    if said is None:
        return StoreSpec(f"sqlite:///{base / '.distctl' / f'{cluster}.db'}")
    if match := re.fullmatch(r"(sqlite(?:\+\w+)?):///(.+)", said.url):
        return StoreSpec(f"{match[1]}:///{absolute(match[2], base)}", secret(said.password))
    return StoreSpec(said.url, secret(said.password))
