"""`distctl init`: a first inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand


class FromFile(TyperCommand):
    """A command whose `--from ansible` is followed by a file: one option with two words, or with one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the two words to `ansible:FILE`."""
        words = list(args)
        for index in range(len(words) - 2, 0, -1):
            if words[index - 1 : index + 1] == ["--from", "ansible"]:
                words[index : index + 2] = [f"ansible:{words[index + 1]}"]
        return super().parse_args(ctx, words)


def init(
    nodes: Annotated[list[str], typer.Argument(metavar="[NODE]...", show_default=False)] = [],  # noqa: B006
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="ansible FILE|ssh-config",
            help="Take the nodes from there; NODE... chooses: names, ranges, globs, Ansible's groups.",
            show_default=False,
        ),
    ] = "",
    file: Annotated[Path, typer.Option("--file", help="Where to write it.")] = Path("cluster.yaml"),
    cluster: Annotated[str, typer.Option(help="The cluster's name.")] = "prod",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Write an inventory to begin with: the named nodes, one model, one router on the first node."""
    from distctl.app.beginning import first_inventory
    from distctl.cli.output import note

    for text in first_inventory(file, cluster, nodes, source=source, overwrite=overwrite):
        note(f"note: {text}", "yellow")
    note(f"wrote {file}; next: distctl doctor, distctl plan, distctl up")
