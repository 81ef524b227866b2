"""What a reader of the figures must know: whether they are those of the target or of the generator."""

from __future__ import annotations

from distctl.policy.bench.step import Loop
from distctl.policy.bench.tally import StepResult

BUSY = 0.8  # of a core: beyond it one Python process measures itself
GROWN = 1.5  # times the latency at the begin
OVERTIME = 0.05  # of the step's time: so long after the last request was due answers still came
LATE = 0.2  # of p99: so much of it is the generator's own, or its machine's
NOTICED = 0.001  # seconds; less is the clock's and the kernel's


def warnings(result: StepResult) -> tuple[str, ...]:
    """Sentences about one step, none when its figures are the target's."""
    found = []
    if not result.requests:
        found.append("no request began after the warm-up: give it a longer --duration or a shorter --warmup")
    if result.own.cpu + result.own.waited > BUSY:
        found.append(
            f"the generator used {result.own.cpu:.0%} of a core and waited {result.own.waited:.0%} of the "
            "time for one: the figures may be its own, not the target's; spread the load over several "
            "generators, on machines that do not serve"
        )
    if result.late and result.latency and result.late["p99"] > max(NOTICED, LATE * result.latency["p99"]):
        found.append(
            f"1 in 100 requests was sent {result.late['p99'] * 1000:.1f} ms after its time or later: "
            "more was due than may be in flight, or this machine was busy; latency includes that delay"
        )
    if _overrun(result):
        found.append(
            f"{result.step.level:g} requests per second are more than the target answers: latency grew "
            f"{result.growth:.1f} times from the begin to the end, and would have gone on"
        )
    return tuple(found)


def _overrun(result: StepResult) -> bool:
    """Whether an open loop sent more than was answered, so that its times depend on how long it went on."""
    late = result.overtime > OVERTIME * result.seconds and result.growth > GROWN
    return result.step.loop is Loop.OPEN and result.whole and late
