"""The bounds of healing as the inventory says them, each with its default."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.app.documents import spec_document, spec_from
from distctl.cluster.healing import HealingSpec
from distctl.cluster.spec import Spec
from distctl.config import load
from distctl.errors import InventoryError


def spec_of(tmp_path: Path, healing: str) -> Spec:
    file = tmp_path / "c.yaml"
    file.write_text(f"version: 1\ncluster: c\nnodes: {{n: {{address: 10.0.0.1}}}}\n{healing}\n")
    return load(file).spec


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", HealingSpec(rise=2, fall=2, reschedule_after=300.0, share=1 / 3)),
        ("healing: {}", HealingSpec()),
        ("healing: {rise: 1, fall: 5}", HealingSpec(rise=1, fall=5)),
        ("healing: {reschedule_after: 90s}", HealingSpec(reschedule_after=90.0)),
        ("healing: {reschedule_after: never}", HealingSpec(reschedule_after=None)),
        ("healing: {share: 50%}", HealingSpec(share=0.5)),
    ],
)
def test_what_is_said_replaces_the_default(tmp_path: Path, said: str, expected: HealingSpec) -> None:
    assert spec_of(tmp_path, said).healing == expected


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("healing: {fall: 1}", "fall"),  # one bad look would be enough
        ("healing: {share: 0%}", "`0%` is out of bounds"),
        ("healing: {share: 0.5}", "a share needs its unit"),
        ("healing: {reschedule_after: 5}", "a duration needs a unit"),
        ("healing: {reschedule_after: sometimes}", "`sometimes` is no duration"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, said: str, problem: str) -> None:
    with pytest.raises(InventoryError) as caught:
        spec_of(tmp_path, said)
    assert problem in str(caught.value)


def test_the_record_keeps_the_bounds_and_old_records_have_the_defaults(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "healing: {reschedule_after: never, share: 20%}")
    document = spec_document(spec)
    assert spec_from(document).healing == spec.healing
    without = spec_document(spec_of(tmp_path, "")).replace('"healing"', '"unknown"')
    assert spec_from(without).healing == HealingSpec()
