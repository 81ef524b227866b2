"""Who may be told what a controller knows, and the token that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.adapters.telling.gate import Gate
from distctl.adapters.telling.token import token_of
from distctl.errors import DistctlError


@pytest.mark.parametrize(
    ("listens", "names", "opens"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("::1", "::1", True),
        ("localhost", "localhost", True),
        ("127.0.0.1", "evil.example", False),  # a web page whose name leads here
        ("127.0.0.1", "", False),
        ("0.0.0.0", "127.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", False),
        ("ops.example", "localhost", False),
    ],
)
def test_only_loopback_is_open_and_only_under_its_own_name(listens: str, names: str, opens: bool) -> None:
    assert Gate("t", listens).open_to(names) is opens


@pytest.mark.parametrize(
    ("header", "right"),
    [
        ("Bearer s3cret", True),
        ("bearer  s3cret ", True),
        *(
            (wrong, False)
            for wrong in ("Bearer s3cre", "Bearer", "Basic s3cret", "", "s3cret", "Bearer é\udce9")
        ),
    ],
)
def test_the_token_is_shown_by_header(header: str, right: bool) -> None:
    assert Gate("s3cret", "0.0.0.0").bearer(header) is right


def test_a_cookie_is_no_token_and_a_token_no_cookie() -> None:
    gate = Gate("s3cret", "127.0.0.1")
    assert gate.logged_in(gate.cookie) and not gate.is_token(gate.cookie)
    assert not gate.logged_in("s3cret") and not gate.logged_in(Gate("other", "127.0.0.1").cookie)


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "c.controller.token"
    token = token_of(file)
    assert len(token) >= 43 and token == token_of(file)
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_could_read_is_replaced(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "token"
    before = token_of(file)
    file.chmod(mode)
    assert token_of(file) != before and file.stat().st_mode & 0o777 == 0o600


def test_a_place_without_room_for_a_token_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DistctlError, match="no token can be kept there"):
        token_of(tmp_path / "file" / "token")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(DistctlError, match="no token can be kept there"):
        token_of(tmp_path / "link")
