"""docs/benchmarks.json keeps what was measured, each by itself; docs/benchmarks.md is written from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from benchmarks.machine import versions
from benchmarks.work import CHECKOUT, Section

JSON = CHECKOUT / "docs" / "benchmarks.json"
MARKDOWN = CHECKOUT / "docs" / "benchmarks.md"
ORDER = (
    "routing",
    "features",
    "sizes",
    "idle",
    "checks",
    "serving",
    "faults",
    "healing",
    "waking",
    "provisioning",
    "nothing",
    "pushing",
    "starting",
    "observe",
    "memory",
)
BUSY = " It was busy when this began, with other work or with the benchmark before: figures may spread."
HEAD = """\
# Benchmarks

Written by `make bench` (`python -m benchmarks [NAME...]` measures some of them again). Every figure was
measured beside its peers in one run, in turn, on one machine that also runs the clients and the servers:
ratios carry over to other machines, absolute figures do not. Losses are listed like gains.
"""


def keep(sections: Sequence[Section], about: Mapping[str, str]) -> None:
    """Add results to what is kept, replacing those of the same names, and write the page."""
    kept = json.loads(JSON.read_text()) if JSON.exists() else {}
    for section in sections:
        aims = [{**asdict(aim), "met": aim.met} for aim in section.aims]
        date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
        body = {**asdict(section), "aims": aims, "date": date, "machine": dict(about), "versions": versions()}
        kept[section.name] = body
    JSON.parent.mkdir(exist_ok=True)
    JSON.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    MARKDOWN.write_text(page(kept))


def page(kept: Mapping[str, Mapping[str, Any]]) -> str:
    """The page for what is kept."""
    names = [name for name in ORDER if name in kept] + sorted(set(kept) - set(ORDER))
    return HEAD + "".join(_section(kept[name]) for name in names)


def _section(body: Mapping[str, Any]) -> str:
    lines = ["", f"## {body['title']}", "", body["how"], "", _row(body["columns"])]
    lines.append(_row(["---"] * len(body["columns"])))
    lines += [_row(row) for row in body["rows"]]
    if body["aims"]:
        lines += ["", "| aim | wanted | got | |", "| --- | --- | --- | --- |"]
        lines += [_aim(aim) for aim in body["aims"]]
    lines += [""] + [f"- {note}" for note in body["notes"]]
    lines += ["", _about(body)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _aim(aim: Mapping[str, Any]) -> str:
    sign = "at most" if aim["at_most"] else "at least"
    verdict = "met" if aim["met"] else f"missed: {aim['why']}" if aim["why"] else "missed"
    return _row([aim["text"], f"{sign} {aim['limit']:g}", f"{aim['got']:.3g}", verdict])


def _about(body: Mapping[str, Any]) -> str:
    about = ", ".join(f"{key} {value}" for key, value in body["machine"].items())
    used = ", ".join(f"{key} {value}" for key, value in body["versions"].items())
    busy = BUSY if float(body["machine"]["load before"]) > 1 else ""
    return f"*{body['date']}; {about}; {used}.{busy}*"
