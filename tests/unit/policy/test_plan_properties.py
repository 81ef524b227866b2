"""Whatever happens to a cluster, one `up` brings it to the file, a second one finds nothing to do.

A story is a random cluster and a random list of things that operators and machines do. After each of them
the promise to clients is asked at every change of the fake cluster: see `rehearsal.Promise`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from rehearsal import ROUTER, Operator, model, node, spec

from distctl.cluster.spec import ModelSpec, Node
from distctl.errors import Refused

NAMES = ("a", "b", "c", "d")
MODELS = ("digits", "xray", "chat")
LABELS = ("a100", "l4")

some_node = st.sampled_from(NAMES)
some_model = st.sampled_from(MODELS)
nodes = st.builds(
    lambda name, servers, gpu: node(name, servers=servers, gpu=gpu),
    some_node,
    st.integers(1, 2),
    st.sampled_from(LABELS),
)
models = st.builds(
    lambda name, replicas, gpu: model(name, replicas, **({"gpu": gpu} if gpu else {})),
    some_model,
    st.integers(0, 4),
    st.sampled_from((*LABELS, "", "", "")),
)


def named(items: list[Node] | list[ModelSpec]) -> list[str]:
    return [item.name for item in items]


def changed(operator: Operator, **what: object) -> None:
    operator.spec = replace(operator.spec, **what)  # type: ignore[arg-type]


def without(name: str) -> Callable[[Operator], None]:
    def left(operator: Operator) -> None:
        some = operator.spec
        changed(operator, nodes=tuple(n for n in some.nodes if n.name != name))
        changed(operator, models=tuple(m for m in some.models if m.name != name))

    return left


def with_model(new: ModelSpec) -> Callable[[Operator], None]:
    def joined(operator: Operator) -> None:
        others = tuple(m for m in operator.spec.models if m.name != new.name)
        changed(operator, models=(*others, new))

    return joined


def with_node(new: Node) -> Callable[[Operator], None]:
    def joined(operator: Operator) -> None:
        if (
            new.name not in named(list(operator.spec.nodes))
            and new.name not in operator.cluster.store.record.known
        ):
            changed(operator, nodes=(new, *operator.spec.nodes))

    return joined


def willing(command: Callable[[Operator], object]) -> Callable[[Operator], None]:
    """A command that may be refused."""

    def tried(operator: Operator) -> None:
        try:
            command(operator)
        except Refused:
            operator.cluster.store.release(operator.cluster.store.lease)

    return tried


def draining(name: str, stop: bool) -> Callable[[Operator], None]:
    def drained(operator: Operator) -> None:
        if name in named(list(operator.spec.nodes)):
            operator.drain(name, stop=stop)

    return willing(drained)


def killed(name: str) -> Callable[[Operator], None]:
    def kill(operator: Operator) -> None:
        for id in list(operator.cluster.tritons):
            if id.node == name and f"server-{id.server}" in operator.cluster.machines[name].units:
                operator.cluster.kill(id)

    return kill


def cut(name: str) -> Callable[[Operator], None]:
    def toggled(operator: Operator) -> None:
        machine = operator.cluster.machines.get(name)
        if machine is not None:
            machine.reachable = not machine.reachable

    return toggled


def renewed(operator: Operator) -> None:
    operator.runtime += "+"


happenings = st.one_of(
    st.builds(without, st.sampled_from((*NAMES, *MODELS))),
    st.builds(with_model, models),
    st.builds(with_node, nodes),
    st.builds(draining, some_node, st.booleans()),
    st.builds(lambda name: lambda o: o.undrain(name), some_node),
    st.builds(lambda name: lambda o: o.cordon(name), some_node),
    st.builds(lambda name: lambda o: o.cluster.edit(name), some_model),
    st.builds(killed, some_node),
    st.builds(cut, some_node),
    st.just(renewed),
)


def busy(operator: Operator) -> None:
    router = operator.cluster.routers[ROUTER]
    router.in_flight.clear()
    for name in MODELS:
        router.in_flight |= {(name, server): 2 for server in router.sends_to(name)}


@given(
    st.lists(nodes, min_size=1, max_size=4, unique_by=lambda n: n.name),
    st.lists(models, max_size=3, unique_by=lambda m: m.name),
    st.lists(st.tuples(happenings, st.booleans()), max_size=6),
)
@settings(max_examples=150)
def test_up_twice_changes_nothing_and_nothing_is_lost_on_the_way(
    some: list[Node], wanted: list[ModelSpec], story: list[tuple[Callable[[Operator], None], bool]]
) -> None:
    operator = Operator(spec(some, wanted))
    operator.up()
    assert operator.plan().empty
    for happen, prune in story:
        busy(operator)
        happen(operator)
        first, second = operator.plan(prune=prune), operator.plan(prune=prune)
        assert first == second, "the same question, another answer"
        operator.up(prune=prune)
        left = operator.plan(prune=prune)
        assert left.empty, [step.operation.text for step in left.steps]
        assert operator.promise.kept()
