"""Admission, keys, TLS and limits as the inventory says them; nothing of it where nothing is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.cluster.spec import Admission, Limits, SecretRef, Spec, TlsSpec
from distctl.config import load


@pytest.fixture
def spec_of(tmp_path: Path):
    def loaded(model: str = "", router: str = "") -> Spec:
        file = tmp_path / "c.yaml"
        file.write_text(
            "version: 1\ncluster: c\nnodes: {n: {address: 10.0.0.1}}\n"
            f"models: {{m: {{source: 'node:/m'{model}}}}}\nrouters: {{main: {{on: [n]{router}}}}}\n"
        )
        return load(file).spec

    return loaded


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", None),
        (", timeouts: {total: 5s}", None),
        (", concurrency: auto", Admission(0, 100, 10.0)),
        (", concurrency: 8", Admission(8, 100, 10.0)),
        (", queue: {length: 5}", Admission(0, 5, 10.0)),
        (", timeouts: {queue: 2s}", Admission(0, 100, 2.0)),
        (", concurrency: 4, queue: {length: 5}, timeouts: {queue: 500ms}", Admission(4, 5, 0.5)),
    ],
)
def test_any_of_three_keys_begins_admission(spec_of, said: str, expected: Admission | None) -> None:
    assert spec_of(said).model("m").admission == expected


def test_router_says_nothing_unless_it_is_written(spec_of) -> None:
    router = spec_of().router("main")
    assert (router.tls, router.auth, router.limits) == (None, "none", Limits())


def test_router_keeps_the_place_of_its_private_key_and_no_key(spec_of, tmp_path: Path) -> None:
    tls = "{certificate: tls/a.crt, key: {file: tls/a.key}, client_ca: tls/ca.crt}"
    router = spec_of(
        "", f", auth: keys, tls: {tls}, limits: {{body: 1MiB, connections: 9, upload: 5s}}"
    ).router("main")
    place = SecretRef("file", ("tls/a.key",))
    assert router.tls == TlsSpec(tmp_path / "tls/a.crt", place, tmp_path / "tls/ca.crt")
    assert (router.auth, router.limits) == ("keys", Limits(1024 * 1024, 0, 9, 5.0))
