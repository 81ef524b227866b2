"""`distctl status`: how the cluster stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from distctl.app.session import Session
    from distctl.policy.standing import ModelStanding, NodeStanding, Standing

INTERVAL = 2.0  # seconds between two looks with --watch
NO_CONTROLLER = (
    "no controller runs: servers restart and routers fail over by themselves, "
    "but lost nodes are not replaced and counts do not follow demand"
)


def status(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Look again until Ctrl-C.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 unless everything that is wanted is there.")
    ] = False,
    wait: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--wait", help="With --check: how long it may take to become so.", show_default=False),
    ] = None,
) -> None:
    """Show nodes, models and routers: what is wanted and what was seen."""
    import time

    from distctl.cli.running import opened, seconds

    with opened(inventory) as session:
        deadline = time.monotonic() + (seconds(wait) or 0.0)
        while True:
            found = _look(session)
            if watch or not check or found.healthy or time.monotonic() >= deadline:
                _show(session, found, output, watch=watch)
            if not watch and (not check or found.healthy or time.monotonic() >= deadline):
                break
            session.clock.sleep(INTERVAL if watch else 0.5)
    raise typer.Exit(1 if check and not found.healthy else 0)


def _look(session: Session) -> Standing:
    from distctl.app.looking import look
    from distctl.app.losses import remember_lost
    from distctl.cli.output import note
    from distctl.policy.standing import standing

    record = session.store.load()
    session.remember(record)
    snapshot = look(session, record, deep=False)
    for event in remember_lost(session, snapshot):
        note(f"warning: {event.text}", "bold red")
    return standing(session.spec, record, snapshot)


def _show(session: Session, found: Standing, output: Format, *, watch: bool) -> None:
    from distctl.app.running import leader_of
    from distctl.cli.output import document, note, wants_json

    if wants_json(output):
        document("status", as_json(session, found))
        return
    if watch:
        typer.echo("\x1b[2J\x1b[H", nl=False)
    if leader_of(session) is None:
        note(f"note: {NO_CONTROLLER}", "yellow")
    if any(router.id.place == "local" for router in found.routers) and len(found.routers) == 1:
        note("note: the only router runs on this machine: it ends when this machine does", "yellow")
    _tables(found, wide=output is Format.WIDE)


def _tables(found: Standing, *, wide: bool) -> None:
    from distctl.cli.output import table

    gpus = any(server.gpus for n in found.nodes for server in n.servers)
    rows = [row for n in found.nodes for row in _rows(n, wide=wide)]
    headings = (
        "node",
        "state",
        "models",
        "in flight",
        "gpu" if gpus else "",
        "address" if wide else "",
        "why",
    )
    table(headings, rows)
    if hours := _hours(found):
        typer.echo(hours)
    typer.echo()
    models = [(m.name, m.state, _replicas(m), m.in_flight, m.queued, m.why) for m in found.models]
    table(("model", "state", "replicas", "in flight", "queued", "why"), models)
    if found.routers:
        typer.echo()
        routers = [(str(r.id), r.state, r.in_flight, r.requests, r.reason) for r in found.routers]
        table(("router", "state", "in flight", "requests", "why"), routers)
    if found.addresses:
        typer.echo()
        addresses = [
            (a.address, a.router, a.state, ",".join(a.standby) or "-", a.reason) for a in found.addresses
        ]
        table(("address", "router", "state", "standby", "why"), addresses)
    if wide and any(n.gpus for n in found.nodes):
        from distctl.cli.gpus import GPU_COLUMNS, gpu_rows

        typer.echo()
        table(GPU_COLUMNS, gpu_rows(found.nodes))


HOUR = 3600.0


def _hours(found: Standing) -> str:
    """What turning nodes off has saved, "" where none is turned off."""
    powers = [n.power for n in found.nodes if n.power is not None]
    used, saved = sum(p.used for p in powers) / HOUR, sum(p.saved for p in powers) / HOUR
    return f"node-hours of those with power: {used:.1f} used, {saved:.1f} saved" if powers else ""


def _replicas(m: ModelStanding) -> str:
    return f"{m.serving}/{m.wanted}" + (f" ({m.range})" if m.range else "")


def _rows(n: NodeStanding, *, wide: bool) -> list[tuple[object, ...]]:
    """A node's row and, where it has several servers, one below it for each of them."""
    alone = n.servers[0] if len(n.servers) == 1 else None
    address = n.node.serve_address if wide else ""
    gpus = alone.gpus if alone else ""
    rows: list[tuple[object, ...]] = [
        (n.node.name, _state(n), _models(n), n.in_flight, gpus, address, _said(n))
    ]
    for s in () if alone else n.servers:
        models = ",".join(s.ready) or "-"
        http = str(s.server.http) if wide else ""
        rows.append((f"  {s.server.id}", s.state, models, s.in_flight, s.gpus, http, s.reason))
    return rows


def _state(standing: NodeStanding) -> str:
    if standing.intent and standing.intent.draining:
        return f"{'drained' if standing.released else 'draining'} ({standing.state})"
    if standing.intent and standing.intent.cordoned:
        return f"cordoned ({standing.state})"
    return standing.state


def _models(standing: NodeStanding) -> str:
    return ",".join(sorted({m for server in standing.servers for m in server.ready})) or "-"


def _said(standing: NodeStanding) -> str:
    from distctl.cli.output import ago

    if standing.intent:
        said = f'"{standing.intent.why}", ' if standing.intent.why else ""
        return f"{said}by {standing.intent.by} {ago(standing.intent.since)}"
    if standing.power and standing.power.shut:
        return f"since {ago(standing.power.since)} ({standing.reason})"
    return standing.reason


def as_json(session: Session, found: Standing) -> dict[str, Any]:
    """The document of `status -o json`: intent and observation apart."""
    return {
        "cluster": session.spec.cluster,
        "healthy": found.healthy,
        "controller": None,
        "nodes": [_node_json(n) for n in found.nodes],
        "models": [
            {
                "model": m.name,
                "intent": {"replicas": m.wanted, "range": m.range, "why": m.why, "since": m.since},
                "observed": {
                    "state": m.state,
                    "ready": m.ready,
                    "serving": m.serving,
                    "in_flight": m.in_flight,
                    "queued": m.queued,
                },
            }
            for m in found.models
        ],
        "routers": [
            {
                "router": str(r.id),
                "intent": {"life": r.fate.life.value, "why": r.fate.why},
                "observed": {
                    "state": r.state,
                    "reason": r.reason,
                    "in_flight": r.in_flight,
                    "requests": r.requests,
                },
            }
            for r in found.routers
        ],
        "addresses": [
            {
                "router": a.router,
                "intent": {"address": a.address},
                "observed": {
                    "state": a.state,
                    "reason": a.reason,
                    "holders": list(a.holders),
                    "standby": list(a.standby),
                },
            }
            for a in found.addresses
        ],
    }


def _power_json(n: NodeStanding) -> dict[str, Any] | None:
    """Whether a node is on, and for how long it was on and off; None where it is never turned off."""
    power = n.power
    if power is None:
        return None
    hours = {"used_hours": power.used / HOUR, "saved_hours": power.saved / HOUR}
    return {"state": power.state.value, "since": power.since, "why": power.why, "by": power.by, **hours}


def _node_json(n: NodeStanding) -> dict[str, Any]:
    from distctl.cli.gpus import gpu_documents

    intent = n.intent
    return {
        "node": n.node.name,
        "intent": {
            "cordoned": bool(intent and intent.cordoned),
            "draining": bool(intent and intent.draining),
            "why": intent.why if intent else "",
            "by": intent.by if intent else "",
            "since": intent.since if intent else None,
        },
        "observed": {
            "state": n.state,
            "reason": n.reason,
            "in_flight": n.in_flight,
            "released": n.released,
            "power": _power_json(n),
            "gpus": gpu_documents(n.gpus),
            "servers": [
                {
                    "server": str(s.server.id),
                    "http": str(s.server.http),
                    "grpc": str(s.server.grpc),
                    "state": s.state,
                    "reason": s.reason,
                    "in_flight": s.in_flight,
                    "gpus": None if s.server.gpus is None else list(s.server.gpus),
                    "reported_gpus": list(s.reported),
                    "ready": list(s.ready),
                    "missing": list(s.missing),
                }
                for s in n.servers
            ],
        },
    }
