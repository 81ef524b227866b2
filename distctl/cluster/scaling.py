"""What is wanted of a model whose count follows demand: bounds, what a replica takes, how fast it moves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hold:
    """Requests to a model without a server wait for one instead of being refused.

    Their bytes are bounded too: a request that waits has one buffer of the router, whatever its size.
    """

    time: float = 60.0  # seconds that each waits at most
    requests: int = 200  # that wait at once, in one router


@dataclass(frozen=True, slots=True)
class Schedule:
    """Bounds from each time that a cron line names until any other line of the model names one."""

    cron: str
    tz: str = "UTC"  # a name of the IANA database
    min: int | None = None  # None: the model's own
    max: int | None = None


@dataclass(frozen=True, slots=True)
class Autoscale:
    """How a count follows demand. Times are seconds.

    Windows, rates and the threshold of panic are Knative's (config/core/configmaps/autoscaler.yaml), the
    tolerance is Kubernetes' (HorizontalPodAutoscaler), the delay before a count falls is Ray Serve's
    (`downscale_delay_s`): models load for minutes.
    """

    min: int
    max: int
    concurrency: float | None = None  # requests that a replica is meant to have; None: what it can use
    rps: float | None = None  # requests a second for a replica; None: that counts nothing
    idle: float = 1800.0  # without a request before a model with min 0 is unloaded
    down_after: float = 600.0  # since more replicas were last needed
    stable: float = 60.0  # what is averaged
    panic: float = 6.0  # what is averaged to see a burst
    panic_at: float = 2.0  # times what the replicas that serve are meant to take
    up_rate: float = 1000.0  # times the replicas that serve, in one decision
    down_rate: float = 2.0  # the count is divided by this at most, in one decision
    tolerance: float = 0.1  # of the target: so little more or less changes nothing
    schedules: tuple[Schedule, ...] = ()
    hold: Hold = Hold()

    @property
    def sleeps(self) -> bool:
        """Whether the model may be unloaded while nobody asks for it."""
        return self.min == 0 or any(schedule.min == 0 for schedule in self.schedules)
