"""The dashboard has the shape that Grafana reads: its published schema, and a narrow one of our own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import jsonschema
import pytest
from dashboards import dashboard, queries
from outlooks import outlook, whole

from distctl.adapters.telling.metrics import rendered
from distctl.commands.prometheus import rules

SOURCE = {"const": {"type": "prometheus", "uid": "${datasource}"}}
SHAPE = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "time", "refresh"],
    "properties": {
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {"type": "array", "items": {"$ref": "#/$defs/panel"}},
        "templating": {
            "properties": {"list": {"items": {"required": ["name", "type", "query"]}}},
            "required": ["list"],
        },
    },
    "$defs": {
        "place": {
            "type": "object",
            "additionalProperties": False,
            "required": ["h", "w", "x", "y"],
            "properties": {
                "h": {"type": "integer", "minimum": 1},
                "w": {"type": "integer", "minimum": 1, "maximum": 24},
                "x": {"type": "integer", "minimum": 0, "maximum": 23},
                "y": {"type": "integer", "minimum": 0},
            },
        },
        "target": {
            "type": "object",
            "required": ["refId", "expr", "datasource"],
            "properties": {"refId": {"pattern": "^[A-Z]$"}, "expr": {"minLength": 1}, "datasource": SOURCE},
        },
        "panel": {
            "type": "object",
            "required": ["id", "type", "title", "gridPos"],
            "properties": {
                "type": {"enum": ["row", "timeseries", "stat", "table"]},
                "gridPos": {"$ref": "#/$defs/place"},
                "targets": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/target"}},
            },
            "if": {"properties": {"type": {"const": "row"}}},
            "else": {"required": ["targets", "datasource", "fieldConfig", "options"]},
        },
    },
}


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    """The places of the grid that a panel covers."""
    at = panel["gridPos"]
    columns, rows = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
    return {(x, y) for x in columns for y in rows}


def test_it_has_the_shape_that_grafana_reads() -> None:
    jsonschema.validate(dashboard(), SHAPE)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's own package needs Python 3.11")
def test_grafanas_published_schema_knows_every_word_of_it() -> None:
    """Grafana's own classes are made from that schema: what they do not know gets lost in them."""
    ours = dashboard()
    assert list(unknown(ours, through_grafana(ours))) == []
    misspelt = {**ours, "panels": [{**ours["panels"][0], "gridpos": {}}]}
    assert list(unknown(misspelt, through_grafana(misspelt))) == [".panels[0].gridpos"]


def through_grafana(document: dict[str, Any]) -> Any:
    """What Grafana's own classes have read of a dashboard."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(document)))


def unknown(ours: Any, through: Any, path: str = "") -> Iterator[str]:
    """The paths of what was lost or changed."""
    if isinstance(ours, dict) and isinstance(through, dict):
        for name, value in ours.items():
            if name in through:
                yield from unknown(value, through[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(ours, list) and isinstance(through, list) and len(ours) == len(through):
        for place, (mine, found) in enumerate(zip(ours, through, strict=True)):
            yield from unknown(mine, found, f"{path}[{place}]")
    elif ours != through:
        yield path


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert not [(a["title"], b["title"]) for a, b in combinations(panels, 2) if cells(a) & cells(b)]
    assert max(x for panel in panels for x, _ in cells(panel)) == 23


def test_queries_ask_for_what_is_told_and_for_one_cluster_alone() -> None:
    text = rendered(outlook(whole(1000.0)), "")[1].decode()
    told = set(re.findall(r"^(distctl_\w+)", text, re.MULTILINE))
    kept = set(re.findall(r"record: (\S+)", rules()))
    for query in queries("$cluster", rules=False) + queries("$cluster", rules=True):
        selectors = re.findall(r"((?:model:)?distctl_[a-z0-9_:]+)(\{[^}]*\})?", query)
        assert selectors
        for name, labels in selectors:
            assert name in told | kept, name
            assert 'cluster="$cluster"' in labels, query


def test_everything_that_is_told_is_shown_somewhere() -> None:
    text = rendered(outlook(whole(1000.0)), "")[1].decode()
    shown = " ".join(queries("c", rules=False))
    told = set(re.findall(r"^# TYPE (distctl_\w+)", text, re.MULTILINE))
    unshown = {name for name in told if name not in shown}
    assert unshown == {"distctl_model_replicas_ready", "distctl_server_requests_queued"}
