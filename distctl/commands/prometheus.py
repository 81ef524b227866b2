"""What a Prometheus is given to watch routers by: whom to ask, which labels, which rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from distctl.cluster.spec import Endpoint, RouterId
from distctl.commands.files import template


@dataclass(frozen=True, slots=True)
class Target:
    """A router on one of its places, and where its metrics are."""

    router: RouterId
    endpoint: Endpoint


def rules() -> str:
    """The recording rules; they are the same for every cluster."""
    return template("prometheus/rules.yml")


def scrape(cluster: str, targets: Iterable[Target]) -> str:
    """The part of prometheus.yml that asks the routers of a cluster."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - this is no HTML
    )
    text = environment.from_string(template("prometheus/scrape.yml.j2"))
    return text.render(cluster=cluster, rules=f"distctl-{cluster}.rules.yml", targets=list(targets))
