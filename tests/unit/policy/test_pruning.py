"""Old contents go when a plan ends: the wanted one stays, the one before it, and what a link points to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rehearsal import Operator, model, node, spec

from distctl.errors import DistctlError
from distctl.policy.operations import Prune


def running() -> Operator:
    operator = Operator(spec([node("a")], [model("digits")]))
    operator.up()
    return operator


def digest(operator: Operator) -> str:
    return operator.cluster.folder("digits").digest


def edited(operator: Operator, times: int = 1) -> list[str]:
    """Change the model so many times, each with an `up`; the digests from the first to the last."""
    found = [digest(operator)]
    for _ in range(times):
        operator.cluster.edit("digits")
        operator.up()
        found.append(digest(operator))
    return found


def stored(operator: Operator) -> set[str]:
    return operator.cluster.machines["a"].models.get("digits", set())


def prunes(operator: Operator, *, prune: bool = False) -> list[str]:
    return [s.why for s in operator.plan(prune=prune).steps if isinstance(s.operation, Prune)]


def test_the_version_before_stays_for_a_quick_way_back() -> None:
    operator = running()
    one, two = edited(operator)
    assert stored(operator) == {one, two}
    assert operator.plan().empty


def test_the_one_before_that_goes_with_the_plan_that_brings_a_third() -> None:
    operator = running()
    one, two = edited(operator)
    operator.cluster.edit("digits")
    assert prunes(operator) == [f"no longer used: digits {one}"]
    operator.up()
    assert stored(operator) == {two, digest(operator)}
    assert operator.plan().empty


def test_many_versions_never_fill_the_disk() -> None:
    operator = running()
    found = edited(operator, 6)
    assert stored(operator) == set(found[-2:])


def test_a_plan_that_died_before_it_removed_anything_is_made_good() -> None:
    """Nobody can tell then which of several was the one before."""
    operator = running()
    operator.cluster.machines["a"].models["digits"] |= {"old1", "old2"}
    assert prunes(operator) == ["no longer used: digits old1, digits old2"]
    operator.up()
    assert stored(operator) == {digest(operator)}
    assert operator.plan().empty


def test_a_reload_that_failed_keeps_what_runs_and_what_is_wanted() -> None:
    operator = running()
    one = digest(operator)
    operator.cluster.edit("digits")
    triton = next(iter(operator.cluster.tritons.values()))
    triton.broken["digits"] = "no such backend"
    with pytest.raises(DistctlError, match="the old version serves on"):
        operator.up()
    assert triton.loaded == {"digits": one}
    assert operator.cluster.machines["a"].units["server-0"].models == {"digits": one}
    triton.broken.clear()
    operator.up()
    assert stored(operator) == {one, digest(operator)}


def test_only_the_wanted_runtime_stays_and_only_once_every_server_runs_on_it() -> None:
    operator = running()
    operator.runtime = "r2"
    (why,) = prunes(operator)
    assert why == "no longer used: runtime r1"
    last = operator.plan().steps[-1]
    assert last.needs == frozenset(range(1, last.number))
    operator.up()
    assert operator.cluster.machines["a"].runtimes == {"r2"}
    assert operator.plan().empty


def test_a_runtime_stays_while_a_server_that_left_the_file_runs_on_it() -> None:
    operator = Operator(spec([node("a", servers=2)], [model("digits")]))
    operator.up()
    operator.spec = spec([node("a", servers=1)], [model("digits")])
    operator.runtime = "r2"
    operator.up()
    assert operator.cluster.machines["a"].runtimes == {"r1", "r2"}


def test_a_model_that_left_the_file_keeps_its_contents_until_it_is_pruned() -> None:
    operator = running()
    edited(operator)
    operator.spec = replace(operator.spec, models=())
    operator.up()
    assert len(stored(operator)) == 2
    operator.up(prune=True)
    assert stored(operator) == set()
    assert operator.plan(prune=True).empty


def test_a_model_that_moved_away_keeps_its_content_for_the_way_back() -> None:
    operator = Operator(spec([node("a"), node("b")], [model("digits", 2)]))
    operator.up()
    operator.scale("digits=1")
    assert operator.cluster.machines["b"].models == {"digits": {digest(operator)}}
    assert not any("push" in s.operation.text for s in operator.scale("digits=2").steps)


def test_what_the_link_of_a_server_that_left_the_file_points_to_stays() -> None:
    operator = Operator(spec([node("a", servers=2)], [model("digits", 2)]))
    operator.up()
    linked = digest(operator)
    operator.spec = spec([node("a", servers=1)], [model("digits", 1)])
    edited(operator, 4)
    assert linked in stored(operator)
    assert len(stored(operator)) == 3
