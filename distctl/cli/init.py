"""`distctl init`: a first inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    nodes: Annotated[list[str], typer.Argument(metavar="[NODE]...", show_default=False)] = [],  # noqa: B006
    file: Annotated[Path, typer.Option("--file", help="Where to write it.")] = Path("cluster.yaml"),
    cluster: Annotated[str, typer.Option(help="The cluster's name.")] = "prod",
) -> None:
    """Write an inventory to begin with: the named nodes, one model, one router on the first node."""
    from distctl.app.beginning import first_inventory
    from distctl.cli.output import note

    first_inventory(file, cluster, nodes)
    note(f"wrote {file}; next: distctl doctor, distctl plan, distctl up")
