"""The command line's entry: the tree of commands, and the one place where errors are caught.

Nothing heavy is imported here or in a command's module: each command imports what it needs when it runs, so
that `distctl --help` is as quick as typer itself.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from distctl.cli import (
    bench,
    controller,
    doctor,
    down,
    drain,
    events,
    execute,
    explain,
    history,
    infer,
    init,
    inventory,
    key,
    logs,
    plan,
    power,
    record,
    rollback,
    router,
    scale,
    simulate,
    status,
    top,
    trust,
    up,
)
from distctl.cli.grouped import Root
from distctl.cli.voice import audible
from distctl.errors import DistctlError, Interrupted

app = typer.Typer(
    name="distctl",
    cls=Root,
    help="From an inventory of machines to a Triton cluster behind one router.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

BEGIN, CHANGE, SEE, USE = "Begin", "Change", "See", "Use"
app.command("init", cls=init.FromFile, rich_help_panel=BEGIN)(init.init)
app.command("doctor", rich_help_panel=BEGIN)(audible(doctor.doctor))
app.command("trust", rich_help_panel=BEGIN)(audible(trust.trust))
app.command("inventory", rich_help_panel=BEGIN)(inventory.inventory)
app.command("plan", rich_help_panel=CHANGE)(audible(plan.plan))
app.command("up", rich_help_panel=CHANGE)(audible(up.up))
app.command("rollback", rich_help_panel=CHANGE)(audible(rollback.rollback))
app.command("down", rich_help_panel=CHANGE)(audible(down.down))
app.command("scale", rich_help_panel=CHANGE)(audible(scale.scale))
app.command("cordon", rich_help_panel=CHANGE)(audible(drain.cordon))
app.command("drain", rich_help_panel=CHANGE)(audible(drain.drain))
app.command("undrain", rich_help_panel=CHANGE)(audible(drain.undrain))
app.command("status", rich_help_panel=SEE)(audible(status.status))
app.command("top", rich_help_panel=SEE)(audible(top.top))
app.command("explain", rich_help_panel=SEE)(audible(explain.explain))
app.command("events", rich_help_panel=SEE)(events.events)
app.command("history", rich_help_panel=SEE)(history.history)
app.command("logs", rich_help_panel=SEE)(audible(logs.logs))
app.command("infer", rich_help_panel=USE)(audible(infer.infer))
app.command("bench", rich_help_panel=USE)(bench.bench)
app.command("simulate", rich_help_panel=USE)(audible(simulate.simulate))
app.command("exec", rich_help_panel=USE)(audible(execute.execute))
app.add_typer(router.app, name="router", rich_help_panel=USE)
app.add_typer(controller.app, name="controller", rich_help_panel=USE)
app.add_typer(power.app, name="power", rich_help_panel=CHANGE)
app.add_typer(key.app, name="key", rich_help_panel=USE)
app.add_typer(record.app, name="record", rich_help_panel=USE)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"distctl {installed('distctl')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _stopped(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
    raise Interrupted(f"interrupted by {signal.Signals(number).name}", signal_number=number)


def _catch_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stopped)


def main() -> NoReturn:
    """Run the command line. Every known error becomes its message, its hint and its exit code."""
    _catch_signals()
    try:
        app(standalone_mode=True)
    except DistctlError as error:
        from distctl.cli.output import problem

        problem(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)
