"""Plans for an address that several places share: who hears of what first, and who cannot have it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import said, texts, waits
from rehearsal import Operator, model, node, spec

from distctl.cluster.record import Record
from distctl.cluster.router import RouterSight
from distctl.cluster.shared import AddressSight, SharedAddress
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId, RouterSpec, Spec
from distctl.policy.addresses import address_views, unfit
from distctl.policy.holders import address_standings
from distctl.testing.node import FakeUnit

SHARED = SharedAddress("10.0.1.10", 51)
ONE, TWO, THREE = (RouterId("main", f"lb{number}") for number in (1, 2, 3))

OTHER = {"lb1": "lb2", "lb2": "lb1"}


def facts(number: int) -> dict[str, str]:
    networks = f"eth0=10.0.1.{number}/24 eth1=10.9.0.{number}/16"
    return {"uid": "0", "keepalived": "2.2.7", "keepalived.bash": "yes", "networks": networks}


def shared_spec(*places: str, shared: SharedAddress | None = SHARED) -> Spec:
    plain = spec([node("a"), *(node(f"lb{n}", servers=0) for n in (1, 2, 3))], [model("digits")])
    main = RouterSpec("main", on=places or ("lb1", "lb2"), address="0.0.0.0", shared=shared)
    return replace(plain, nodes=tuple(n for n in plain.nodes if n.name != "lb"), routers=(main,))


def operator(*places: str) -> Operator:
    found = Operator(shared_spec(*places))
    for number in (1, 2, 3):
        found.cluster.machines[f"lb{number}"].facts = facts(number)
    return found


def holders(at: Operator) -> list[str]:
    return [id.place for id, address in sorted(at.cluster.addresses.items()) if address.holds]


def test_the_address_is_shared_once_its_routers_run_and_a_second_up_changes_nothing() -> None:
    at = operator()
    plan = at.up()
    share = [f"share address 10.0.1.10 at main@lb{number}" for number in (1, 2)]
    assert [text for text in texts(plan) if text.startswith("share")] == share
    assert waits(plan, share[0], "launch router main@lb1")
    assert len(holders(at)) == 1
    assert at.plan().empty


def test_who_is_there_hears_of_a_new_place_before_it_starts() -> None:
    at = operator()
    at.up()
    at.spec = shared_spec("lb1", "lb2", "lb3")
    plan = at.up()
    for place in ("main@lb1", "main@lb2"):
        assert waits(plan, "share address 10.0.1.10 at main@lb3", f"share address 10.0.1.10 at {place}")
    peers = at.cluster.addresses[ONE].view
    assert peers is not None
    assert peers.peers == ("10.0.1.2", "10.0.1.3")
    assert at.plan().empty


def test_a_place_that_drains_gives_the_address_up_and_takes_part_again_afterwards() -> None:
    at = operator()
    at.up()
    (holder,) = holders(at)
    plan = at.drain(holder)
    give_up = f"give up address 10.0.1.10 at main@{holder}"
    assert dict(said(plan))[give_up] == "its place drains: another one takes the address first"
    assert waits(plan, give_up, f"leave what is open to 10.0.1.10 with {holder}, at main@{OTHER[holder]}")
    assert holders(at) == [OTHER[holder]]
    at.undrain(holder)
    assert holders(at) == [OTHER[holder]]
    assert at.plan().empty


def test_a_place_that_leaves_is_spoken_with_until_it_is_pruned_and_then_gives_the_address_up_first() -> None:
    at = operator("lb1", "lb2", "lb3")
    at.up()
    at.spec = shared_spec("lb2", "lb3")
    assert at.plan().empty
    plan = at.up(prune=True)
    assert waits(plan, "stop router main@lb1", "give up address 10.0.1.10 at main@lb1")
    assert waits(plan, "release the shared address of main@lb1", "stop router main@lb1")
    told = "share address 10.0.1.10 at main@lb2"
    assert waits(plan, told, "release the shared address of main@lb1"), "it is spoken with until then"
    assert len(holders(at)) == 1
    assert "lb1" not in holders(at)
    assert at.plan().empty


def test_down_lets_go_of_the_address_before_the_routers() -> None:
    at = operator()
    at.up()
    plan = at.down()
    assert waits(plan, "stop router main@lb2", "release the shared address of main@lb2")
    assert holders(at) == []


def test_keepalived_of_a_router_that_shares_nothing_any_more_goes() -> None:
    at = operator()
    at.up()
    at.spec = shared_spec(shared=None)
    server = at.spec.node("a").servers[0]
    for place in ("lb1", "lb2"):  # as a look at the nodes finds it
        at.cluster.machines[place].units["keepalived-main"] = FakeUnit(server, {}, {}, "", "")
    assert texts(at.up()) == [f"release the shared address of main@{place}" for place in ("lb1", "lb2")]
    assert holders(at) == []


def test_a_place_that_cannot_share_is_left_alone_and_the_reader_is_told_what_to_install() -> None:
    at = operator()
    at.cluster.machines["lb2"].facts = facts(2) | {"keepalived": ""}
    plan = at.up()
    assert "share address 10.0.1.10 at main@lb2" not in texts(plan)
    (skip,) = plan.skipped
    assert skip.text == "main@lb2: there is no keepalived: apt-get install keepalived on lb2"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"uid": "1000"}, "keepalived needs root there"),
        ({"keepalived": "1.3.5"}, "keepalived is 1.3.5, and 2.0 is needed"),
        ({"keepalived.bash": "no"}, "there is no bash, which asks whether the router is alive"),
        ({"networks": "eth0=10.0.2.1/24"}, "10.0.1.10 is in no network (there is eth0 10.0.2.1/24)"),
        ({"networks": "eth0=10.0.1.10/32"}, "10.0.1.10 is in no network (there is eth0 10.0.1.10/32)"),
        ({}, ""),
    ],
)
def test_why_a_place_cannot_share(changed: dict[str, str], why: str) -> None:
    found = unfit(SHARED, "lb1", facts(1) | changed)
    assert (found.why if found else "") == why
    assert found is None or found.remedy


def test_an_address_of_ipv6_is_shared_over_the_networks_of_its_kind() -> None:
    shared = SharedAddress("fd00::10", 51, prefix=128)
    sixth = {n: facts(n) | {"networks": f"eth0=10.0.1.{n}/24 eth0=fd00::{n}/64"} for n in (1, 2)}
    record = Record("r", facts={"lb1": sixth[1], "lb2": sixth[2]})
    views = address_views(shared_spec(shared=shared), record)
    assert (views[ONE].interface, views[ONE].source, views[ONE].peers) == ("eth0", "fd00::1", ("fd00::2",))
    found = unfit(shared, "lb1", facts(1))
    assert found is not None and found.why == "fd00::10 is in no network (there is none)"


def test_an_interface_that_is_named_may_have_another_network() -> None:
    shared = replace(SHARED, interface="eth1")
    record = Record("r", facts={"lb1": facts(1), "lb2": facts(2)})
    views = address_views(shared_spec(shared=shared), record)
    assert (views[ONE].interface, views[ONE].source, views[ONE].peers) == ("eth1", "10.9.0.1", ("10.9.0.2",))
    assert unfit(shared, "lb1", facts(1)) is None


@pytest.mark.parametrize(
    ("one", "two", "state", "whole"),
    [
        (AddressSight(ONE, True, "s", True), AddressSight(TWO, True, "s"), "on lb1", True),
        (
            AddressSight(ONE, True, "s", True),
            AddressSight(TWO, True, "s", True),
            "split: on lb1 and lb2",
            False,
        ),
        (AddressSight(ONE, True, "s"), AddressSight(TWO, error="no answer"), "on no place", False),
        (AddressSight(ONE, True, "s", True), AddressSight(TWO), "on lb1", True),
        (AddressSight(ONE, True, "s", True), AddressSight(TWO, True, "s-drawn-back"), "on lb1", True),
    ],
)
def test_who_has_the_address(one: AddressSight, two: AddressSight, state: str, whole: bool) -> None:
    routers = {id: RouterSight(id, running=True) for id in (ONE, TWO)}
    snapshot = Snapshot(0.0, routers=routers, addresses={ONE: one, TWO: two})
    (found,) = address_standings(shared_spec(), snapshot)
    assert (found.state, found.whole) == (state, whole)
    assert bool(found.reason) is not (whole and bool(found.standby))


def test_a_place_whose_router_is_dead_would_not_take_the_address() -> None:
    addresses = {ONE: AddressSight(ONE, True, "s", True), TWO: AddressSight(TWO, True, "s")}
    alive = Snapshot(0.0, routers={TWO: RouterSight(TWO, running=True)}, addresses=addresses)
    dead = replace(alive, routers={TWO: RouterSight(TWO, running=False)})
    standby = [address_standings(shared_spec(), snapshot)[0].standby for snapshot in (alive, dead)]
    assert standby == [("lb2",), ()]
