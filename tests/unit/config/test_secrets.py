"""Secrets are read from their place, whole and only once asked for, and never print themselves."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from distctl.cluster.spec import SecretRef
from distctl.config.secrets import Secret, read, resolve
from distctl.errors import InputError


def test_a_secret_never_prints_itself() -> None:
    secret = Secret("hunter2")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", str([secret])]
    assert not any("hunter2" in text for text in shown)
    assert str(secret) == "[REDACTED]"
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert secret.reveal() == "hunter2"


def test_a_variable_is_read_from_the_environment_given() -> None:
    assert read(SecretRef("env", ("PW",)), Path(), environ={"PW": "x y"}).reveal() == "x y"


def test_a_variable_that_is_not_set_says_how_to_set_it() -> None:
    with pytest.raises(InputError, match="PW is not set") as caught:
        read(SecretRef("env", ("PW",)), Path(), environ={})
    assert caught.value.hint == "read -rs PW && export PW"


def test_a_file_is_relative_to_the_inventory_and_loses_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("hunter2 \n")
    (tmp_path / "pw").chmod(0o600)
    assert resolve(SecretRef("file", ("pw",)), tmp_path) == "hunter2 "


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "pw").write_text("hunter2")
    (tmp_path / "pw").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        resolve(SecretRef("file", ("pw",)), tmp_path)
    assert "chmod 600" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"a\nb\n", "more than one line"), (b"\xff", "not UTF-8")],
)
def test_a_file_that_holds_no_password_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "pw").write_bytes(content)
    (tmp_path / "pw").chmod(0o600)
    with pytest.raises(InputError, match=told):
        resolve(SecretRef("file", ("pw",)), tmp_path)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(InputError, match="larger than 64 KiB"):
        resolve(SecretRef("file", ("/dev/zero",)), Path("/"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pw cannot be read: No such file"):
        resolve(SecretRef("file", ("pw",)), tmp_path)


def test_a_command_runs_in_the_inventorys_folder(tmp_path: Path) -> None:
    asked: list[tuple[tuple[str, ...], Path]] = []

    def run(command: Sequence[str], folder: Path) -> bytes:
        asked.append((tuple(command), folder))
        return b"hunter2\n"

    assert read(SecretRef("command", ("pass", "show", "x")), tmp_path, run=run).reveal() == "hunter2"
    assert asked == [(("pass", "show", "x"), tmp_path)]
