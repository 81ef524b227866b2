"""A router is brought to its view over the file and the socket, and says so itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from router_harness import Router, StandIn, alive, call, stopped, wait_for

from distctl.adapters.haproxy import HaproxyRouter
from distctl.adapters.haproxy.executable import bundled
from distctl.adapters.haproxy.router import FRESH
from distctl.adapters.local import LocalConnector
from distctl.cluster.router import Pool, SlotState
from distctl.cluster.spec import Connection, Endpoint, Node
from distctl.errors import RouterError, StaleGeneration
from distctl.ports import Result

OFF, READY, DRAIN = SlotState.OFF, SlotState.READY, SlotState.DRAIN
Make = Callable[..., Router]


def answered_by(router: Router, count: int = 12, model: str = "digits") -> set[str]:
    answers = [router.infer(model) for _ in range(count)]
    assert {status for status, _ in answers} == {200}
    return {answer["server"] for _, answer in answers}


def test_launched_router_says_the_states_of_its_view(router: Router) -> None:
    sight = router.look()
    states = {(model, server.node): slot.state for model, server, slot in sight.slots}
    assert states == {
        (model, node): state
        for model in ("digits", "seq")
        for node, state in (("n1", READY), ("n2", READY), ("n3", OFF))
    }
    assert sight.running and sight.pid and sight.old_workers == ()
    assert router.sight("n1").healthy and router.sight("n1").check == "L7OK/200"
    assert answered_by(router) == {"n1", "n2"}


class Cutting(LocalConnector):
    """Cuts the first connections that are accepted, as a master does that executes itself anew."""

    def __init__(self, cuts: int) -> None:
        super().__init__(Node("here", Connection.LOCAL, "127.0.0.1", "127.0.0.1"))
        self.cuts = cuts

    def dial(self, target: Endpoint | str, *, timeout: float) -> socket.socket:
        found = super().dial(target, timeout=timeout)
        if not self.cuts:
            return found
        self.cuts -= 1
        found.close()
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours


def test_launch_survives_a_master_that_cuts_its_first_connections(
    make_router: Callable[..., Router], connector: LocalConnector
) -> None:
    made = make_router()
    cutting = Cutting(cuts=3)
    made.control = HaproxyRouter(
        cutting, made.view.id, made.root, lambda s, t, d: connector.run(s, tried=t, deadline=d)
    )
    assert made.apply().startswith("launched")
    assert cutting.cuts == 0 and answered_by(made) == {"n1", "n2"}


def test_second_apply_changes_nothing(router: Router) -> None:
    pid = router.look().pid
    assert router.apply() == "nothing to do"
    assert router.look().pid == pid


def test_membership_changes_without_a_reload_and_is_confirmed(router: Router) -> None:
    pid = router.look().pid
    router.set(n3=READY, n2=DRAIN)
    assert router.sight("n2").state is DRAIN and router.sight("n3").state is READY
    assert answered_by(router) == {"n1", "n3"} == answered_by(router, model="seq")
    router.set(n2=READY, n1=OFF)
    assert answered_by(router) == {"n2", "n3"}
    assert router.look().pid == pid


def test_server_requests_follow_the_slots(router: Router) -> None:
    def names() -> set[str]:
        return {call(f"{router.http}/v2")[1]["server"] for _ in range(8)}

    assert names() == {"n1", "n2"}
    router.set(n1=DRAIN)
    assert names() == {"n2"}


def test_slot_gets_no_request_before_its_check_passed(router: Router, servers: list[StandIn]) -> None:
    servers[2].load()  # it answers 400 for every model now
    before = servers[2].seen()
    with pytest.raises(RouterError, match=r"n3\.0 of digits \((\* )?L7STS/"):
        router.set(deadline=1.0, n3=READY)
    assert answered_by(router) == {"n1", "n2"}
    assert servers[2].seen() == before
    servers[2].load("digits", "seq")
    router.apply()
    assert answered_by(router) == {"n1", "n2", "n3"}


def test_a_router_that_was_taken_over_meanwhile_is_told_nothing_more(
    make_router: Make, servers: list[StandIn], connector: LocalConnector
) -> None:
    """HAProxy's socket obeys anybody: who waits for a check asks the place again before saying more."""
    router, taken_over = make_router(), threading.Event()
    router.apply()

    def change(script: str, tried: str, deadline: float) -> Result:
        if taken_over.is_set():
            raise StaleGeneration("here", tried, "another run took the node over")
        return connector.run(script, tried=tried, deadline=deadline)

    def take_over() -> None:
        taken_over.set()
        time.sleep(FRESH)  # for which it need not ask again
        servers[2].load("digits", "seq")

    control, router.control = router.control, HaproxyRouter(connector, router.view.id, router.root, change)
    servers[2].load()  # its checks fail until then
    threading.Timer(1.5, take_over).start()
    with pytest.raises(StaleGeneration):
        router.set(n3=READY)
    router.control = control
    assert router.sight("n3").state is DRAIN
    assert answered_by(router) == {"n1", "n2"}


def test_two_that_bring_up_one_router_at_once_share_no_name(
    make_router: Make, connector: LocalConnector
) -> None:
    """The place's lock keeps scripts apart and nothing else. Nobody is refused here: both come to the end."""
    lock, first = threading.Lock(), make_router()
    second = make_router(root=first.root)
    second.view = first.view

    def change(script: str, tried: str, deadline: float) -> Result:
        with lock:
            return connector.run(script, tried=tried, deadline=deadline)

    for router in (first, second):
        router.control = HaproxyRouter(connector, router.view.id, router.root, change)
    with ThreadPoolExecutor(2) as pool:
        took = [future.result() for future in [pool.submit(r.apply) for r in (first, second)]]
    assert all("launched" in words or "nothing to do" in words for words in took), took
    assert first.apply() == second.apply() == "nothing to do"
    assert sorted(path.name for path in (first.folder / "bin").iterdir()) == [bundled()[0]]


def test_drain_counts_what_is_in_flight(router: Router) -> None:
    with subprocess.Popen(
        ["curl", "-s", "-d", "{}", "-H", "x-delay: 1500", f"{router.http}/v2/models/digits/infer"],
        stdout=subprocess.PIPE,
    ) as late:
        wait_for(lambda: router.sight("n1").in_flight + router.sight("n2").in_flight == 1, "the request")
        router.set(n1=DRAIN, n2=DRAIN, n3=READY)
        assert router.sight("n1").in_flight + router.sight("n2").in_flight == 1
        assert answered_by(router) == {"n3"}
        assert late.communicate()[0].startswith(b'{"server": "n')
    wait_for(lambda: router.sight("n1").in_flight + router.sight("n2").in_flight == 0, "its end")


def test_boot_from_the_file_alone_gives_the_same_states(router: Router) -> None:
    """The supervisor starts HAProxy again after a crash, and nobody of ours is there."""
    router.set(n2=DRAIN, n3=READY)
    before = {(m, s): (t.state) for m, s, t in router.look().slots}
    pid = router.look().pid
    os.kill(int((router.folder / "pid").read_text().split("process=")[1].split()[1]), signal.SIGKILL)
    wait_for(lambda: not alive(pid) and router.control.look().pid, "the supervisor")
    assert {(m, s): t.state for m, s, t in router.look().slots} == before
    wait_for(lambda: router.sight("n1").healthy and router.sight("n3").healthy, "checks")
    assert answered_by(router) == {"n1", "n3"}
    router.set(n2=READY)
    assert answered_by(router) == {"n1", "n2", "n3"}


def test_new_model_reloads_and_names_the_new_worker(router: Router) -> None:
    pid = router.look().pid
    more = Pool("other", router.view.pools[0].slots)
    router.view = replace(router.view, pools=(router.view.pools[0], more, router.view.pools[1]))
    with pytest.raises(RouterError, match=r"no check has passed for .*of other \(L7STS/400\)"):
        router.apply(deadline=1.0)
    assert router.look().pid != pid
    assert router.infer("other")[0] == 503
    assert answered_by(router) == {"n1", "n2"}


def test_reload_sends_nothing_to_a_server_that_hangs(router: Router, servers: list[StandIn]) -> None:
    """The new worker begins with the health that the old one knew."""
    with stopped(servers[0]):
        wait_for(lambda: not router.running("n1"), "the checks")
        router.view = replace(router.view, replay_limit=64 * 1024)
        assert router.apply().startswith("reloaded")
        began = time.monotonic()
        assert answered_by(router, 20, "seq") == {"n2"}
        assert time.monotonic() - began < 1.0
    wait_for(lambda: router.sight("n1").healthy, "n1 to be seen again")


def test_reload_that_fails_leaves_router_and_file_as_they_were(router: Router) -> None:
    pid, config = router.look().pid, router.look().config
    router.view = replace(
        router.view, metrics_port=router.view.pools[0].slots[0].http_port
    )  # n1 listens there
    with pytest.raises(RouterError, match="refused to reload"):
        router.apply()
    assert (router.look().pid, router.look().config) == (pid, config)
    assert answered_by(router) == {"n1", "n2"}


def test_configuration_that_haproxy_refuses_is_never_put_in_place(router: Router) -> None:
    config = router.look().config
    good = router.view
    slot = replace(good.pools[0].slots[0], host="not an address")
    router.view = replace(good, pools=(replace(good.pools[0], slots=(slot,)), *good.pools[1:]))
    with pytest.raises(RouterError, match=r"checking the router's configuration failed(.|\n)*digits_r/n1\.0"):
        router.apply()
    assert router.look().config == config
    router.view = good
    assert router.apply() == "nothing to do"


def test_name_that_haproxy_cannot_take_is_refused(router: Router) -> None:
    router.view = replace(router.view, pools=(Pool("a b", ()),))
    with pytest.raises(RouterError, match="'a b' cannot be a name"):
        router.apply()


def test_sockets_are_for_the_account_alone(router: Router) -> None:
    for name in ("admin.sock", "master.sock"):
        assert (router.folder / name).stat().st_mode & 0o777 == 0o600


def test_older_files_go_away(router: Router) -> None:
    router.view = replace(router.view, pools=router.view.pools[:1])
    router.apply()
    assert len(list(router.folder.glob("rest-*.map"))) == 1


def test_stop_waits_for_what_is_in_flight_and_removes_the_folder(router: Router) -> None:
    with subprocess.Popen(
        ["curl", "-s", "-d", "{}", "-H", "x-delay: 1000", f"{router.http}/v2/models/digits/infer"],
        stdout=subprocess.PIPE,
    ) as late:
        wait_for(lambda: router.sight("n1").in_flight + router.sight("n2").in_flight == 1, "the request")
        router.control.stop(deadline=10.0)
        assert late.communicate()[0].startswith(b'{"server": "n')
    assert not router.folder.exists()
    assert not router.control.look().running


def test_executable_is_the_routers_own_copy(router: Router) -> None:
    pid = router.look().pid
    assert str(Path(f"/proc/{pid}/exe").readlink()).startswith(str(router.folder / "bin"))


def test_settings_executable_that_cannot_be_a_router_is_refused(make_router: Make) -> None:
    router = make_router(haproxy="/bin/true")
    with pytest.raises(RouterError, match="/bin/true is not there, or does not run"):
        router.apply()
