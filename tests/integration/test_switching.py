"""The commands that turn nodes off and on: what they are given, and how they may fail."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from distctl.adapters.switching import switch
from distctl.errors import NodeError

SECRET = {"KEY": "s3cret"}


def run(folder: Path, script: str, *, patience: float = 20.0) -> None:
    switch(
        "gpu01",
        "turn it on",
        ["sh", "-c", script],
        folder=folder,
        environment={"DISTCTL_NODE": "gpu01"},
        secrets=SECRET,
        patience=patience,
    )


def test_a_command_runs_in_the_folder_with_the_node_and_its_secrets_in_the_environment(
    tmp_path: Path,
) -> None:
    run(tmp_path, 'echo "$DISTCTL_NODE $KEY" > said')
    assert (tmp_path / "said").read_text() == "gpu01 s3cret\n"


def test_one_that_fails_is_told_with_its_last_lines_and_no_secret(tmp_path: Path) -> None:
    with pytest.raises(NodeError) as caught:
        run(tmp_path, 'echo begun; echo "bad key $KEY" >&2; exit 3')
    assert caught.value.message == "gpu01: turn it on: `sh` ended with 3: bad key ***"
    assert caught.value.output == ("begun", "bad key ***")


def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(NodeError, match=r"no end within 0\.5 s"):
        run(tmp_path, "(sleep 3; touch late) & sleep 60", patience=0.5)
    assert time.monotonic() - begun < 3
    time.sleep(3.2)
    assert not (tmp_path / "late").exists()


def test_one_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="`no-such-program` cannot be run: No such file"):
        switch("gpu01", "turn it on", ["no-such-program"], folder=tmp_path, environment={}, secrets={})
