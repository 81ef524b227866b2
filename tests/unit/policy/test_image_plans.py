"""Plans for servers in containers: pulled first, restarted one by one; a moved tag is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rehearsal import Operator, model, node, spec

from distctl.cluster.spec import Container, Node, Runtime, RuntimeKind
from distctl.policy.plan import Plan

IMAGE = "nvcr.io/nvidia/t:1"
OLD, NEW = (f"sha256:{letter * 64}" for letter in "ab")


def boxed(name: str, image: str = IMAGE) -> Node:
    return replace(node(name), runtime=Runtime(RuntimeKind.CONTAINER, container=Container(image=image)))


def running(*nodes: Node) -> Operator:
    operator = Operator(spec(list(nodes), [model("digits", len(nodes))]))
    operator.registry[IMAGE] = OLD
    operator.up()
    return operator


def texts(plan: Plan) -> list[str]:
    return [step.operation.text for step in plan.steps]


def test_a_first_up_pulls_the_image_and_installs_no_runtime() -> None:
    operator = Operator(spec([boxed("a")], [model("digits")]))
    operator.registry[IMAGE] = OLD
    plan = operator.plan(fresh=True)
    assert f"pull image {IMAGE}@{OLD[:19]}" in texts(plan)
    assert not any("install" in text for text in texts(plan))
    operator.up()
    assert operator.plan(fresh=True).empty


def test_a_node_changes_from_a_process_to_a_container_one_server_at_a_time() -> None:
    operator = running(node("a"), node("b"))
    operator.registry[IMAGE] = OLD
    operator.spec = spec([boxed("a"), boxed("b")], [model("digits", 2)])
    plan = operator.plan(fresh=True)
    pull = f"pull image {IMAGE}@{OLD[:19]}"
    assert texts(plan)[:10] == [
        *(pull, pull),
        *("drain digits of a/0", "stop server a/0", "start server a/0 with digits", "route digits to a/0"),
        *("drain digits of b/0", "stop server b/0", "start server b/0 with digits", "route digits to b/0"),
    ]
    operator.up()
    assert operator.promise.kept()
    assert operator.plan(fresh=True).empty


def test_a_moved_tag_is_seen_by_plan_and_up_alone() -> None:
    operator = running(boxed("a"), boxed("b"))
    operator.registry[IMAGE] = NEW
    plan = operator.plan(fresh=True)
    why = {step.why for step in plan.steps if "pull image" in step.operation.text}
    assert why == {f"its tag moved: it was {OLD[:19]}"}
    assert operator.plan().empty, "scale and drain do not roll an image"
    operator.up()
    assert operator.promise.kept()
    assert operator.plan(fresh=True).empty
    assert operator.plan().empty, "the record has it now"


def test_a_registry_that_does_not_answer_changes_nothing() -> None:
    operator = running(boxed("a"), boxed("b"))
    operator.registry.clear()
    assert operator.plan(fresh=True).empty


def test_a_new_node_gets_what_the_others_have() -> None:
    operator = running(boxed("a"))
    operator.spec = spec([boxed("a"), boxed("b")], [model("digits", 2)])
    operator.registry[IMAGE] = NEW
    assert f"pull image {IMAGE}@{OLD[:19]}" in texts(operator.plan())


def test_an_image_that_nobody_knows_is_pulled_by_its_tag() -> None:
    plan = Operator(spec([boxed("a")], [model("digits")])).plan(fresh=True)
    assert f"pull image {IMAGE}" in texts(plan)


def test_images_go_with_the_last_container_and_a_rollback_pulls_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    operator = running(boxed("a"), boxed("b"))
    before, operator.spec = operator.spec, spec([node("a"), node("b")], [model("digits", 2)])
    operator.up()
    assert not any(machine.images for machine in operator.cluster.machines.values())
    operator.spec = before
    plan = operator.rollback()
    assert f"pull image {IMAGE}@{OLD[:19]}" in texts(plan)
    assert operator.promise.kept()
    assert {tuple(m.runtimes) for name, m in operator.cluster.machines.items() if name != "lb"} == {(OLD,)}
