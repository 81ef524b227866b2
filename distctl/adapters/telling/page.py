"""The page: nodes, models and routers as `status` tells them, with rates. No script, nothing from elsewhere.

Whatever stands in it may come from a node or a client, so every value is escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING

from distctl.commands.files import template
from distctl.policy.outlook import Outlook
from distctl.policy.standing import standing

if TYPE_CHECKING:
    from jinja2 import Template

REFRESH = 2  # seconds
WIDTH, HEIGHT = 120, 20  # of a sparkline, in pixels
STYLE = template("page/style.css")
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def rendered(cluster: str, outlook: Outlook) -> tuple[str, bytes]:
    """Content type and page."""
    seen = outlook.seen
    text = _template().render(
        cluster=cluster,
        refresh=REFRESH,
        style=STYLE,
        outlook=outlook,
        at=datetime.fromtimestamp(seen.now, timezone.utc).strftime("%H:%M:%S UTC") if seen else "",
        standing=standing(seen.spec, seen.record, seen.snapshot) if seen else None,
        rates={name: f"{rates[-1]:.1f}" for name, rates in outlook.trend.rates.items()},
        lines={name: sparkline(rates) for name, rates in outlook.trend.rates.items()},
        width=WIDTH,
        height=HEIGHT,
    )
    return "text/html; charset=utf-8", text.encode()


def sparkline(rates: Sequence[float]) -> str:
    """The points of a line through some rates, the newest at the right, the largest at the top."""
    most = max(rates, default=0.0) or 1.0
    step = WIDTH / max(len(rates) - 1, 1)
    return " ".join(
        f"{number * step:.1f},{HEIGHT - 1 - (HEIGHT - 2) * rate / most:.1f}"
        for number, rate in enumerate(rates)
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template("page/status.html.j2"))
