"""What the controller did about one thing lately, from its events: how often, and when it tries again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from distctl.cluster.record import Event
from distctl.policy.explain.told import Told, span
from distctl.policy.healing import GOES_ON
from distctl.policy.upkeep import WELL, Tries

KIND = "controller"  # of the events that tell decisions
HOLD = 600.0  # seconds after which nobody says any more that it holds
PASS = 60.0  # seconds that a pass may take before the wait for the next one begins


def tries(events: Iterable[Event]) -> Tries | None:
    """The passes in a row for one thing; None where there was none. Pure.

    Decisions are told when their pass begins, so the row is followed a pass' time longer than by `upkeep`.
    """
    found: Tries | None = None
    for event in events:
        if event.kind == KIND:
            goes_on = found is not None and event.at <= found.due + WELL + PASS
            found = Tries(found.count + 1 if found and goes_on else 1, event.at)
    return found


def healed(subject: str, told: Told) -> Iterator[str]:
    """What was done about a thing that is not well, and why no more."""
    found = tries(told.of(subject))
    if found is not None:
        again = found.due - told.now
        when = f"not before {span(again)} from now" if again > 0 else "due"
        passes = "one pass" if found.count == 1 else f"{found.count} passes in a row"
        last = span(told.now - found.at)
        yield f"The controller made {passes} for {subject}, the last {last} ago; another is {when}."
    if not told.led:
        yield "No controller runs: nobody heals it but its own supervisor."
    elif held := holding(told):
        yield f"Nothing is healed now: {held}."


def holding(told: Told) -> str:
    """Why the controller holds, by the last that it said of it; "" when it does not."""
    said = [event for event in told.cluster if event.kind == "health"]
    if not said or said[-1].text == GOES_ON or told.now - said[-1].at > HOLD:
        return ""
    return said[-1].text
