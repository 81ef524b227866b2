"""A controller heals machines under verified load: not one failed or wrong answer, and how long it took."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from command import Operator, nodes_of, wait
from hosts import Hosts
from load import Load

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]

Figure = Callable[[str], None]
CLIENTS = ("digits:http*2", "digits:grpc*2", "simple:http", "simple:grpc")
MODELS = {"digits": {"replicas": 2}, "simple": {"replicas": 2}}
RESCHEDULE = 15.0  # seconds until a node counts as gone
AIM = 5.0  # seconds from a loss to its repair, beside Triton's own start
SERVER = 9000  # where a server listens on its node
TRITON = 10.0  # seconds that this may take here


@pytest.fixture(scope="module")
def healed(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A router and three nodes of which two serve, with a controller."""
    operator = Operator(machines, tmp_path_factory.mktemp("healed"))
    lb, *nodes = (machines.add(name) for name in ("lb", "gpu01", "gpu02", "gpu03"))
    operator.write(
        {**nodes_of([lb], servers="none"), **nodes_of(nodes, servers={"ports": SERVER})},
        models=MODELS,
        on=["lb"],
        healing={"reschedule_after": f"{RESCHEDULE:g}s"},
    )
    operator.run("up", "-y")
    with operator.controlled():
        yield operator
    operator.run("down", "-y")


def serving(cluster: Operator) -> dict[str, list[str]]:
    """By model: the nodes that have it ready, as `status` sees them."""
    found: dict[str, list[str]] = {name: [] for name in MODELS}
    for node in cluster.status()["nodes"]:
        for server in node["observed"]["servers"]:
            for model in server["ready"]:
                found[model].append(node["node"])
    return found


def whole(cluster: Operator, *, without: str = "") -> bool:
    """Whether each model has its two replicas on nodes that are not the broken one."""
    return all(len([n for n in nodes if n != without]) >= 2 for nodes in serving(cluster).values())


def load(cluster: Operator) -> Load:
    return Load(8000, 8001, *CLIENTS, host=cluster.hosts["lb"].address)


def busy(cluster: Operator) -> str:
    """A node that serves both models."""
    found = serving(cluster)
    return next(iter(set(found["digits"]) & set(found["simple"])))


STRIKES = {
    "crash": "pkill -9 -x tritonserver",
    "dead": "pkill -9 -f '[s]upervise'; pkill -9 -x tritonserver",
    "hang": "pkill -STOP -x tritonserver",
}


def answers(cluster: Operator, name: str, *paths: str, port: int = SERVER) -> bool:
    """Whether what listens on a host answers all that, asked there."""
    try:
        for path in paths:
            with urllib.request.urlopen(f"http://{cluster.hosts[name].address}:{port}{path}", timeout=1):
                pass
    except (urllib.error.URLError, OSError):
        return False
    return True


def struck(cluster: Operator, name: str, strike: str, *paths: str, port: int = SERVER) -> float:
    """Seconds from a strike on a host until all is answered there again."""
    begun = time.monotonic()
    cluster.hosts[name].run(strike)
    wait(lambda: not answers(cluster, name, *paths, port=port), "it shows", 10)
    wait(lambda: answers(cluster, name, *paths, port=port), "healed", 40)
    return time.monotonic() - begun


@pytest.mark.parametrize("how", STRIKES)
def test_a_server_that_is_struck_serves_again(healed: Operator, how: str, figure: Figure) -> None:
    name = busy(healed)
    with load(healed) as under:
        time.sleep(1.0)
        took = struck(healed, name, STRIKES[how], *(f"/v2/models/{model}/ready" for model in MODELS))
        wait(lambda: settled(healed), "in line", 60)
    under.report.require_whole()
    figure(f"{how} of a server: it answers again after {took:.1f} s; {under.report}")
    assert took < AIM + TRITON + (3.0 if how == "hang" else 0.0)


def test_a_router_that_is_killed_serves_again(healed: Operator, figure: Figure) -> None:
    """It is the only one, so that clients are refused meanwhile; nobody gets a wrong answer."""
    with load(healed) as under:
        time.sleep(1.0)
        took = struck(healed, "lb", "pkill -9 -x haproxy", "/v2/health/ready", port=8000)
        wait(lambda: settled(healed), "in line", 60)
    assert not under.report.wrong
    figure(f"the router killed: it answers again after {took:.1f} s; {under.report}")
    assert took < AIM


def test_what_was_on_a_node_that_is_cut_off_is_placed_elsewhere_and_the_node_returns(
    healed: Operator, figure: Figure
) -> None:
    name = busy(healed)
    with load(healed) as under:
        time.sleep(1.0)
        healed.hosts[name].cut()
        took = wait(lambda: whole(healed, without=name), "placed elsewhere", RESCHEDULE + 60)
        healed.hosts[name].heal()
        back = wait(lambda: settled(healed), "brought in line", 60)
    under.report.require_whole()
    assert took >= RESCHEDULE - 5, "nothing moved before its time"
    figure(
        f"link cut: placed elsewhere after {took:.1f} s, in line {back:.1f} s after the link; {under.report}"
    )


def test_a_node_whose_power_failed_comes_back_whole(healed: Operator, figure: Figure) -> None:
    name = busy(healed)
    with load(healed) as under:
        time.sleep(1.0)
        healed.hosts[name].power_cut()
        time.sleep(4.0)
        healed.hosts[name].boot()
        took = wait(lambda: whole(healed), "whole", 60)
    under.report.require_whole()
    figure(f"power cut and boot, nobody to start anything: whole {took:.1f} s after the boot; {under.report}")
    assert settled(healed)


def settled(cluster: Operator) -> bool:
    """Whether every model has exactly its replicas and nothing is left to be done."""
    counts = {model: len(nodes) for model, nodes in serving(cluster).items()}
    nothing_left = cluster.run("plan", "--detailed-exitcode", status=None).status == 0
    return nothing_left and counts == {model: said["replicas"] for model, said in MODELS.items()}
