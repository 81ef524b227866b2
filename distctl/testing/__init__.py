"""The fakes, shipped: every port in memory, for our own tests and for those of whoever builds on distctl.

`FakeCluster` ties them together: nodes, servers and routers that behave as the real ones promise to, a
process of distctl that can be killed after any change, and a list of what clients would have lost.

    cluster = FakeCluster(spec)
    cluster.calls.crash_after(7)        # the seventh change takes effect, then the process dies
    ...                                 # run control code on cluster.world(view); it raises Crash
    cluster.restart()                   # a new process, the same machines
    ...                                 # run it again
    assert cluster.lost == []
"""

from distctl.testing.calls import Calls, Crash
from distctl.testing.cluster import FakeCluster
from distctl.testing.connector import FakeConnector
from distctl.testing.hurried import HurriedLoop
from distctl.testing.node import FakeMachine, FakeNode
from distctl.testing.serving import FakeRouter, FakeTriton
from distctl.testing.store import FakeClock, MemoryStore

__all__ = [
    "Calls",
    "Crash",
    "FakeClock",
    "FakeCluster",
    "FakeConnector",
    "FakeMachine",
    "FakeNode",
    "FakeRouter",
    "FakeTriton",
    "HurriedLoop",
    "MemoryStore",
]
