"""A router with TLS, keys and admission, made and changed by the real command line over real Tritons."""

from __future__ import annotations

import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import certificates
import pytest
from local_cluster import LocalCluster, local_cluster

AUTHORITY = certificates.make("authority")


def write_certificate(folder: Path, name: str) -> int:
    """A fresh certificate where the inventory says; its serial number."""
    made = certificates.make(name, AUTHORITY)
    (folder / "router.crt").write_text(made.pem)
    (folder / "router.key").write_text(made.key)
    (folder / "router.key").chmod(0o600)
    return int(made.certificate.serial_number)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    tls = {"certificate": "router.crt", "key": {"file": "router.key"}}
    router = {"tls": tls, "auth": "keys", "limits": {"body": "1MiB"}}
    models = {"digits": {"replicas": 2, "concurrency": "auto"}}
    with local_cluster(models=models, router=router) as cluster:
        write_certificate(cluster.folder, "first")
        cluster.up()
        yield cluster


def key_file(cluster: LocalCluster, name: str, *words: str) -> Path:
    """A new key, as its holder would keep it."""
    made = cluster.run("key", "add", name, *words)
    assert made.out.startswith("dk_") and len(made.out.split()) == 1, made
    file = cluster.folder / f"{name}.key"
    file.write_text(made.out)
    return file


def test_keys_are_made_used_and_ended_and_stand_nowhere_else(cluster: LocalCluster) -> None:
    refused = cluster.run("infer", "digits", check=1)
    assert "401: this router needs an API key" in refused.err
    file = key_file(cluster, "ci", "--rate", "50", "--concurrency", "8", "--models", "digits")
    for how in ((), ("--grpc",)):
        answer = cluster.json("infer", "digits", "--key-file", str(file), *how)
        assert answer["outputs"]
    kept = [p for p in cluster.folder.rglob("*") if p.is_file() and p != file]
    assert not any(file.read_bytes().strip() in path.read_bytes() for path in kept)
    (listed,) = cluster.json("key", "list")["keys"]
    assert (listed["name"], listed["rate"], listed["concurrency"], listed["models"]) == (
        "ci",
        50,
        8,
        ["digits"],
    )
    again = cluster.run("key", "add", "ci", check=2)
    assert again.out == "" and "there is a key 'ci' already" in again.err
    cluster.run("key", "rm", "ci")
    assert "401" in cluster.run("infer", "digits", "--key-file", str(file), check=1).err
    assert "there is no key 'ci'" in cluster.run("key", "rm", "ci", check=2).err


def test_renewed_certificate_is_planned_and_brought_without_a_reload(cluster: LocalCluster) -> None:
    worker = cluster.json("status")["routers"]
    serial = write_certificate(cluster.folder, "second")
    plan = cluster.run("plan")
    assert "its keys, certificate or limits changed: without a reload" in plan.out
    cluster.up()
    shown = ssl.get_server_certificate(("127.0.0.1", cluster.ports["http"]))
    assert certificates.x509.load_pem_x509_certificate(shown.encode()).serial_number == serial
    assert cluster.json("status")["routers"] == worker
    cluster.nothing_to_do()


def test_unfit_certificate_is_refused_before_anything_changes(cluster: LocalCluster) -> None:
    key = cluster.folder / "router.key"
    good = key.read_text()
    key.write_text(certificates.make("other").key)
    try:
        refused = cluster.run("up", "-y", check=2)
        assert "routers.main.tls.key is the key of another certificate" in refused.err
    finally:
        key.write_text(good)


def test_log_of_requests_names_the_key_and_is_followed_until_ctrl_c(cluster: LocalCluster) -> None:
    file = key_file(cluster, "told")
    follower = cluster.begin("logs", "main", "-f", "--key", "told", "-o", "json")
    assert follower.stdout is not None
    cluster.run("infer", "digits", "--grpc", "--key-file", str(file))
    said = json.loads(follower.stdout.readline())
    assert (said["router"], said["key"], said["model"]) == ("main@local", "told", "digits")
    assert (said["protocol"], said["how"], said["tries"]) == ("grpc", "", 1)
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=20)
    assert (follower.returncode, out, err) == (0, "", "")
    cluster.run("infer", "digits", check=1)  # without a key
    (row,) = cluster.run("logs", "main", "--errors", "--since", "1m", "-n", "1").out.splitlines()
    assert " 401 " in row and "the router answered itself" in row
    everything = cluster.run("logs", "main").out
    assert "Server any:r/n1.0 is UP" in everything and f"key told, {said['request']}" in everything
    assert said["server"] in cluster.run("logs", "main", "--request", said["request"]).out
    secret = file.read_text().strip().encode()
    folder = cluster.root("local") / "units" / "router-main"
    assert not any(secret in log.read_bytes() for log in folder.glob("*log*"))
    assert "soon" in cluster.run("logs", "main", "--slow", "soon", check=2).err
    assert "is no router" in cluster.run("logs", "n1", "--errors", check=2).err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_router_of_root_runs_as_nobody(cluster: LocalCluster) -> None:
    master = cluster.process("local", "router-main")
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    uids = [Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0] for pid in children]
    assert uids and set(uids) == {"65534"}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_load_to_measure_by_goes_in_with_a_key_and_by_tls(cluster: LocalCluster, protocol: str) -> None:
    words = ("digits", "--protocol", protocol, "--concurrency", "2", "--requests", "20", "--warmup", "0s")
    refused = cluster.run("bench", *words, check=1)
    assert "needs an API key" in refused.err
    file = key_file(cluster, f"measure-{protocol}")
    (step,) = cluster.json("bench", *words, "--key-file", str(file))["steps"]
    assert (step["requests"], step["failed"]) == (20, 0)
