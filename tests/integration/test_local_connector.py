"""This machine as a node: the same promises as over ssh."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time

import pytest

from distctl.adapters.local import LocalConnector
from distctl.cluster.spec import Connection, Endpoint, Node
from distctl.errors import DeadlineExceeded, NodeError, NothingListens
from distctl.ports import Upload

MB = 1024 * 1024


@pytest.fixture
def here() -> LocalConnector:
    return LocalConnector(Node("here", Connection.LOCAL, "127.0.0.1", "127.0.0.1"))


@pytest.mark.parametrize(
    ("script", "status", "out", "err"),
    [
        ("echo out; echo err >&2; exit 3", 3, "out\n", "err\n"),
        ("cat; echo done", 0, "done\n", ""),
        ("", 0, "", ""),
        ("cat <<EOF\nx\nEOF", 0, "x\n", ""),
        ("kill -TERM $$", 143, "", ""),
        ("printf '\\377\\n'", 0, "\ufffd\n", ""),
    ],
)
def test_status_and_both_outputs_come_back_and_standard_input_is_empty(here, script, status, out, err):
    result = here.run(script, tried="x", deadline=10)
    assert (result.status, result.stdout, result.stderr) == (status, out, err)


def test_megabytes_on_both_outputs_do_not_block_and_the_last_part_is_kept(here):
    script = "head -c 12000000 /dev/zero | tr '\\0' e >&2; head -c 12000000 /dev/zero | tr '\\0' o; echo end"
    result = here.run(script, tried="x", deadline=30)
    assert len(result.stdout) == len(result.stderr) == 4 * MB
    assert result.stdout.endswith("oooend\n")


@pytest.mark.parametrize(
    "script", ["sleep 61", "yes", "exec >&- 2>&-; sleep 61", "trap '' TERM; sleep 61; sleep 61"]
)
def test_at_the_deadline_the_whole_process_group_is_gone(here, script, tmp_path):
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"here: a test: no end within 0\.5 s"):
        here.run(f"echo $$ > {tmp_path}/group; {script}", tried="a test", deadline=0.5)
    assert time.monotonic() - began < 2
    group = (tmp_path / "group").read_text().strip()
    until = time.monotonic() + 2
    while (left := processes(group)) and time.monotonic() < until:
        time.sleep(0.02)
    assert left == []


def processes(group: str) -> list[str]:
    """The living processes of a group."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [row[2] for row in rows if row[0] == group and not row[1].startswith("Z")]


def test_a_daemon_that_keeps_the_output_open_delays_nothing_and_lives_on(here):
    began = time.monotonic()
    result = here.run("setsid sleep 20 & echo $!", tried="x", deadline=10)
    assert time.monotonic() - began < 2
    os.kill(int(result.stdout), 9)


def test_files_arrive_whole_with_their_modes_and_parents(here, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 * MB))
    seen: list[tuple[int, int]] = []
    uploads = [Upload(source, f"{tmp_path}/a/b/big", 0o755), Upload(b"key", f"{tmp_path}/a/key", 0o600)]
    here.put(uploads, deadline=10, progress=lambda *at: seen.append(at))
    assert (tmp_path / "a/b/big").read_bytes() == source.read_bytes()
    assert (tmp_path / "a/key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a/b/big").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["big"]
    assert seen[-1] == (3 * MB + 3, 3 * MB + 3)


def test_a_target_that_cannot_be_written_is_told_and_nothing_is_left(here, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(NodeError, match=r"here: copying .*folder: Is a directory"):
        here.put([Upload(b"x", f"{tmp_path}/folder")], deadline=5)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.hosts
def test_a_full_disk_is_said_and_nothing_is_left(here, hosts):
    small = hosts.add("small", size="8m")._root / "srv"
    with pytest.raises(NodeError, match=r"here: copying .*: the disk is full"):
        here.put([Upload(b"x" * 20 * MB, f"{small}/x")], deadline=5)
    assert list(small.iterdir()) == []


@pytest.mark.parametrize("depth", [1, 12])
def test_a_unix_socket_is_dialled_however_long_its_path(here, tmp_path, depth):
    folder = tmp_path.joinpath(*["x" * 12] * depth)
    folder.mkdir(parents=True)
    here_fd = os.open(folder, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{here_fd}/s")
            server.listen()
            greeter = threading.Thread(target=greet, args=(server,))
            greeter.start()
            with here.dial(str(folder / "s"), timeout=5) as stream:
                assert stream.recv(9) == b"hi"
            greeter.join()
    finally:
        os.close(here_fd)


def greet(server: socket.socket) -> None:
    stream, _ = server.accept()
    with stream:
        stream.sendall(b"hi")


def test_where_nothing_listens_it_is_said(here, tmp_path):
    with pytest.raises(NothingListens, match=r"here: connecting to .*: nothing listens there"):
        here.dial(str(tmp_path / "none"), timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NothingListens):
        here.dial(Endpoint("127.0.0.1", port), timeout=1)
