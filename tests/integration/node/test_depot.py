"""What is pushed lies on the node whole or not at all, and only what is not there is sent."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from node_parts import Place, folder_of, make_place

from distctl.cluster.content import Archive, Folder
from distctl.errors import NodeError

BIG = b"weights" * 100_000


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder here, with two files of one content and one that is run."""
    root = tmp_path / "source" / "m"
    (root / "1").mkdir(parents=True)
    (root / "config.pbtxt").write_text("a")
    (root / "1" / "weights.bin").write_bytes(BIG)
    (root / "1" / "copy of weights.bin").write_bytes(BIG)
    (root / "1" / "run.sh").write_text("#!/bin/sh\n")
    (root / "1" / "run.sh").chmod(0o755)
    return root


def push(place: Place, root: Path) -> Folder:
    folder = folder_of(root)
    place.site.push("m", folder)
    return folder


def test_a_pushed_model_is_what_was_sent(place, model):
    folder = push(place, model)
    assert place.site.look().models == {"m": frozenset({folder.digest})}
    assert folder_of(place.path("models", "m", folder.digest)).digest == folder.digest
    assert not list(place.path("uploads").iterdir())
    assert len(place.connector.put_targets) == 3, "one content is sent once"


def test_pushing_again_sends_nothing(place, model):
    push(place, model)
    sent = len(place.connector.put_targets)
    push(place, model)
    assert len(place.connector.put_targets) == sent


def test_a_new_version_sends_only_the_changed_file_and_shares_the_rest(place, model):
    before = push(place, model)
    sent = len(place.connector.put_targets)
    (model / "config.pbtxt").write_text("b")
    (model / "1" / "weights.bin").rename(model / "1" / "renamed.bin")
    after = push(place, model)
    assert len(place.connector.put_targets) == sent + 1
    assert place.site.look().models == {"m": frozenset({before.digest, after.digest})}
    shared = place.path("models", "m", after.digest, "1", "renamed.bin").stat()
    assert shared.st_ino == place.path("models", "m", before.digest, "1", "weights.bin").stat().st_ino


def test_a_push_that_was_cut_goes_on_with_what_had_arrived(place, model):
    folder = folder_of(model)
    weights = next(file for file in folder.files if file.path.endswith("/weights.bin"))
    arrived = place.path("uploads", "before", "m", weights.sha256)
    arrived.parent.mkdir(parents=True)
    arrived.write_bytes(BIG)
    place.site.push("m", folder)
    assert not any(target.endswith(arrived.name) for target in place.connector.put_targets)
    assert folder.digest in place.site.look().models["m"]


def test_what_arrived_damaged_is_not_put_in_place_and_not_kept(place, model):
    folder = folder_of(model)
    weights = next(file for file in folder.files if file.path.endswith("/weights.bin"))
    arrived = place.path("uploads", "before", "m", weights.sha256)
    arrived.parent.mkdir(parents=True)
    arrived.write_bytes(BIG[:-1])
    with pytest.raises(NodeError, match="not what was sent") as raised:
        place.site.push("m", folder)
    assert any("weights.bin" in line for line in raised.value.output)
    assert place.site.look().models == {}
    place.site.push("m", folder)
    assert folder.digest in place.site.look().models["m"]


def test_prune_removes_what_is_not_named(place, model):
    before = push(place, model)
    (model / "config.pbtxt").write_text("b")
    after = push(place, model)
    place.path("runtime", "old").mkdir(parents=True)
    place.path("runtime", "new").mkdir()
    place.site.prune({"m": frozenset({after.digest})}, frozenset({"new"}))
    sight = place.site.look()
    assert (sight.models, sight.runtimes) == ({"m": frozenset({after.digest})}, frozenset({"new"}))
    assert before.digest != after.digest
    place.site.prune({}, frozenset())
    assert (place.site.look().models, place.site.look().runtimes) == ({}, frozenset())


def test_a_runtime_is_there_only_when_it_is_whole(place, tmp_path):
    damaged = tmp_path / "r.tar.gz"
    damaged.write_bytes(b"this is no archive")
    with pytest.raises(NodeError, match="not what was sent"):
        place.site.install(Archive(damaged, "r1", 18, 18))
    assert place.site.look().runtimes == frozenset()


def test_progress_is_told_in_bytes(place, model):
    told = []
    place.site.push("m", folder_of(model), progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == len(BIG) + 1 + len("#!/bin/sh\n")


@pytest.fixture
def small(tmp_path: Path):
    """A node on a file system of 40 MB."""
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", mount], check=True)
    made = make_place(mount, lambda version: version)
    made.claim()
    yield made
    subprocess.run(["umount", mount], check=True)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_sent(small, model, tmp_path):
    (model / "1" / "weights.bin").write_bytes(os.urandom(30_000_000))
    with pytest.raises(NodeError, match=r"the disk has 4\d MB free and 3\d MB are needed") as raised:
        push(small, model)
    assert "directory" in raised.value.hint
    archive = tmp_path / "r.tar.gz"
    archive.write_bytes(b"x")
    with pytest.raises(NodeError, match="900 MB are needed"):
        small.site.install(Archive(archive, "r1", 300_000_000, 600_000_000))
    assert small.connector.put_targets == []
    assert small.site.look().models == {}
