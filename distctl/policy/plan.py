"""A plan: operations in order, with their reasons and what each waits for, as data.

It is a graph: each step names the steps that must have succeeded before it. The plan shown is the plan run.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from distctl.policy.operations import Join, Leave, Operation


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One operation of a plan: why it is needed, and the numbers of the steps that come before it."""

    number: int
    operation: Operation
    why: str
    needs: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Skip:
    """A node, server or router that the plan leaves alone, why, and what to do about it."""

    subject: str
    why: str
    hint: str = ""

    @property
    def text(self) -> str:
        """The whole in words; many reasons begin with the name already."""
        named = self.why.startswith(f"{self.subject}: ")
        return self.why if named else f"{self.subject}: {self.why}"

    @property
    def node(self) -> str:
        """The node or place that it is about."""
        return self.subject.rpartition("@")[2].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in a deterministic order, and what could not be planned. `notes` are sentences for the reader."""

    steps: tuple[PlannedStep, ...] = ()
    skipped: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    interrupts: tuple[str, ...] = ()  # models that would have no ready replica for a while

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.steps

    @property
    def routes(self) -> bool:
        """Whether routers are told something, on whatever place they run."""
        return any(isinstance(step.operation, (Join, Leave)) for step in self.steps)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes and router places that steps of the plan are named after, sorted."""
        return tuple(sorted({step.operation.node for step in self.steps}))


@dataclass(slots=True)
class Draft:
    """A plan in the making: adds steps in order and gives back their numbers."""

    steps: list[PlannedStep] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupts: set[str] = field(default_factory=set)
    _on: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # by node

    def add(self, operation: Operation, why: str, needs: frozenset[int] | set[int] = frozenset()) -> int:
        """Append a step; what comes back is its number, for the `needs` of later ones."""
        number = len(self.steps) + 1
        self.steps.append(PlannedStep(number, operation, why, frozenset(needs)))
        self._on[operation.node].add(number)
        return number

    def on(self, node: str) -> frozenset[int]:
        """The steps so far on one node."""
        return frozenset(self._on.get(node, ()))

    def note(self, sentence: str) -> None:
        """Tell the reader something, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def plan(self) -> Plan:
        """The finished plan."""
        return Plan(tuple(self.steps), tuple(self.skipped), tuple(self.notes), tuple(sorted(self.interrupts)))
