"""Where the controller listens, as the inventory says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.app import telling
from distctl.cluster.spec import Endpoint
from distctl.config import Inventory, load
from distctl.errors import InputError, InventoryError


def inventory(tmp_path: Path, said: str) -> Inventory:
    file = tmp_path / "c.yaml"
    file.write_text(f"version: 1\ncluster: c\nnodes: {{n: {{address: 10.0.0.1}}}}\n{said}\n")
    return load(file)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", None),
        ("controller: {}", None),
        ("controller: {listen: 127.0.0.1:8090}", Endpoint("127.0.0.1", 8090)),
        ('controller: {listen: "[::1]:8090"}', Endpoint("::1", 8090)),
        ("controller: {listen: ops.example.com:80}", Endpoint("ops.example.com", 80)),
    ],
)
def test_it_listens_where_it_is_said_and_else_nowhere(
    tmp_path: Path, said: str, expected: Endpoint | None
) -> None:
    assert inventory(tmp_path, said).listen == expected
    assert telling.place(inventory(tmp_path, said), "127.0.0.1:1") == Endpoint("127.0.0.1", 1)


@pytest.mark.parametrize("said", ["8090", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "::1:8090", "a b:1"])
def test_what_is_no_place_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(InventoryError, match=r"c\.yaml:4"):
        inventory(tmp_path, f'controller: {{listen: "{said}"}}')
    with pytest.raises(InputError):
        telling.place(inventory(tmp_path, ""), said)


def test_the_link_has_the_token_and_prometheus_is_told_of_it_where_it_needs_one(tmp_path: Path) -> None:
    near, far = (
        inventory(tmp_path, f"controller: {{listen: {host}:8090}}") for host in ("127.0.0.1", "0.0.0.0")
    )
    token = telling.token_file(near)
    link = telling.link(far, None)
    assert link == f"http://127.0.0.1:8090/login?token={token.read_text().strip()}"
    known, strange = telling.desk(near), telling.desk(far)
    assert known and strange and (known.token, strange.token) == ("", str(token))
    with pytest.raises(InputError, match="serves no page"):
        telling.link(inventory(tmp_path, ""), None)
    assert telling.desk(inventory(tmp_path, "")) is None
