"""Which inventory is meant, when none, one or several could be."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.config import find
from distctl.errors import InputError


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()


def test_the_order_is_option_variable_cluster_yaml_inventory_folder(tmp_path: Path) -> None:
    named, environ = tmp_path / "other.yaml", {"DISTCTL_INVENTORY": "env.yaml"}
    touch(tmp_path / "inventory/prod.yaml")
    assert find(None, {}, tmp_path) == tmp_path / "inventory/prod.yaml"
    touch(tmp_path / "cluster.yaml")
    assert find(None, {}, tmp_path) == tmp_path / "cluster.yaml"
    touch(tmp_path / "env.yaml")
    assert find(None, environ, tmp_path) == tmp_path / "env.yaml"
    assert find(Path("other.yaml"), environ, tmp_path) == named


def test_an_empty_variable_is_no_variable(tmp_path: Path) -> None:
    touch(tmp_path / "cluster.yaml")
    assert find(None, {"DISTCTL_INVENTORY": ""}, tmp_path) == tmp_path / "cluster.yaml"


def test_a_variable_that_names_nothing_is_not_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "cluster.yaml")
    with pytest.raises(InputError, match=r"DISTCTL_INVENTORY names .*gone\.yaml"):
        find(None, {"DISTCTL_INVENTORY": "gone.yaml"}, tmp_path)


def test_several_inventories_are_listed(tmp_path: Path) -> None:
    touch(
        tmp_path / "inventory/prod.yaml", tmp_path / "inventory/local.yaml", tmp_path / "inventory/notes.txt"
    )
    with pytest.raises(InputError, match=r"inventory/local\.yaml, inventory/prod\.yaml") as caught:
        find(None, {}, tmp_path)
    assert caught.value.hint == "choose one: -i inventory/local.yaml"


def test_no_inventory_says_how_to_begin_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find(None, {}, tmp_path)
    assert "distctl init" in caught.value.hint
