"""Scripts over a real sshd: what comes back, and that a deadline always holds."""

from __future__ import annotations

import threading
import time

import pytest

from distctl.adapters.ssh import Connections
from distctl.cluster.spec import Become, SecretRef
from distctl.errors import DeadlineExceeded, NodeError, Unreachable

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def gpu(shared):
    host = shared.add("gpu01")
    host.add_user("ops", password="login-pw", sudo="password")
    host.add_user("free", sudo="free")
    host.add_user("plain")
    return host


@pytest.fixture
def connections(operator, shared) -> Connections:
    return operator(shared)


def run(connections, host, script, deadline=10.0, **ssh):
    return connections.connector(host.node(**ssh)).run(script, tried="a test", deadline=deadline)


@pytest.mark.parametrize(
    ("script", "status", "out", "err"),
    [
        ("echo out; echo err >&2; exit 3", 3, "out\n", "err\n"),
        ("cat; echo done", 0, "done\n", ""),
        ("", 0, "", ""),
        ("# only a comment", 0, "", ""),
        ('printf \'%s\' "it\'s $((1 + 1)) \\"x\\""', 0, 'it\'s 2 "x"', ""),
        ("cat <<EOF\n$HOME\nEOF", 0, "/root\n", ""),
        ("printf '\\377\\n'", 0, "\ufffd\n", ""),
    ],
)
def test_status_and_both_outputs_come_back_and_standard_input_is_empty(
    connections, gpu, script, status, out, err
):
    result = run(connections, gpu, script)
    assert (result.status, result.stdout, result.stderr) == (status, out, err)


def test_a_script_that_a_signal_kills_has_128_plus_its_number(connections, gpu):
    assert run(connections, gpu, "kill -9 $$").status == 137


def test_a_script_may_be_a_megabyte_long(connections, gpu):
    script = "\n".join(f"x={number:0100d}" for number in range(10_000)) + "\necho $x"
    assert run(connections, gpu, script).stdout == f"{9999:0100d}\n"


def test_megabytes_on_both_outputs_do_not_block_and_the_last_part_is_kept(connections, gpu):
    script = "head -c 12000000 /dev/zero | tr '\\0' e >&2; head -c 12000000 /dev/zero | tr '\\0' o; echo end"
    result = run(connections, gpu, script, deadline=30)
    assert result.status == 0
    assert len(result.stdout) == len(result.stderr) == 4 * 1024 * 1024
    assert result.stdout.endswith("oooend\n") and set(result.stderr) == {"e"}


@pytest.mark.parametrize("script", ["sleep 60", "yes", "yes >&2", "trap '' TERM HUP; sleep 60; sleep 60"])
def test_the_deadline_holds_and_the_script_ends_on_the_node(connections, gpu, script):
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"gpu01: a test: no end within 0\.7 s"):
        run(connections, gpu, script, deadline=0.7)
    assert time.monotonic() - began < 2
    word = "yes" if "yes" in script else "sleep"
    until = time.monotonic() + 3
    while (left := gpu.run(f"pgrep -x {word}", check=False).stdout) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == ""


def test_a_daemon_that_keeps_the_output_open_delays_nothing(connections, gpu):
    began = time.monotonic()
    result = run(connections, gpu, "setsid sleep 30 & echo started")
    assert (result.status, result.stdout) == (0, "started\n")
    assert time.monotonic() - began < 2
    assert gpu.run("pkill -x sleep", check=False).returncode == 0, "the daemon lived on"


def test_one_connection_carries_all_that_threads_do_at_once(connections, gpu):
    answers: list[str] = []
    node = gpu.node()

    def work(number: int) -> None:
        script = f"sleep 0.1; echo $SSH_CONNECTION {number}"
        answers.append(connections.connector(node).run(script, tried="x", deadline=20).stdout)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len({answer.rsplit(" ", 1)[0] for answer in answers}) == 1


def test_root_by_sudo_without_a_password(connections, gpu):
    result = run(connections, gpu, "id -u; cat; echo $HOME", user="free", become=Become())
    assert (result.status, result.stdout) == (0, "0\n/root\n")


def test_root_by_sudo_with_a_password_that_the_script_never_sees(connections, gpu):
    password = SecretRef("env", ("login-pw",))
    result = run(connections, gpu, "id -u; cat", user="ops", become=Become(password))
    assert (result.status, result.stdout, result.stderr) == (0, "0\n", "")


def test_a_sudo_password_that_is_not_asked_for_is_not_run_as_a_command(connections, gpu):
    password = SecretRef("env", ("unneeded",))
    result = run(connections, gpu, "id -u", user="free", become=Become(password))
    assert (result.status, result.stdout, result.stderr) == (0, "0\n", "")


def test_a_wrong_sudo_password_is_tried_once_and_said(connections, gpu):
    began = time.monotonic()
    with pytest.raises(NodeError, match="gpu01: a test: sudo refused the password") as caught:
        run(connections, gpu, "id -u", user="ops", become=Become(SecretRef("env", ("wrong",))))
    assert caught.value.hint == "check `ssh.become.password`"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("user", ["ops", "plain"])
def test_sudo_that_wants_a_password_or_forbids_is_said_with_what_to_do(connections, gpu, user):
    with pytest.raises(NodeError, match="sudo started no shell: sudo: a password is required") as caught:
        run(connections, gpu, "id -u", user=user, become=Become())
    assert "without a password on gpu01" in caught.value.hint


def test_no_shell_on_the_node_asks_for_anything_but_posix_sh(connections, gpu):
    gpu.run("command -v bash && usermod -s /bin/dash plain")
    assert run(connections, gpu, "echo ok", user="plain").stdout == "ok\n"


def test_a_cut_link_in_a_run_is_told_within_the_deadline(operator, hosts):
    host = hosts.add("far")
    connector = operator(hosts).connector(host.node())
    connector.run("true", tried="x", deadline=5)
    threading.Timer(0.3, host.cut).start()
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="far: installing: no end within 2 s"):
        connector.run("sleep 20", tried="installing", deadline=2)
    assert time.monotonic() - began < 4


def test_a_killed_sshd_in_a_run_is_unreachable_and_names_the_step_then_it_connects_again(operator, hosts):
    host = hosts.add("far")
    connector = operator(hosts).connector(host.node())
    connector.run("true", tried="x", deadline=5)
    threading.Timer(0.3, lambda: host.run("pkill -f 'sshd: root@notty'", check=False)).start()
    with pytest.raises(Unreachable, match=r"far: installing: the connection to root@10\.77\.\S+:22 was lost"):
        connector.run("sleep 20", tried="installing", deadline=10)
    assert connector.run("echo again", tried="x", deadline=5).stdout == "again\n"
