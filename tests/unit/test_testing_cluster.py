"""Real control code on the fake cluster: it comes up, and after a death at any change it converges.

The clients' promise is asked after each change: no request in flight is cut, and a model that was served
stays served.
"""

from functools import partial

import pytest

from distctl.cluster.record import Adopt, Intent, Record, SetIntent
from distctl.cluster.router import RouterView
from distctl.cluster.snapshot import Owner
from distctl.cluster.spec import (
    Connection,
    ModelSpec,
    Node,
    RouterId,
    RouterSpec,
    Server,
    ServerId,
    Source,
    Spec,
)
from distctl.control.claim import claim, let_go
from distctl.control.execute import State, execute
from distctl.control.observe import observe
from distctl.control.perform import Job
from distctl.control.routing import Routing
from distctl.errors import NodeError
from distctl.policy.diff import diff
from distctl.policy.plan import Plan
from distctl.policy.view import router_view
from distctl.policy.wish import Wish, wanted_placement
from distctl.testing import Crash, FakeCluster

A, B = ServerId("a", "0"), ServerId("b", "0")
ROUTER = RouterId("main", "local")


def node(name: str) -> Node:
    server = Server(ServerId(name, "0"), "127.0.0.1", 9000, 9001, 9002)
    return Node(name=name, connection=Connection.LOCAL, address=name, serve_address=name, servers=(server,))


def spec(replicas: int = 2) -> Spec:
    return Spec(
        "prod",
        nodes=(node("a"), node("b")),
        models=(ModelSpec("digits", Source("folder", "digits"), replicas=replicas),),
        routers=(RouterSpec("main", on=("local",)),),
    )


def view_of(wanted: Spec, record: Record, router: RouterId) -> RouterView:
    return router_view(wanted, record, router, hosts={})


def up(cluster: FakeCluster, wanted: Spec) -> Plan:
    """One process of distctl: observe, decide, execute, record. Gives back the plan that it carried out."""
    world = cluster.world(partial(view_of, wanted))
    lease = world.store.acquire("one process", "up", seconds=60)
    record = world.store.load()
    snapshot = observe(world, wanted.nodes, wanted.router_ids)
    counts, placement = wanted_placement(wanted, record, snapshot)
    contents = {model.name: cluster.folder(model.name).digest for model in wanted.models}
    wish = Wish(wanted, counts, placement, contents, runtimes={n.name: "rt1" for n in wanted.nodes})
    plan = diff(wish, record, snapshot)
    owner = Owner("prod", record.id, record.generation + 1)
    world.store.commit(lease.token, [Adopt(record.id, owner.generation)])
    names = [n.name for n in wanted.nodes]
    claim(world, names, owner)
    job = Job(
        world,
        lease.token,
        Routing(world, lease.token, wanted.router_ids),
        {n.name: n for n in wanted.nodes},
        {m.name: m for m in wanted.models},
        contents,
        {n.name: "{}" for n in wanted.nodes},
    )
    outcomes = execute(job, plan, watch=lambda _outcome: None, renew=lambda: None)
    failed = [o for o in outcomes if o.state is not State.DONE]
    let_go(world, names)
    world.store.release(lease)
    if failed:
        raise failed[0].error or AssertionError(failed[0])
    return plan


def test_a_cluster_comes_up_and_coming_up_again_changes_nothing():
    cluster = FakeCluster(spec())
    assert not up(cluster, spec()).empty
    assert cluster.answering("digits") == {A, B}
    cluster.restart()
    assert up(cluster, spec()).empty
    assert cluster.lost == []


def test_a_node_that_cannot_be_reached_is_left_alone_and_joins_later():
    cluster = FakeCluster(spec())
    cluster.machines["b"].reachable = False
    assert [skip.subject for skip in up(cluster, spec()).skipped] == ["b"]
    assert cluster.answering("digits") == {A}
    cluster.machines["b"].reachable = True
    cluster.restart()
    up(cluster, spec())
    assert cluster.answering("digits") == {A, B}


def test_a_model_that_never_loads_is_told_with_its_reason_and_does_not_join():
    cluster = FakeCluster(spec())
    cluster.triton(B).broken["digits"] = "no such backend"
    with pytest.raises(NodeError, match="no such backend"):
        up(cluster, spec())
    assert cluster.answering("digits") == {A}


def test_a_rebooted_node_comes_back_with_its_models_and_nothing_is_to_be_done():
    cluster = FakeCluster(spec())
    up(cluster, spec())
    cluster.kill(A)
    assert cluster.answering("digits") == {B}
    cluster.reboot("a")
    assert cluster.answering("digits") == {A, B}
    cluster.restart()
    assert up(cluster, spec()).empty


def test_unloading_under_traffic_is_counted_as_a_loss():
    cluster = FakeCluster(spec())
    up(cluster, spec())
    cluster.router(ROUTER).in_flight["digits", A] = 2
    cluster.triton(A).unload("digits")
    assert cluster.lost == [
        "main@local still sent digits to a/0 when it left",
        "main@local had 2 requests of digits on a/0 when it left",
    ]


def drained(cluster: FakeCluster) -> Spec:
    cluster.store.commit(None, [SetIntent(Intent("a", draining=True))])
    return spec(replicas=1)


def edited(cluster: FakeCluster) -> Spec:
    cluster.edit("digits")
    return spec()


def fewer(cluster: FakeCluster) -> Spec:
    return spec(replicas=1)


def nothing_yet() -> FakeCluster:
    return FakeCluster(spec())


def all_up() -> FakeCluster:
    cluster = FakeCluster(spec())
    up(cluster, spec())
    cluster.router(ROUTER).in_flight.update({("digits", A): 3, ("digits", B): 2})
    return cluster


CASES = {
    "up": (nothing_yet, lambda _cluster: spec()),
    "drain": (all_up, drained),
    "changed model": (all_up, edited),
    "scale down": (all_up, fewer),
}


@pytest.mark.parametrize("case", CASES)
def test_after_a_death_at_any_change_the_next_process_converges_and_loses_nothing(case):
    begin, wish = CASES[case]
    deaths = 0
    while True:
        cluster = begin()
        wanted = wish(cluster)
        served = bool(cluster.answering("digits"))
        cluster.calls.watch = partial(still_served, cluster, served)
        cluster.restart()
        cluster.calls.crash_after(deaths)
        try:
            up(cluster, wanted)
            break
        except Crash:
            deaths += 1
        cluster.restart()
        cluster.clock.advance(61)
        up(cluster, wanted)
        cluster.restart()
        assert up(cluster, wanted).empty, f"after a death at change {deaths}"
        assert cluster.lost == []
    assert cluster.lost == []
    assert deaths > 8


def still_served(cluster: FakeCluster, served: bool, name: str) -> None:
    if served:
        assert cluster.answering("digits"), f"nothing answers after {name}"
