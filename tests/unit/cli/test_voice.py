"""--quiet leaves results and errors, --verbose adds remote steps; the commands keep their own options."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from distctl.adapters.tracing import Trace
from distctl.cli.main import app
from distctl.cli.output import note, problem
from distctl.cli.voice import SCRIPTS, STEPS, audible, level, trace_lines
from distctl.errors import DistctlError

TRACE = Trace("gpu01", "looking at the node", 0.314, "cat a\ncat b", "status 3")


def speak(name: Annotated[str, typer.Option("--name", help="Whose.")] = "x") -> None:
    """Say everything that there is to say."""
    typer.echo(f"result {name} {level()}")
    note("remark")
    problem(DistctlError("bad"))


def said(*words: str) -> tuple[str, str]:
    program = typer.Typer(pretty_exceptions_enable=False)
    program.command()(audible(speak))
    done = CliRunner().invoke(program, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "number"), [((), 0), (("-v",), 1), (("-vv",), 2), (("-vvvv",), 2), (("-q",), -1)]
)
def test_quiet_drops_remarks_and_nothing_else(words: tuple[str, ...], number: int) -> None:
    stdout, stderr = said("--name", "ann", *words)
    assert stdout == f"result ann {number}\n"
    assert stderr == ("error: bad\n" if number < 0 else "remark\nerror: bad\n")
    assert level() == 0, "the next command begins anew"


def test_quiet_and_verbose_at_once_are_refused() -> None:
    program = typer.Typer(pretty_exceptions_enable=False)
    program.command()(audible(speak))
    assert CliRunner().invoke(program, ["-q", "-v"]).exit_code == 2


def test_scripts_are_shown_at_the_second_level_alone() -> None:
    first = "gpu01: looking at the node: 0.31 s: status 3"
    assert trace_lines(TRACE, STEPS) == [first]
    assert trace_lines(TRACE, SCRIPTS) == [first, "  > cat a", "  > cat b"]


@pytest.mark.parametrize("command", ["up", "down", "plan", "drain", "scale", "doctor", "status", "exec"])
def test_commands_that_work_on_nodes_have_both(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"]).output
    assert "--quiet" in shown and "--verbose" in shown and "--inventory" in shown
