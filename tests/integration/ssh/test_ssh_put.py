"""Copies over a real sshd: whole or not at all, resumed after a cut, many at once."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import replace

import pytest
from relay import Relay

from distctl.cluster.spec import Become, SecretRef
from distctl.errors import CommandFailed, DeadlineExceeded, NodeError, Unreachable
from distctl.ports import Upload

pytestmark = pytest.mark.hosts

MB = 1024 * 1024


@pytest.fixture(scope="module")
def gpu(shared):
    host = shared.add("gpu01", size="256m")
    host.add_user("ops", password="login-pw", sudo="password")
    host.add_user("plain")
    return host


@pytest.fixture
def put(operator, shared, gpu):
    connections = operator(shared)

    def put(*uploads, progress=None, **ssh):
        connections.connector(gpu.node(**ssh)).put(uploads, deadline=60, progress=progress)

    return put


def parts(host, folder):
    return host.run(f"ls -A {folder}").stdout.split()


def test_files_and_bytes_arrive_with_their_modes_and_parents(put, gpu, tmp_path):
    source = tmp_path / "big"
    source.write_bytes(os.urandom(5 * MB + 17))
    put(
        Upload(source, "/srv/a/b/big", 0o755),
        Upload(b"key", "/srv/a/c/key", 0o600),
        Upload(b"", "/srv/a/c/empty"),
    )
    assert gpu.read("/srv/a/b/big") == source.read_bytes()
    assert gpu.read("/srv/a/c/key") == b"key" and gpu.read("/srv/a/c/empty") == b""
    assert gpu.run("stat -c %a /srv/a/b/big /srv/a/c/key /srv/a/c/empty").stdout.split() == [
        "755",
        "600",
        "644",
    ]
    assert parts(gpu, "/srv/a/b") == ["big"]


def test_a_copy_replaces_what_was_there_and_an_open_reader_keeps_the_old(put, gpu):
    put(Upload(b"old", "/srv/r/file"))
    with (gpu._root / "srv/r/file").open() as reader:
        put(Upload(b"new", "/srv/r/file"))
        assert reader.read() == "old"
    assert gpu.read("/srv/r/file") == b"new"


def test_names_with_spaces_quotes_and_other_alphabets_arrive(put, gpu):
    names = ["a b", "it's", 'quo"te', "größe", "-rf", "$(x)"]
    put(*[Upload(name.encode(), f"/srv/names/{name}") for name in names])
    assert {path.name for path in (gpu._root / "srv/names").iterdir()} == set(names)


def test_a_thousand_small_files_take_seconds_on_a_link_of_20_ms(operator, hosts):
    far = hosts.add("far")
    with Relay(far.address, 22, delay=0.01) as relay:
        node = replace(far.node(port=relay.port, known_hosts=relay.known_hosts(far)), address="127.0.0.1")
        connector = operator(hosts).connector(node)
        connector.run("true", tried="x", deadline=10)
        began = time.monotonic()
        connector.put([Upload(b"%d" % number, f"/srv/many/{number}") for number in range(1000)], deadline=60)
        assert time.monotonic() - began < 12, "six round trips each, one after the other, would take 120 s"
    assert far.run("ls /srv/many | wc -l").stdout.strip() == "1000"


def test_progress_counts_every_byte_once(put):
    seen: list[tuple[int, int]] = []
    put(
        Upload(b"x" * 3 * MB, "/srv/p/1"),
        Upload(b"y" * 1000, "/srv/p/2"),
        progress=lambda *at: seen.append(at),
    )
    assert seen[-1] == (3 * MB + 1000, 3 * MB + 1000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_with_become_root_owns_what_arrives_and_the_stage_is_empty_again(put, gpu):
    become = Become(SecretRef("env", ("login-pw",)))
    put(
        Upload(b"secret", "/etc/new/file", 0o640),
        Upload(b"x" * 2 * MB, "/etc/new/big"),
        user="ops",
        become=become,
    )
    assert gpu.run("stat -c '%U %a' /etc/new/file").stdout == "root 640\n"
    assert gpu.read("/etc/new/big") == b"x" * 2 * MB
    assert gpu.run("stat -c '%U %a' /home/ops/.distctl-staging").stdout == "ops 700\n"
    assert parts(gpu, "/home/ops/.distctl-staging") == []


def test_no_permission_is_said_with_what_to_set(put):
    with pytest.raises(NodeError, match="gpu01: copying /etc/distctl-x: permission denied") as caught:
        put(Upload(b"x", "/etc/distctl-x"), user="plain")
    assert "ssh.become" in caught.value.hint


def test_a_source_that_is_not_there_is_no_fault_of_the_connection(put, tmp_path):
    with pytest.raises(NodeError, match="No such file") as caught:
        put(Upload(tmp_path / "none", "/srv/none"))
    assert not isinstance(caught.value, Unreachable)


def test_a_full_disk_is_said_and_what_was_written_is_taken_away(operator, hosts):
    small = hosts.add("small", size="16m")
    connector = operator(hosts).connector(small.node())
    with pytest.raises(NodeError, match="small: copying /srv/m/model: the disk is full") as caught:
        connector.put([Upload(b"x" * 40 * MB, "/srv/m/model")], deadline=30)
    assert "free space" in caught.value.hint
    assert parts(small, "/srv/m") == []
    connector.put([Upload(b"fits", "/srv/m/model")], deadline=10)
    assert small.read("/srv/m/model") == b"fits"


def test_a_full_disk_under_become_is_told_in_the_nodes_own_words(operator, hosts):
    small = hosts.add("small", size="24m")
    small.add_user("free", sudo="free")
    connector = operator(hosts).connector(small.node(user="free", become=Become()))
    with pytest.raises(CommandFailed) as caught:
        connector.put([Upload(b"x" * 14 * MB, "/srv/m/model")], deadline=30)
    assert "No space left on device" in caught.value.output[-1]


def test_a_cut_copy_goes_on_where_it_stopped_and_is_right(operator, hosts, tmp_path):
    far = hosts.add("far")
    source = tmp_path / "weights"
    source.write_bytes(os.urandom(40 * MB))
    upload = Upload(source, "/srv/m/weights", 0o644)
    connector = operator(hosts).connector(far.node())
    connector.run("true", tried="x", deadline=5)
    far.limit("100mbit")
    threading.Timer(1.2, far.cut).start()
    with pytest.raises(DeadlineExceeded, match="far: copying /srv/m/weights"):
        connector.put([upload], deadline=2.5)
    (left,) = parts(far, "/srv/m")
    had = (far._root / "srv/m" / left).stat().st_size
    assert left.endswith(".part") and MB < had < 40 * MB
    far.heal()
    far.limit("")
    seen: list[int] = []
    operator(hosts).connector(far.node()).put(
        [upload], deadline=30, progress=lambda done, _: seen.append(done)
    )
    assert seen[0] >= had
    assert hashlib.sha256(far.read("/srv/m/weights")).digest() == hashlib.sha256(source.read_bytes()).digest()
    assert parts(far, "/srv/m") == ["weights"]


def test_a_cut_copy_of_other_content_is_not_gone_on_with(operator, hosts, tmp_path):
    far = hosts.add("far")
    source = tmp_path / "weights"
    source.write_bytes(b"a" * 3 * MB)
    connector = operator(hosts).connector(far.node())
    from distctl.adapters.copying import part_name

    part = part_name(Upload(source, "/srv/weights"))
    connector.put([Upload(b"a" * 2 * MB, part)], deadline=10)
    source.write_bytes(b"b" * 3 * MB)
    connector.put([Upload(source, "/srv/weights")], deadline=10)
    assert far.read("/srv/weights") == b"b" * 3 * MB


def test_sshd_killed_in_a_copy_is_unreachable(operator, hosts):
    far = hosts.add("far")
    connector = operator(hosts).connector(far.node())
    connector.run("true", tried="x", deadline=5)
    far.limit("50mbit")
    threading.Timer(0.7, lambda: far.run("pkill -f 'sshd: root@notty'", check=False)).start()
    with pytest.raises(Unreachable, match=r"far: copying /srv/x: the connection to .* was lost"):
        connector.put([Upload(b"x" * 30 * MB, "/srv/x")], deadline=20)


def test_a_node_without_sftp_is_told(operator, hosts):
    bare = hosts.add("bare", sshd="Subsystem sftp /bin/false\n")
    with pytest.raises(NodeError, match="bare: copying /srv/x"):
        operator(hosts).connector(bare.node()).put([Upload(b"x", "/srv/x")], deadline=5)
