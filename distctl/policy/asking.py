"""What a server is asked, how often, and how long one that does not answer is left alone. Pure.

`live` is asked each second, since only it tells a dead or hung server. The rest changes slowly or is known
from elsewhere: models by what we load ourselves, load by the routers' counters, and Triton itself refreshes
its metrics every two seconds (`--metrics-interval-ms`). A small cluster is asked for everything each second;
as it grows the rest is asked less often, each server's every five seconds among a thousand and every twenty
among four thousand or more: the questions a second beside `live` stay as many.
"""

from __future__ import annotations

import zlib
from enum import Enum
from math import ceil

from distctl.cluster.spec import ServerId

INTERVAL = 1.0  # seconds between two questions for `live`
AT_ONCE = 200  # servers that are asked for everything each second
SLOWEST = 20  # seconds between two of the other questions, however many servers there are
PATIENT = 3  # answers that may fail before one is asked less often: a verdict is to come soon
SOON = 0.1  # seconds between two questions to a router while somebody may be waiting for a model that sleeps
SHARE = 0.2  # of the time for those: a router whose answer takes long is asked less often
LONGEST = 8.0  # seconds between two questions for a server that has been dead for long
LATE = 0.25  # seconds that a process may be late by itself before it does less
IN_TIME = 0.05  # seconds; what is no later than that may do more again
MOST_STRETCHED = 8.0  # times a second, between two questions of a process that cannot do more
LEARNT = 32  # servers at once that are asked for everything, since they were dead or are new
AT_FIRST = 1000  # servers that are first asked within one second
KEPT = 5  # turns that a connection is kept: at SIGTERM Triton waits for every one that is open


class Question(Enum):
    """One thing that is asked; all of them together say what a `ServerSight` holds."""

    LIVE = "health"
    MODELS = "models"
    READY = "models' readiness"
    STATISTICS = "statistics"
    METRICS = "metrics"


EVERYTHING = frozenset(Question)
ALONE = frozenset((Question.LIVE,))
_SLOW = (Question.MODELS, Question.READY, Question.STATISTICS, Question.METRICS)


def phase(server: ServerId) -> float:
    """A server's place among the others, from 0 to 1: the same at every start and spread evenly."""
    return zlib.crc32(str(server).encode()) / 2**32


def head_start(servers: int) -> float:
    """Seconds over which so many servers are first asked, 1 to 2: all at once would time out together."""
    return min(max(servers / AT_FIRST, 1.0), 2.0)


def period(servers: int) -> int:
    """Seconds between two of the slower questions to one server of so many."""
    return min(max(ceil(servers / AT_ONCE), 1), SLOWEST)


def due(turn: int, place: float, every: int) -> frozenset[Question]:
    """What a server at this place is asked in its turn: the slower questions, spread over `every` turns."""
    first = turn + int(place * 997)  # neighbours in a second are not asked the same
    slow = (question for number, question in enumerate(_SLOW) if (first + number) % every == 0)
    return frozenset((Question.LIVE, *slow))


def lets_go(turn: int, place: float) -> bool:
    """Whether the connection that was kept so far ends in this turn."""
    return (turn + int(place * 991)) % KEPT == 0


def stretched(stretch: float, late: float) -> float:
    """How many times longer turns and deadlines are, once this process was `late` by so many seconds.

    A machine that is too busy to ask everybody each second asks less often, and takes no server for dead
    whose answer it could not read: quickly so, and back in small steps, in a quarter of a minute.
    """
    if late > LATE:
        return min(stretch * 1.25, MOST_STRETCHED)
    return max(stretch * 0.96, 1.0) if late < IN_TIME else stretch


def brisk(took: float) -> float:
    """Seconds from one question to the next for a router that is asked often, and took so many to answer."""
    return min(INTERVAL, max(SOON, took / SHARE))


def pause(failures: int, place: float) -> float:
    """Seconds until a server that failed so many times in a row is asked again.

    It doubles up to a ceiling, a fifth longer or shorter for each server, so that those which died together
    are not asked together.
    """
    if failures < PATIENT:
        return INTERVAL
    grown = INTERVAL * 2.0 ** min(failures - PATIENT + 1, 10)
    return float(min(grown, LONGEST) * (0.8 + 0.4 * place))
