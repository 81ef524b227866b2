"""The queries of the dashboard that ships, as Prometheus is asked them."""

from __future__ import annotations

import json
from typing import Any

from distctl.commands import prometheus


def dashboard() -> dict[str, Any]:
    """The whole document."""
    return json.loads(prometheus.dashboard())  # type: ignore[no-any-return]


def queries(cluster: str, *, rules: bool) -> list[str]:
    """Those over what recording rules keep, or those over what the controller tells."""
    found = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    asked = [query.replace("$cluster", cluster).replace("$__rate_interval", "5s") for query in found]
    return [query for query in asked if ("model:distctl_" in query) is rules]
