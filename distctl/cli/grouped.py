"""Help in plain text, with the commands under their headings.

typer's own help with panels imports rich's Markdown and traceback, which takes longer than everything else
that `distctl --help` does; and plain text is what pipes, `man` readers and small terminals want.
"""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperGroup

from distctl.policy.verdict import EXIT_CODES


class Grouped(TyperGroup):
    """A group of commands that shows each under its panel's name."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, in the order in which they were added, panel by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                heading = panel if isinstance(panel, str) else "Commands"
                panels.setdefault(heading, []).append((name, _first(command.help or "")))
        for heading, rows in panels.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


class Root(Grouped):
    """The root of the tree, whose help ends with the exit codes."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the exit codes as a table."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(f"{code:>3}", meaning) for code, meaning in EXIT_CODES])


def _first(text: str) -> str:
    """The first paragraph on one line."""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
