"""How nodes are turned off and on, as the inventory says it at each level."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.app.documents import spec_document, spec_from
from distctl.cluster.power import PowerSpec
from distctl.cluster.spec import SecretRef, Spec
from distctl.config import load
from distctl.errors import InventoryError

BOTH = "power: {on: [wake, '{node}'], off: [rest, '{node}']}"


def spec_of(tmp_path: Path, top: str, node: str = "address: 10.0.0.1") -> Spec:
    file = tmp_path / "c.yaml"
    file.write_text(f"version: 1\ncluster: c\nnodes:\n  n: {{{node}}}\n  lb: {{servers: none}}\n{top}\n")
    return load(file).spec


def test_without_it_a_node_is_never_turned_off(tmp_path: Path) -> None:
    assert spec_of(tmp_path, "").node("n").power is None


def test_what_all_share_does_not_count_where_no_server_runs(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, BOTH)
    assert spec.node("n").power == PowerSpec(("wake", "{node}"), ("rest", "{node}"), {}, 1800.0, 300.0)
    assert spec.node("lb").power is None


def test_a_node_says_its_own_beside_what_all_share_and_the_record_keeps_it(tmp_path: Path) -> None:
    own = "power: {on: [wol, aa], idle_for: 5m, environment: {KEY: {env: POWER_KEY}}}"
    spec = spec_of(tmp_path, BOTH, own)
    assert spec.node("n").power == PowerSpec(
        ("wol", "aa"), ("rest", "{node}"), {"KEY": SecretRef("env", ("POWER_KEY",))}, 300.0, 300.0
    )
    assert spec_from(spec_document(spec)).node("n").power == spec.node("n").power


@pytest.mark.parametrize(
    ("top", "node", "problem"),
    [
        (
            "power: {on: [wake]}",
            "",
            ":6: power: `off` is missing for node n; write `off: [PROGRAM, ARGUMENT]`",
        ),
        ("power: {idle_for: 5m}", "", "`off` is missing for node n"),
        ("power: {on: wake, off: [rest]}", "", "power.on: must be a list"),
        ("power: {on: [], off: [rest]}", "", "power.on"),
        ("power: {on: [wake], off: [rest], boot: 5}", "", "a duration needs a unit"),
        ("power: {on: [wake], off: [rest], environment: {KEY: abc}}", "", "a secret must not stand"),
        ("power: {on: [wake], off: [rest], idel_for: 5m}", "", "did you mean `idle_for`"),
        ("", f"{BOTH}, connection: local", "`power` has no effect: n is this machine; remove it here"),
        ("", f"{BOTH}, servers: none", "`power` has no effect: no server is meant to run on n"),
        ("", f"{BOTH}, runtime: {{kind: external}}", "what runs on n is not started by distctl"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, top: str, node: str, problem: str) -> None:
    with pytest.raises(InventoryError) as caught:
        spec_of(tmp_path, top, node)
    assert problem in f"{caught.value.message}; {caught.value.hint}"
