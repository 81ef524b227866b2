"""Secrets are read from their place, whole and only once asked for, and never print themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from distctl.app.compose import once
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


def test_a_file_that_others_can_read_is_warned_of_once_however_often_it_is_read(tmp_path: Path) -> None:
    said: list[str] = []
    warn = once(said.append)
    for name in ("one", "two"):
        (tmp_path / name).write_text("hunter2")
        (tmp_path / name).chmod(0o644)
        for _ in range(3):
            assert resolve(SecretRef("file", (name,)), tmp_path, warn=warn) == "hunter2"
    assert said == [f"{f} can be read by others: chmod 600 {f}" for f in (tmp_path / "one", tmp_path / "two")]


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
