"""What `plan` says of the time-outs of requests: all of them."""

from __future__ import annotations

from distctl.cluster.spec import ModelSpec, RequestTimeouts, Source
from distctl.policy.times import request_times


def test_most_in_one_line_and_each_that_differs_in_its_own() -> None:
    times = RequestTimeouts(connect=0.3, queue=2, first=30, idle=60, total=600)
    models = [ModelSpec("a", Source("node", "/a")), ModelSpec("chat", Source("node", "/c"), timeouts=times)]
    assert list(request_times(models)) == [
        "time-outs of requests: connect as measured, queue 30s, first 10m, total 10m, idle 10m (streams)",
        "time-outs of requests to chat: connect 300ms, queue 2s, first 30s, total 10m, idle 1m (streams)",
    ]
