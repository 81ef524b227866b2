"""What a Prometheus is given to watch a cluster by: whom to ask, which labels, which rules and alerts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from distctl.cluster.spec import Endpoint, RouterId, Spec
from distctl.commands.files import template

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what a router or a controller may be told to listen on
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Target:
    """A router on one of its places, and where its metrics are."""

    router: RouterId
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a controller answers over HTTP, and the file with its token where it asks for one."""

    endpoint: Endpoint
    token: str = ""


def rules() -> str:
    """The recording rules; they are the same for every cluster."""
    return template("prometheus/rules.yml")


def alerts() -> str:
    """The alert rules, over what a controller tells; they are the same for every cluster."""
    return template("prometheus/alerts.yml")


def dashboard() -> str:
    """The dashboard for Grafana, as JSON; it asks for the cluster."""
    return template("grafana/distctl.json")


def targets(spec: Spec) -> list[Target]:
    """Every router on every place, where others reach it."""
    return [_target(spec, router) for router in spec.router_ids]


def _target(spec: Spec, router: RouterId) -> Target:
    wanted = spec.router(router.router)
    places = {node.name: node.serve_address for node in spec.nodes}
    place = places.get(router.place, LOOPBACK)  # `local` need not be a node
    host = place if wanted.address in EVERYWHERE else wanted.address
    return Target(router, Endpoint(host, wanted.metrics_port))


def scrape(cluster: str, targets: Iterable[Target], desk: Desk | None = None) -> str:
    """The part of prometheus.yml that asks the routers of a cluster, and what its controller tells.

    With a controller it is asked for routers and servers; without one the routers stand in the text.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - this is no HTML
    )
    text = environment.from_string(template("prometheus/scrape.yml.j2"))
    return text.render(cluster=cluster, targets=list(targets), desk=desk)
