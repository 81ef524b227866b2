"""The exit codes are one table, wherever it is printed."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from typer.testing import CliRunner

from distctl import errors
from distctl.cli.main import app
from distctl.policy.verdict import EXIT_CODES

PAGE = Path(__file__).parents[3] / "docs" / "exit-codes.md"


def test_documentation_has_the_table_of_the_program() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple((int(code), meaning) for code, meaning in rows) == EXIT_CODES


def test_help_prints_the_whole_table() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    assert all(f"{code} {meaning}" in shown for code, meaning in EXIT_CODES)


def test_every_error_ends_with_a_code_of_the_table() -> None:
    codes = {code for code, _ in EXIT_CODES}
    classes = [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.DistctlError)
    ]
    assert len(classes) > 20
    assert {c.exit_code for c in classes} <= codes
