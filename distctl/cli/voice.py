"""How much a command says: `-q` only results and errors, `-v` each remote step, `-vv` its script too."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from distctl.adapters.tracing import Trace

QUIET, NORMAL, STEPS, SCRIPTS = -1, 0, 1, 2

_level: ContextVar[int] = ContextVar("verbosity", default=NORMAL)

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "quiet": (
        Annotated[bool, typer.Option("-q", "--quiet", help="Only results and errors.")],
        False,
    ),
    "verbose": (
        Annotated[
            int,
            typer.Option(
                "-v",
                "--verbose",
                count=True,
                help="Each remote step with its time; -vv: its script too.",
                show_default=False,
            ),
        ],
        0,
    ),
}


def level() -> int:
    """What the command that runs was told: QUIET, NORMAL, STEPS or SCRIPTS."""
    return _level.get()


def audible(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options --quiet and --verbose."""

    @wraps(command)
    def run(*args: Any, quiet: bool, verbose: int, **options: Any) -> None:
        if quiet and verbose:
            raise typer.BadParameter("--quiet and --verbose at once")
        token = _level.set(QUIET if quiet else min(verbose, SCRIPTS))
        try:
            command(*args, **options)
        finally:
            _level.reset(token)

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _OPTIONS.items()
    ]
    parameters = [*inspect.signature(command, eval_str=True).parameters.values(), *added]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def trace_lines(trace: Trace, how: int) -> list[str]:
    """A remote step as it is printed at a level."""
    ending = f": {trace.problem}" if trace.problem else ""
    lines = [f"{trace.node}: {trace.tried}: {trace.seconds:.2f} s{ending}"]
    if how >= SCRIPTS:
        lines += [f"  > {line}" for line in trace.script.splitlines()]
    return lines
