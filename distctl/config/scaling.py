"""The schema of a count that follows demand: range, what a replica takes, how fast it moves, when."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator
from typing_extensions import Self

from distctl.cluster.spec import Autoscale, Hold, Schedule
from distctl.config.sections import Section
from distctl.config.units import show_duration
from distctl.config.values import Duration, Text, refuse

MOST = 10_000
SHORTEST_WINDOW, LONGEST_WINDOW = 6.0, 3600.0  # seconds, as Knative bounds its stable window
LONGEST_HOLD = 3600.0  # seconds

Number = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[float, Field(ge=0.01, le=1_000_000, allow_inf_nan=False)]


class RangeSection(Section):
    """A range of counts: demand decides which."""

    min: Number = Field(default=1, description="never fewer; 0: unloaded while nobody asks (1)")
    max: Annotated[int, Field(ge=1, le=MOST)] = Field(description="never more")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min > self.max:
            refuse(f"`min` {self.min} is more than `max` {self.max}", "write the smaller one as min")
        if self.min == self.max:
            refuse("a range of one number", f"write replicas: {self.min}, or a larger max")
        return self


def _form(value: Any) -> str:
    return "[range]" if isinstance(value, (dict, RangeSection)) else "[number]"


FORMS = ("[range]", "[number]")  # what pydantic puts into the path of a problem
Replicas = Annotated[
    Annotated[Number, Tag("[number]")] | Annotated[RangeSection, Tag("[range]")],
    Discriminator(_form),
]


class ScheduleSection(Section):
    """Other bounds from each time of a cron line until the next time of any line of the model."""

    cron: Text = Field(description="minute hour day month weekday, as cron reads them")
    tz: Text = Field(default="UTC", description="the time zone of the line, as Europe/Berlin (UTC)")
    min: Number | None = Field(default=None, description="absent: as `replicas` says")
    max: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        default=None, description="absent: as `replicas` says"
    )

    @model_validator(mode="after")
    def _names_times(self) -> Self:
        from datetime import datetime
        from zoneinfo import ZoneInfo

        from cronsim import CronSim, CronSimError

        try:
            zone = ZoneInfo(self.tz)
        except (KeyError, ValueError, OSError):
            refuse(f"`{self.tz}` is no time zone", "write a name such as Europe/Berlin or UTC")
        try:
            CronSim(self.cron, datetime(2000, 1, 1, tzinfo=zone))
        except CronSimError as error:
            words = str(error)[:1].lower() + str(error)[1:]
            hint = "write minute hour day month weekday: 0 8 * * 1-5"
            refuse(f"`{self.cron}` is no cron line: {words}", hint)
        return self


class HoldSection(Section):
    """The requests that wait for the first server of an unloaded model."""

    time: Duration | None = Field(default=None, description="how long each waits at most (60s)")
    requests: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="how many wait in one router, the next is refused at once (200)"
    )

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.time is not None and not 1.0 <= self.time <= LONGEST_HOLD:
            refuse(
                f"a request cannot be held for {show_duration(self.time)}",
                f"at least 1s, at most {show_duration(LONGEST_HOLD)}",
            )
        return self


class AutoscaleSection(Section):
    """How a range of replicas follows demand."""

    concurrency: Positive | None = Field(
        default=None,
        description="requests at once for one replica, queued ones too; absent: what it can use",
    )
    rps: Positive | None = Field(
        default=None, description="requests a second for one replica; the larger need wins"
    )
    idle: Duration | None = Field(
        default=None, description="without a request before a model with min 0 is unloaded (30m)"
    )
    down_after: Duration | None = Field(
        default=None, description="a replica leaves so long after it was last needed (10m)"
    )
    stable: Duration | None = Field(default=None, description="the window that is averaged (60s)")
    panic: Duration | None = Field(default=None, description="the window that sees a burst (6s)")
    panic_at: Annotated[float, Field(ge=1.1, le=10, allow_inf_nan=False)] | None = Field(
        default=None, description="times what serves, that many needed at once are a burst (2)"
    )
    up_rate: Annotated[float, Field(ge=1.1, le=1000, allow_inf_nan=False)] | None = Field(
        default=None, description="times what serves, at most, in one step (1000)"
    )
    down_rate: Annotated[float, Field(ge=1.1, le=1000, allow_inf_nan=False)] | None = Field(
        default=None, description="the count is divided by this at most, in one step (2)"
    )
    tolerance: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)] | None = Field(
        default=None, description="of the target: so little more or less changes nothing (0.1)"
    )
    schedules: Annotated[list[ScheduleSection], Field(min_length=1)] | None = None
    hold: HoldSection | None = None

    @model_validator(mode="after")
    def _has_windows(self) -> Self:
        usual = Autoscale(1, 1)
        stable = usual.stable if self.stable is None else self.stable
        panic = stable / 10 if self.panic is None else self.panic
        for word, seconds in (("stable", self.stable), ("panic", self.panic)):
            if seconds is not None and seconds != int(seconds):
                refuse(f"`{word}` of {show_duration(seconds)}", "write whole seconds")
        if not SHORTEST_WINDOW <= stable <= LONGEST_WINDOW:
            refuse(f"`stable` of {show_duration(stable)}", "at least 6s, at most 1h")
        if panic > stable:
            refuse(f"`panic` is longer than `stable` of {show_duration(stable)}", "a tenth is usual")
        return self


def autoscale(counts: int | RangeSection, said: AutoscaleSection | None) -> Autoscale | None:
    """How a count follows demand as the spec keeps it; None for a fixed number. The section is checked."""
    if isinstance(counts, int):
        return None
    found = said or AutoscaleSection()
    words = found.model_dump(exclude_none=True, exclude={"schedules", "hold"})
    if found.stable is not None and found.panic is None:
        words["panic"] = float(max(1, round(found.stable / 10)))
    return Autoscale(
        min=counts.min,
        max=counts.max,
        **words,
        schedules=tuple(Schedule(**line.model_dump()) for line in found.schedules or ()),
        hold=Hold(**(found.hold.model_dump(exclude_none=True) if found.hold else {})),
    )


def refuse_unfit(counts: int | RangeSection, said: AutoscaleSection | None) -> None:
    """Refuse settings that could have no effect, and schedules whose bounds do not fit the range."""
    if said is None:
        return
    if isinstance(counts, int):
        refuse("`autoscale` does nothing to a fixed number", "write replicas: {min: 1, max: 4}, or remove it")
    found = autoscale(counts, said)
    if found is None:
        return
    for line in found.schedules:
        least = counts.min if line.min is None else line.min
        most = counts.max if line.max is None else line.max
        if least > most:
            refuse(
                f"the schedule `{line.cron}` has min {least} and max {most}", "write both, the smaller as min"
            )
    if len(found.schedules) == 1:
        refuse("one schedule alone holds at all times", "add the line that ends it, as {cron: 0 18 * * *}")
    for word in ("idle", "hold"):
        if getattr(said, word) is not None and not found.sleeps:
            refuse(f"`{word}` has no effect unless min is 0", f"write min: 0, or remove {word}")
