"""`up` of 16 nodes with nothing to do."""

from __future__ import annotations

from benchmarks.others import operator, unavailable
from benchmarks.work import Aim, Section, Work, distctl, median, say, spread, timed

COUNT = 16
WHY = (
    "imports take what `distctl status` takes in the last table; the rest is sixteen ssh connections "
    "and one look at each node, encrypted by one Python process"
)


def run(work: Work) -> list[Section]:
    """Bring 16 hosts up once, then measure `up`, `plan` and `status`. Raises RuntimeError without hosts."""
    if why := unavailable():
        raise RuntimeError(why)
    section = Section(
        "nothing",
        f"With nothing to do: {COUNT} nodes that are as wanted",
        f"{COUNT} test hosts with a running Triton each; {work.rounds} runs of each command in turn, whole "
        "processes, medians.",
        ["command", "seconds"],
    )
    commands = {"distctl up -y": ["up", "-y"], "distctl plan": ["plan"], "distctl status": ["status"]}
    found: dict[str, list[float]] = {name: [] for name in commands}
    with operator(work, COUNT) as one:
        one.up()
        for _ in range(work.rounds):
            for name, words in commands.items():
                argv = [*distctl(), *words, "-i", one.inventory]
                found[name].append(timed(argv, timeout=60, env=one.environment))
                say(f"{name}: {found[name][-1]:.2f} s")
    section.rows = [[name, spread(seconds)] for name, seconds in found.items()]
    seconds = median(found["distctl up -y"])
    section.aims.append(Aim(f"`up` of {COUNT} nodes with nothing to do, s", 2.0, seconds, why=WHY))
    section.figures = {"up_nothing_16_s": seconds}
    return [section]
