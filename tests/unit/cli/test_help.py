"""`distctl --help` shows every command under its heading, whole sentences, and the exit codes."""

from __future__ import annotations

from typer.testing import CliRunner

from distctl.cli.main import app
from distctl.policy.verdict import EXIT_CODES


def shown() -> str:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    return result.output


def test_headings_stand_in_the_order_of_work() -> None:
    text = shown()
    places = [
        text.index(f"\n{heading}:\n")
        for heading in ("Options", "Begin", "Change", "See", "Use", "Exit codes")
    ]
    assert places == sorted(places)


def test_commands_stand_under_their_heading_with_whole_sentences() -> None:
    text = shown()
    change = text[text.index("\nChange:\n") : text.index("\nSee:\n")]
    assert [line.split()[0] for line in change.splitlines() if line.startswith("  ") and line[2] != " "] == [
        *("plan", "up", "rollback", "down", "scale", "cordon", "drain", "undrain", "power")
    ]
    assert "..." not in change


def test_every_exit_code_is_listed() -> None:
    codes = shown().partition("Exit codes:\n")[2].splitlines()
    numbers = [line[2:6].strip() for line in codes]
    assert [int(number) for number in numbers if number] == [code for code, _ in EXIT_CODES]
