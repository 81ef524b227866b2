"""From nothing to served models on 2, 8 and 16 hosts: `up`, OpenSSH by hand, and an Ansible playbook."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.others import ANSIBLE, Operator, ansible_playbook, operator, unavailable
from benchmarks.work import Aim, Section, Work, median, say, spread

COUNTS = (2, 8, 16)
ANSIBLE_ROUNDS = 1  # it takes minutes
ANSIBLE_AGAIN = 8  # hosts up to which Ansible is also run with nothing to do


@dataclass(slots=True)
class Times:
    """Seconds of each tool on so many hosts, and the seconds of distctl's steps by what they are."""

    up: list[float] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)
    ansible: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    ansible_again: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)


def run(work: Work) -> list[Section]:
    """Each tool in turn, on hosts that have nothing. Raises RuntimeError where hosts cannot be made."""
    if why := unavailable():
        raise RuntimeError(why)
    rounds = max(1, work.rounds // 2)  # minutes each
    section = Section(
        "provisioning",
        "Provisioning: from nothing to served models",
        "Test hosts of this machine (network namespaces with an sshd each): the runtime (55 MB, 168 unpacked)"
        " and a model are pushed, Triton is started and its model is ready; no router. By hand: parallel "
        f"`scp` and `ssh` (`benchmarks/provision/by_hand.sh`). Ansible: `{ANSIBLE}`, "
        f"pipelining, 8 forks, the same "
        f"steps. {rounds} rounds in turn (Ansible at most {ANSIBLE_ROUNDS}), medians; every host starts its "
        "Triton on the same cores.",
        ["hosts", "tool", "seconds", "to by hand", "again with nothing to do, s"],
    )
    program = ansible_playbook(work)
    for count in COUNTS:
        times = Times()
        for number in range(rounds):
            _round(work, count, number, times, program)
        _report(section, count, times)
    return [section]


def _round(work: Work, count: int, number: int, times: Times, program: object) -> None:
    from pathlib import Path

    with operator(work, count) as one:
        times.by_hand.append(_seconds(f"{count} hosts by hand", one.by_hand))
    with operator(work, count) as one:
        times.up.append(_seconds(f"{count} hosts by distctl up", lambda: _keep_steps(one, times)))
        times.again.append(_seconds("  again", one.up))
    if number < ANSIBLE_ROUNDS and isinstance(program, Path):
        with operator(work, count) as one:
            times.ansible.append(_seconds(f"{count} hosts by Ansible", lambda: one.ansible(program)))
            if count <= ANSIBLE_AGAIN:
                times.ansible_again.append(_seconds("  again", lambda: one.ansible(program)))


def _keep_steps(one: Operator, times: Times) -> None:
    for steps in one.up().values():
        for step in steps:
            times.steps.setdefault(str(step["text"]).split()[0], []).append(step["seconds"])


def _seconds(what: str, do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    took = time.perf_counter() - began
    say(f"{what}: {took:.1f} s")
    return took


def _report(section: Section, count: int, times: Times) -> None:
    up, hand, ansible = median(times.up), median(times.by_hand), median(times.ansible)
    again = {"by hand": [], "distctl up": times.again, "Ansible": times.ansible_again}
    for tool, seconds in (("by hand", times.by_hand), ("distctl up", times.up), ("Ansible", times.ansible)):
        ratio = f"{median(seconds) / hand:.2f}"
        section.rows.append(
            [str(count), tool, spread(seconds, 1), ratio, spread(again[tool], 1) if again[tool] else ""]
        )
    why = "seconds of a node's steps (medians): " + ", ".join(
        f"{word} {median(found):.1f}" for word, found in times.steps.items()
    )
    section.aims.append(Aim(f"`up` of {count} hosts to the same by hand", 1.4, up / hand, why=why))
    least = f"by hand takes {hand / ansible:.2f} of it; {why}"
    section.aims.append(Aim(f"`up` of {count} hosts to Ansible", 0.2, up / ansible, why=least))
    section.figures |= {f"up_{count}_s": up, f"by_hand_{count}_s": hand, f"ansible_{count}_s": ansible}
