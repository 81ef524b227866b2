"""Where servers and routers have their metrics, as Prometheus's HTTP service discovery is told."""

from __future__ import annotations

import pytest
from outlooks import record_of_two, spec_of_two

from distctl.commands.discovery import discovered

ROUTER = {
    "targets": ["127.0.0.1:8002"],
    "labels": {"cluster": "prod", "router": "main@lb", "__meta_distctl_role": "router"},
}


def test_each_router_and_server_is_named_with_its_models() -> None:
    router, a, b = discovered(spec_of_two(), record_of_two())
    assert router == ROUTER
    assert a["targets"] == ["127.0.0.1:9002"]
    assert a["labels"] == {
        "cluster": "prod",
        "node": "a",
        "server": "a/0",
        "__meta_distctl_role": "server",
        "__meta_distctl_models": ",digits,",
    }
    assert b["labels"]["server"] == "b/0"


@pytest.mark.parametrize(("role", "count"), [("", 3), ("router", 1), ("server", 2)])
def test_one_role_can_be_asked_for(role: str, count: int) -> None:
    found = discovered(spec_of_two(), record_of_two(), role)
    assert len(found) == count
    assert {one["labels"]["__meta_distctl_role"] for one in found} == (
        {role} if role else {"router", "server"}
    )
