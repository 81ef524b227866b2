"""The disk of the record fills up under a controller: it says so, loses nothing, and waits for room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from controlled import Controller
from hosts import demand
from local_cluster import LocalCluster, local_cluster
from test_controller import fetched

pytestmark = pytest.mark.hosts  # a file system is mounted
Figure = Callable[[str], None]
BLOCK = 4096


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    demand("" if os.geteuid() == 0 else "mounting a disk needs root")
    folder = tmp_path / "small"
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "small", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def cluster(small: Path) -> Iterator[LocalCluster]:
    with local_cluster(nodes=1, models={"simple": 1}) as made:
        made.spec["store"] = {"url": f"sqlite:///{small / 'prod.db'}"}
        made.spec["controller"] = {"listen": f"127.0.0.1:{made.ports['http'] + 5}"}
        made.write()
        made.up()
        yield made


def fill(folder: Path) -> Path:
    """A file that leaves no block."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as sink:
        try:
            while True:
                sink.write(bytes(BLOCK))
        except OSError:
            return filler


def test_a_full_disk_is_told_and_room_is_all_it_takes(
    cluster: LocalCluster, small: Path, figure: Figure
) -> None:
    metrics = f"http://{cluster.spec['controller']['listen']}/metrics"
    cluster.run("scale", "simple=1", "-m", "as before")
    with cluster.load("simple:http", "simple:grpc") as load, Controller(cluster) as controller:
        controller.wait_for("pass", "nothing is to be done")
        filler = fill(small)
        controller.wait_for("error", "nothing is begun without the record")
        controller.wait_for("error", "see that its disk has room")
        assert "distctl_controller_record_usable 0.0" in fetched(metrics)
        refused = cluster.run("scale", "simple=0", check=1)
        assert "is full" in refused.err and "see that its disk has room" in refused.err
        assert "as before" in cluster.run("status", "-o", "json").out
        filler.unlink()
        controller.wait_for("record", "it could not be used for")
        controller.wait_for("leading", "this controller leads")
        cluster.run("scale", "simple=auto")
        assert len(controller.said("error")) == 1, "it is said once"
    figure(f"disk of the record full: {controller.said('record')[0]}")
    load.report.require_whole()
    kinds = [event["kind"] for event in cluster.json("events")["events"]]
    assert kinds.count("record") == 1 and kinds.count("scale") == 2
