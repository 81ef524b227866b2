"""`down`: routers first, then servers, then what is left; what distctl put there and nothing else."""

from dataclasses import replace

from rehearsal import ROUTER, Operator, model, node, spec

from distctl.policy.plan import Plan


def running(*, models: int = 2) -> Operator:
    operator = Operator(
        spec([node("a"), node("b", servers=2), node("x", external=True)], [model("digits", models)])
    )
    operator.up()
    return operator


def steps(plan: Plan) -> list[tuple[str, str, list[int]]]:
    return [(s.operation.node, s.operation.text, sorted(s.needs)) for s in plan.steps]


def test_routers_stop_first_and_each_node_is_cleared_once_its_servers_stopped() -> None:
    operator = running()
    assert steps(operator.down()) == [
        ("lb", "stop router main@lb", []),
        ("a", "stop server a/0", [1]),
        ("a", "remove everything of this cluster", [1, 2]),
        ("b", "stop server b/0", [1]),
        ("b", "stop server b/1", [1]),
        ("b", "remove everything of this cluster", [1, 4, 5]),
        ("lb", "remove everything of this cluster", [1]),
    ]
    machines = operator.cluster.machines.values()
    assert not any(m.owner or m.units or m.models or m.runtimes for m in machines)
    assert operator.cluster.store.record.replicas == frozenset()
    assert operator.cluster.store.record.routers == frozenset()


def test_a_second_time_there_is_nothing_to_do() -> None:
    operator = running()
    operator.down()
    assert operator.down().empty


def test_with_models_kept_they_stay_and_the_next_up_pushes_nothing() -> None:
    operator = running()
    operator.down(keep_models=True)
    machines = operator.cluster.machines
    assert machines["a"].models and not (machines["a"].units or machines["a"].runtimes or machines["a"].owner)
    assert operator.down(keep_models=True).empty
    assert not any("push" in step.operation.text for step in operator.up().steps)
    assert operator.promise.kept()


def test_a_node_that_cannot_be_reached_is_left_alone_and_named() -> None:
    operator = running()
    operator.cluster.machines["b"].reachable = False
    plan = operator.down()
    assert [(skip.subject, skip.why) for skip in plan.skipped] == [("b", "no route to host")]
    assert "b" not in plan.nodes
    operator.cluster.machines["b"].reachable = True
    assert {node for node, _, _ in steps(operator.down())} == {"b"}
    assert operator.down().empty


def test_a_router_that_does_not_answer_is_named() -> None:
    operator = running()
    operator.cluster.routers[ROUTER].reachable = False
    assert ("main@lb", "no answer") in [(skip.subject, skip.why) for skip in operator.plan().skipped]
    operator.cluster.routers[ROUTER].reachable = True
    operator.down()
    assert operator.down().empty


def test_external_servers_run_on() -> None:
    operator = running()
    assert "x" not in operator.down().nodes


def test_what_left_the_file_goes_too() -> None:
    operator = running()
    some = operator.spec.nodes
    operator.spec = replace(operator.spec, nodes=tuple(n for n in some if n.name != "b"))
    assert {"a", "b", "lb"} == set(operator.down().nodes)
    assert operator.down().empty


def test_an_empty_cluster_has_nothing_to_take_down() -> None:
    operator = Operator(spec([node("a")], [model("digits")]))
    assert operator.down().empty
    assert operator.cluster.machines["a"].owner is None
