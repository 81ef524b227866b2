"""The dashboard has the shape that Grafana reads: a narrow schema of the parts of it that are used here."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import jsonschema
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
