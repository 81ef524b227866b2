"""What a controller knows, as the text that Prometheus reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from outlooks import HOSTILE, outlook, ruined, ward, whole
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from distctl.adapters.telling.metrics import OPENMETRICS, rendered
from distctl.policy.healing import Ward
from distctl.policy.outlook import Outlook, led, lost
from distctl.policy.symptoms import Kind

Samples = dict[tuple[str, ...], float]


def samples(known: Outlook, accept: str = "") -> Samples:
    """Values by name and the values of the labels in the order of their names."""
    read = openmetrics.text_string_to_metric_families if accept else plain
    families = read(rendered(known, accept)[1].decode())
    return {
        (s.name, *dict(sorted(s.labels.items())).values()): s.value
        for family in families
        for s in family.samples
    }


def test_a_whole_cluster_is_told_in_numbers() -> None:
    found = samples(outlook(whole(1000.0)))
    assert {key: found.get(key) for key in EXPECTED} == EXPECTED


EXPECTED: Samples = {
    ("distctl_controller_leading",): 1,
    ("distctl_controller_record_usable",): 1,
    ("distctl_controller_last_look_timestamp_seconds",): 1000,
    ("distctl_controller_passes_total", "done"): 3,
    ("distctl_controller_passes_total", "failed"): 1,
    ("distctl_controller_pass_seconds_count",): 4,
    ("distctl_controller_pass_seconds_sum",): 8.5,
    ("distctl_controller_decisions_total", "upkeep"): 0,
    ("distctl_healing_held",): 0,
    ("distctl_servers", "ready"): 2,
    ("distctl_servers", "crash loop"): 0,
    ("distctl_server_state", "a", "a/0", "ready"): 1,
    ("distctl_nodes", "ready"): 2,
    ("distctl_nodes", "routers only"): 1,
    ("distctl_nodes_closed", "cordon"): 1,
    ("distctl_nodes_closed", "drain"): 0,
    ("distctl_node_power", "a", "on"): 1,
    ("distctl_node_on_seconds_total", "a"): 150,
    ("distctl_node_off_seconds_total", "a"): 70,
    ("distctl_server_requests_in_flight", "b", "b/0"): 2,
    ("distctl_server_requests_queued", "b", "b/0"): 1,
    ("distctl_server_requests_total", "b", "main@lb", "b/0"): 30,
    ("distctl_model_requests_total", "digits", "main@lb"): 100,
    ("distctl_model_requests_in_flight", "digits"): 4,
    ("distctl_model_requests_queued", "digits"): 2,
    ("distctl_model_requests_held", "chat"): 0,
    ("distctl_model_replicas_wanted", "digits"): 2,
    ("distctl_model_replicas_ready", "digits"): 2,
    ("distctl_model_replicas_serving", "digits"): 2,
    ("distctl_model_replicas_decided", "pin", "digits"): 1,
    ("distctl_model_replicas_decided", "demand", "chat"): 1,
    ("distctl_model_replicas_min", "chat"): 0,
    ("distctl_model_replicas_max", "chat"): 3,
    ("distctl_model_replicas_asked", "chat"): 3,
    ("distctl_router_wanted", "main@lb"): 1,
    ("distctl_router_running", "main@lb"): 1,
    ("distctl_router_requests_open", "main@lb"): 6,
}


def test_what_is_wrong_is_told_too() -> None:
    found = samples(outlook(ruined(1000.0), ward=ward(Kind.CRASH_LOOP, held="2 of 2 turned bad")))
    assert found["distctl_healing_held",] == 1
    assert found["distctl_servers", "crash loop"] == found["distctl_nodes", "crash loop"] == 2
    assert found["distctl_server_state", "a", "a/0", "crash loop"] == 1
    assert found["distctl_model_replicas_serving", "digits"] == 0
    assert found["distctl_model_requests_held", "chat"] == 4


def test_servers_that_nobody_wants_to_run_are_told_as_that() -> None:
    found = samples(outlook(ruined(1000.0), ward=Ward()))
    assert found["distctl_servers", "stopped"] == found["distctl_nodes", "stopped"] == 2
    assert found["distctl_servers", "not known yet"] == 0


def test_both_formats_say_the_same() -> None:
    known = outlook(whole(1000.0))
    assert samples(known) == samples(known, f"{OPENMETRICS};version=1.0.0,text/plain;q=0.5")
    assert rendered(known, "")[0].startswith("text/plain; version=0.0.4")
    assert rendered(known, OPENMETRICS)[0].startswith(f"{OPENMETRICS}; version=1.0.0")


@pytest.mark.parametrize("known", [Outlook(), replace(Outlook(), leads=True)])
def test_who_has_seen_nothing_tells_of_itself_alone(known: Outlook) -> None:
    found = samples(known)
    assert found["distctl_controller_leading",] == known.leads
    assert {name for name, *_ in found if not name.startswith("distctl_controller_")} == set()


def test_who_lost_the_record_says_so() -> None:
    found = samples(lost(outlook(whole(1000.0)), "the disk is full"))
    assert found["distctl_controller_record_usable",] == found["distctl_controller_leading",] == 0
    assert samples(led(lost(Outlook(), "away"), True))["distctl_controller_record_usable",] == 1


def test_no_sentence_is_a_label() -> None:
    text = rendered(outlook(ruined(1000.0), ward=ward(Kind.DEAD)), "")[1].decode()
    assert HOSTILE not in text and "ann@desk" not in text and "refused" not in text
