"""Runs the commands that turn a node off and on, on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from distctl.errors import NodeError

PATIENCE = 20.0  # seconds for one command: below a lease's end, which nobody renews meanwhile
LAST = 5  # lines of what it said


def switch(
    node: str,
    tried: str,
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    patience: float = PATIENCE,
) -> None:
    """Run one command to its end in a folder, with variables added to this process's own.

    Raises NodeError with its last lines, in which no secret stands, when it fails or takes too long: it is
    killed with all that it has begun then.
    """
    hint = f"run `{command[0]}` by hand as the controller's user, or change `power` of {node}"
    try:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**os.environ, **environment, **secrets},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NodeError(node, tried, f"`{command[0]}` cannot be run: {reason}", hint=hint) from error
    try:
        said, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise NodeError(node, tried, f"no end within {patience:g} s", hint=hint) from error
    if process.returncode != 0:
        lines = _without(said.decode("utf-8", "replace"), secrets.values()).strip().splitlines()[-LAST:]
        problem = f"`{command[0]}` ended with {process.returncode}" + (f": {lines[-1]}" if lines else "")
        raise NodeError(node, tried, problem, output=lines, hint=hint)


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
