"""What a Prometheus is told by its HTTP service discovery: where each server and router has its metrics.

The format is Prometheus's own (http_sd_config): a JSON list of targets with labels. Labels that begin with
`__meta_` are for the rules of the scrape and gone after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from distctl.cluster.record import Record
from distctl.cluster.spec import Server, ServerId, Spec
from distctl.commands.prometheus import Target, targets

ROLES = ("router", "server")


def discovered(spec: Spec, record: Record, role: str = "") -> list[dict[str, Any]]:
    """The targets of one of `ROLES`, or of all for ""."""
    models = defaultdict[ServerId, list[str]](list)
    for server, model in sorted(record.places):
        models[server].append(model)
    routers = (_router(spec.cluster, target) for target in targets(spec)) if role != "server" else ()
    servers = (_server(spec.cluster, s, models[s.id]) for s in spec.servers) if role != "router" else ()
    return [*routers, *servers]


def _router(cluster: str, target: Target) -> dict[str, Any]:
    labels = {"cluster": cluster, "router": str(target.router), "__meta_distctl_role": "router"}
    return {"targets": [str(target.endpoint)], "labels": labels}


def _server(cluster: str, server: Server, models: Iterable[str]) -> dict[str, Any]:
    labels = {
        "cluster": cluster,
        "node": server.id.node,
        "server": str(server.id),
        "__meta_distctl_role": "server",
        "__meta_distctl_models": "".join(f",{model}" for model in models) + ",",
    }
    return {"targets": [str(server.metrics)], "labels": labels}
