"""Two operators and two controllers at one database, at random, killed and stopped at random, under load.

What onlookers prove meanwhile: nothing on a node changes unless a run has claimed it, a generation is never
claimed by two runs, no request is lost, and what a command said it wrote stands in the record.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from controlled import Controller
from local_cluster import LocalCluster, local_cluster
from postgres import Postgres, served
from test_team import bob

from distctl.cluster.snapshot import Owner
from distctl.commands.fence import parse_owner

SECONDS = float(os.environ.get("DISTCTL_TEST_CHAOS_SECONDS", "600"))
LOOK = 0.02  # seconds between two looks of the onlooker
GOOD = {0, 5, 6, 8}  # done; somebody else's turn; requests still in flight; refused
WAIT = ("--lease-wait", "60s")
CLIENTS = ("digits:http", "digits:grpc", "simple:http", "simple:grpc")
Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def cluster(database: Postgres) -> Iterator[LocalCluster]:
    with local_cluster(nodes=3, models={"digits": 2, "simple": 2}) as made:
        made.spec["store"] = database.as_store(made.folder)
        made.write()
        made.up()
        yield made


@dataclass(frozen=True)
class Look:
    """A node at an instant: its owner file, and what of it a change would change."""

    owner: Owner | None
    content: tuple[str, ...]


@dataclass
class Onlooker:
    """Looks at a node's files all the time, and keeps what should not be."""

    root: Path
    wrong: list[str] = field(default_factory=list)
    claims: dict[int, str] = field(default_factory=dict)
    changes: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def look(self) -> Look:
        owner = content = None
        with contextlib.suppress(OSError):
            owner = parse_owner((self.root / "owner").read_text())
        links = sorted(self.root.glob("units/server-*/repository/*"))
        content = [f"{link.name} {link.readlink()}" for link in links if link.is_symlink()]
        for script in sorted(self.root.glob("units/*/run")):
            with contextlib.suppress(OSError):
                content.append(f"{script} {script.stat().st_mtime_ns}")
        return Look(owner, tuple(content))

    def watch(self) -> None:
        before = self.look()
        while not self.done.is_set():
            time.sleep(LOOK)
            now = self.look()
            self._compare(before, now)
            before = now

    def _compare(self, before: Look, now: Look) -> None:
        if now.owner and now.owner.until and now.owner != before.owner:
            by = self.claims.setdefault(now.owner.generation, now.owner.run)
            if by != now.owner.run:
                self.wrong.append(
                    f"{self.root}: generation {now.owner.generation} of {by} and {now.owner.run}"
                )
        if now.content != before.content:
            self.changes += 1
            claimed = any(look.owner and look.owner.until for look in (before, now))
            if not claimed and now.owner == before.owner:
                self.wrong.append(f"{self.root}: changed while nobody had claimed it: {now.owner}")


@dataclass
class Operator:
    """Somebody who gives commands at random, each of which may be killed."""

    cluster: LocalCluster
    dice: random.Random
    model: str
    node: str
    where: tuple[str, ...]
    said: dict[str, str | None] = field(default_factory=dict)  # None: a killed command may have written it
    codes: list[int] = field(default_factory=list)
    killed: int = 0
    problems: list[str] = field(default_factory=list)

    def work(self, until: float) -> None:
        while time.monotonic() < until:
            self._command(*self.dice.choice(self._words()))
            time.sleep(self.dice.uniform(0, 2))

    def _words(self) -> list[tuple[str, ...]]:
        counts = [("scale", f"{self.model}={count}") for count in ("1", "2", "auto")]
        return [*counts, ("drain", self.node, "--timeout", "20s"), ("undrain", self.node), ("up", "-y")]

    def _command(self, *words: str) -> None:
        process = self.cluster.begin(*words, *WAIT, *self.where)
        killed = self.dice.random() < 0.15
        if killed:
            time.sleep(self.dice.uniform(0.2, 3))
            killed = process.poll() is None
            process.kill()
        out, err = process.communicate(timeout=150)
        if words[0] == "scale" and (killed or process.returncode == 0):
            self.said[self.model] = None if killed else words[1].partition("=")[2]
        if killed:
            self.killed += 1
            return
        self.codes.append(process.returncode)
        if process.returncode not in GOOD or "Traceback" in err:
            self.problems.append(f"{' '.join(words)}: exit {process.returncode}\n{out}\n{err}")


@dataclass
class Trouble:
    """Two controllers, one of which is now and then killed, or stopped past its lease and woken."""

    cluster: LocalCluster
    dice: random.Random
    killed: int = 0
    stopped: int = 0

    def work(self, until: float) -> None:
        running = [Controller(self.cluster, f"controller-{n}") for n in range(2)]
        while time.monotonic() < until:
            time.sleep(self.dice.uniform(5, 20))
            victim = self.dice.randrange(2)
            if self.dice.random() < 0.5:
                self.stopped += 1
                running[victim].process.send_signal(signal.SIGSTOP)
                time.sleep(self.dice.uniform(5, 40))
                running[victim].process.send_signal(signal.SIGCONT)
            else:
                self.killed += 1
                running[victim].process.kill()
                running[victim].process.wait()
                running[victim] = Controller(self.cluster, f"controller-{victim}-{self.killed}")
        for controller in running:
            controller.process.send_signal(signal.SIGINT)
            controller.process.wait(60)


@pytest.mark.nightly
@pytest.mark.timeout(SECONDS + 300)
def test_nothing_is_changed_without_its_claim_and_nothing_said_is_lost(
    cluster: LocalCluster, figure: Figure
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    until = time.monotonic() + SECONDS
    onlookers = [Onlooker(cluster.root(node)) for node in cluster.nodes]
    operators = [
        Operator(cluster, random.Random(dice.random()), "digits", "n1", ()),
        Operator(cluster, random.Random(dice.random()), "simple", "n3", bob(cluster)),
    ]
    watching = [threading.Thread(target=one.watch) for one in onlookers]
    working = [threading.Thread(target=one.work, args=(until,)) for one in operators]
    trouble = Trouble(cluster, random.Random(dice.random()))
    working.append(threading.Thread(target=trouble.work, args=(until,)))
    with cluster.load(*CLIENTS, seconds=SECONDS + 300) as load:
        for thread in (*watching, *working):
            thread.start()
        for thread in working:
            thread.join(SECONDS + 200)
        assert not any(thread.is_alive() for thread in working)
        _settle(cluster)
        for one in onlookers:
            one.done.set()
    changes = sum(one.changes for one in onlookers)
    codes = [code for one in operators for code in one.codes]
    killed = sum(one.killed for one in operators)
    ended = f"{len(codes)} commands to their end {dict(sorted(Counter(codes).items()))} and {killed} killed"
    figure(f"{SECONDS:g} s: {load.report}; {ended}; controllers killed {trouble.killed} times, stopped")
    figure(f"{trouble.stopped} times; {changes} changes on nodes")
    assert not [problem for one in operators for problem in one.problems]
    assert not [wrong for one in onlookers for wrong in one.wrong]
    assert codes.count(0) >= SECONDS / 30 and changes >= SECONDS / 60, "that was no trouble"
    _kept(cluster, operators)
    load.report.require_whole()


def _settle(cluster: LocalCluster) -> None:
    for node in ("n1", "n3"):
        cluster.run("undrain", node, *WAIT, check=None)
    cluster.up(*WAIT)
    cluster.wait_whole()


def _kept(cluster: LocalCluster, operators: list[Operator]) -> None:
    """The last count that each operator was told is kept is the one that the record has."""
    found = {model["model"]: model for model in cluster.json("status")["models"]}
    for one in operators:
        said = one.said.get(one.model)
        if said is not None:
            wanted = 2 if said == "auto" else int(said)
            assert found[one.model]["intent"]["replicas"] == wanted, (said, found[one.model])
