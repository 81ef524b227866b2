"""`distctl bench`: load to measure by. (Never called load, which in Triton loads a model.)"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from distctl.cli import names
from distctl.cli.options import Format, InventoryFile, KeyFile, Output, OwnCertificate
from distctl.policy.bench.step import Arrivals

if TYPE_CHECKING:
    from distctl.app.bench import Way
    from distctl.app.entrance import Identity
    from distctl.app.session import Session


class Protocol(str, Enum):
    """How requests are sent."""

    HTTP = "http"
    GRPC = "grpc"
    STREAM = "stream"


def bench(
    model: Annotated[str, typer.Argument(help="The model's name.", autocompletion=names.models)],
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    concurrency: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Closed loop: so many clients that wait for their answers, such as 1,4,16."),
    ] = None,
    rate: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Open loop: so many requests per second, such as 50,100, whether or not answers come; "
            "latency counts from the instant at which a request was due."
        ),
    ] = None,
    arrivals: Annotated[Arrivals, typer.Option(help="How an open loop spreads them.")] = Arrivals.POISSON,
    duration: Annotated[str, typer.Option(help="How long each step takes, 10m at most.")] = "10s",
    requests: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="End a step after so many requests, if that comes first.", show_default=False),
    ] = None,
    warmup: Annotated[str, typer.Option(help="Load before each step that no figure counts.")] = "1s",
    protocol: Annotated[Protocol, typer.Option(help="REST, gRPC, or a gRPC stream a request.")] = (
        Protocol.HTTP
    ),
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--input", help="A KServe v2 request as JSON; absent: the model's samples."),
    ] = None,
    shape: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="NAME:DIMS",
            help="Make up data in this shape, without the batch: NAME:1,16. Several times.",
        ),
    ] = None,
    batch: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("-b", "--batch", min=1, help="Rows in a request.", show_default=False),
    ] = None,
    direct: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Past the router, to one server: NODE or NODE/SERVER.", show_default=False),
    ] = None,
    url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="To this address, host:port, without an inventory.", show_default=False),
    ] = None,
    timeout: Annotated[str, typer.Option(help="How long one answer may take.")] = "60s",
    plot: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Draw latency against load into this .png (extra: distctl[plot])."),
    ] = None,
    key_file: KeyFile = None,
    certificate: OwnCertificate = None,
    perf_analyzer: Annotated[
        bool, typer.Option("--perf-analyzer", help="Let NVIDIA's perf_analyzer measure, where installed.")
    ] = False,
) -> None:
    """Send load to measure by, through the router, and show rate and latency step by step."""
    from distctl.adapters.bench.describe import describe
    from distctl.adapters.bench.plot import plot as draw
    from distctl.adapters.bench.plot import require
    from distctl.adapters.bench.run import measure
    from distctl.app.bench import data_for, refuse_unanswerable, run_perf_analyzer
    from distctl.app.entrance import Identity, read_key
    from distctl.app.use import require_model
    from distctl.cli.bench_show import Asked, Watch, end, show
    from distctl.cli.output import note
    from distctl.cli.running import seconds
    from distctl.errors import InputError
    from distctl.policy.bench.step import Bounds, sweep

    bounds = Bounds(seconds(duration) or 0.0, requests, seconds(warmup) or 0.0, arrivals)
    steps = sweep(concurrency, rate, bounds)
    if perf_analyzer and (plot or output is Format.JSON):
        raise InputError("--perf-analyzer prints what it found itself", hint="leave out --plot and -o json")
    if plot:
        require(plot)
    identity = Identity(read_key(key_file, os.environ.get("DISTCTL_KEY", "")), certificate)
    limit = seconds(timeout) or 60.0
    with _way(inventory, url, direct, protocol.value, limit, identity) as (way, session):
        if session is not None and direct is None:
            require_model(session, model)
        target = way.target
        described = describe(target, model)
        refuse_unanswerable(described.model, target.protocol)
        data = data_for(described.model, session=session, file=file, given=shape or (), batch=batch)
        asked = Asked(model, target, way.where, described.server, data.origin, batch)
        note(f"{asked}: {data.origin}")
        if way.tunnelled:
            note(
                "warning: through a tunnel of ssh, which is measured too: run it where that is reached",
                "yellow",
            )
        if perf_analyzer:
            run_perf_analyzer(steps, target, described.model, data, batch)
            return
        with Watch(len(steps)) as watch:
            measured = measure(steps, target, model, data.requests, watch)
    if plot and any(result.latency for result in measured.results):
        draw(measured.results, str(asked), plot)
        note(f"drawn: {plot}")
    show(measured, asked, output)
    end(measured)


@contextmanager
def _way(
    inventory: Path | None,
    url: str | None,
    direct: str | None,
    protocol: str,
    timeout: float,
    identity: Identity,
) -> Iterator[tuple[Way, Session | None]]:
    """Where requests go, and the cluster unless an address was named; nothing else is ever a target."""
    from distctl.app.bench import cluster_way, url_way
    from distctl.cli.running import opened
    from distctl.errors import InputError

    if url and direct:
        raise InputError("--url and --direct are two targets", hint="give one of them")
    if url:
        yield url_way(url, protocol, timeout), None
        return
    with opened(inventory) as session:
        yield cluster_way(session, direct, protocol, timeout, identity), session
