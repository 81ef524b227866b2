"""What is wanted of a model: where its files are, how many replicas, how its requests are treated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from distctl.cluster.scaling import Autoscale


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's files are: a folder here that is pushed, or a path on the node."""

    kind: Literal["folder", "node"]
    path: str


Policy = Literal["least-load", "two-choices", "round-robin", "sequence", "prefix"]


@dataclass(frozen=True, slots=True)
class PrefixSpec:
    """What requests for one server have in common, and how much busier than the others it may be."""

    key: Literal["header", "prompt", "session"] = "prompt"
    header: str = ""  # whose value is the key
    length: int = 256  # bytes of the prompt that are the key
    bound: float = 1.25  # times the average of requests in flight; never less than one request


@dataclass(frozen=True, slots=True)
class RequestTimeouts:
    """The longest that parts of a request to a model may take, in seconds. None: see each."""

    connect: float | None = None  # to a server; None: as its link was measured
    queue: float | None = None  # waiting in the router for a server that may take it; None: the router's own
    first: float | None = None  # until the answer of a request that is no stream begins; None: total
    total: float = 600.0  # the whole request
    idle: float | None = None  # silence on a stream; None: total

    @property
    def answer(self) -> float:
        """Seconds that the server of a request which is no stream may be silent."""
        return self.total if self.first is None else self.first

    @property
    def silence(self) -> float:
        """Seconds that the server of a stream may be silent."""
        return self.total if self.idle is None else self.idle


@dataclass(frozen=True, slots=True)
class Admission:
    """How many requests a model takes: at once in one server, and waiting in one router, and for how long.

    HAProxy counts for each of a pool's backends, so REST, gRPC and requests that are never sent twice are
    counted apart.
    """

    concurrency: int = 0  # in one server; 0: as many as its configuration can use
    queue: int = 100
    wait: float = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model and how many replicas of it are wanted where.

    `replicas` is the smallest count where there is `autoscale`, and else the count.
    """

    name: str
    source: Source
    replicas: int = 1
    where: Mapping[str, str] = field(default_factory=dict)
    replay: Literal["auto", "on", "off"] = "auto"
    timeouts: RequestTimeouts = RequestTimeouts()
    probe: Literal["auto", "off"] = "auto"
    policy: Policy | None = None  # None: sequence where the model's configuration says so, else least-load
    prefix: PrefixSpec | None = None  # for the policy of that name
    admission: Admission | None = None  # None: every request is sent on at once
    autoscale: Autoscale | None = None  # None: the count is fixed

    @property
    def least(self) -> int:
        """The smallest count that the file allows at any time."""
        schedules = self.autoscale.schedules if self.autoscale else ()
        return min([self.replicas, *(line.min for line in schedules if line.min is not None)])

    @property
    def most(self) -> int:
        """The largest count that the file allows at any time."""
        if self.autoscale is None:
            return self.replicas
        return max([self.autoscale.max, *(line.max or 0 for line in self.autoscale.schedules)])
