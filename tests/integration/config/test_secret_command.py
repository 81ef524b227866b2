"""A secret's command, really run: its output, its failures in plain words, and none of its arguments."""

from pathlib import Path

import pytest

from distctl.cluster.spec import SecretRef
from distctl.config.secrets import resolve
from distctl.errors import InputError


def command(*words: str) -> SecretRef:
    return SecretRef("command", words)


def test_a_command_is_run_without_a_shell_in_the_inventorys_folder(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("$HOME; hunter2\n")
    assert resolve(command("cat", "pw"), tmp_path) == "$HOME; hunter2"


def test_a_command_that_fails_tells_its_last_line_and_no_argument(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        resolve(command("sh", "-c", "echo first >&2; echo locked >&2; exit 3 # hunter2"), tmp_path)
    assert caught.value.message == "the secret's command `sh` ended with 3: locked"


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`no-such-program` cannot be run: No such file"):
        resolve(command("no-such-program"), tmp_path)


def test_a_command_with_several_lines_says_how_to_take_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than one line") as caught:
        resolve(command("printf", "hunter2\\nlogin: me\\n"), tmp_path)
    assert "head -n 1" in caught.value.hint
