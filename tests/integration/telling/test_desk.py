"""What a controller serves over HTTP: to whom, in which form, and what it never says."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from dataclasses import replace

import pytest
from outlooks import HOSTILE, outlook, ruined, ward, whole
from telling_parts import TOKEN, Told, eventually, free_port

from distctl.policy.outlook import Outlook
from distctl.policy.symptoms import Kind

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def login(told: Told) -> str:
    """The cookie of a login."""
    answer = told.get(f"/login?token={TOKEN}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie: str = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
    return cookie.partition(";")[0]


@pytest.mark.skipif(
    "CI" not in os.environ and not shutil.which("promtool"), reason="needs the Debian package prometheus"
)
def test_metrics_are_what_prometheus_itself_would_write() -> None:
    with Told() as told:
        told.outlook = outlook(ruined(1000.0), ward=ward(Kind.CRASH_LOOP))
        answer = told.get("/metrics")
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
        checked = subprocess.run(
            ["promtool", "check", "metrics"], check=False, input=answer.text, capture_output=True, text=True
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        other = told.get("/metrics", Accept=OPENMETRICS)
        assert other.headers["Content-Type"].startswith(OPENMETRICS) and other.text.endswith("# EOF\n")


def test_whoever_stands_by_names_no_targets_so_that_prometheus_keeps_those_it_has() -> None:
    with Told() as told:
        assert told.get("/sd").status == 503
        assert "distctl_controller_leading 0.0" in told.get("/metrics").text
        told.outlook = outlook(whole(1000.0))
        answer = told.get("/sd?role=server")
        assert answer.headers["Content-Type"] == "application/json"
        assert [one["labels"]["server"] for one in json.loads(answer.text)] == ["a/0", "b/0"]
        assert told.get("/sd?role=nobody").status == 400


def test_on_loopback_programs_of_this_machine_may_ask_and_no_web_page_may() -> None:
    with Told() as told:
        told.outlook = outlook(whole(1000.0))
        for path in ("/metrics", "/sd"):
            assert told.get(path).status == 200
            assert told.get(path, Host="evil.example").status == 401
            assert told.get(path, Host="evil.example", Authorization=f"Bearer {TOKEN}").status == 200


def test_elsewhere_nobody_is_told_anything_without_the_token() -> None:
    with Told(host="0.0.0.0") as told:
        told.outlook = outlook(whole(1000.0))
        for path in ("/metrics", "/sd", "/", "/nothing"):
            refused = told.get(path)
            assert refused.status == 401 and refused.headers["WWW-Authenticate"] == "Bearer"
            assert told.get(path, Authorization="Bearer wrong").status == 401
        assert told.get("/metrics", Authorization=f"Bearer {TOKEN}").status == 200
        assert told.get("/sd", Authorization=f"Bearer {TOKEN}").status == 200
        assert all(TOKEN not in text for _, text in told.said)


def test_the_page_is_for_who_is_logged_in_and_escapes_what_nodes_say() -> None:
    with Told() as told:
        told.outlook = outlook(ruined(1000.0), ward=ward(Kind.DEAD, held=HOSTILE))
        assert told.get("/").status == 401 and told.get("/login?token=wrong").status == 403
        assert told.get("/", Cookie=f"distctl-prod={TOKEN}").status == 401
        answer = told.get("/", Cookie=login(told))
        assert answer.status == 200 and "<script" not in answer.text
        assert answer.text.count("&lt;script&gt;") >= 3
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        for guard, value in (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")):
            assert answer.headers[guard] == value
        assert told.get("/", Cookie="distctl-prod=").status == 401


@pytest.mark.parametrize("known", [Outlook(), replace(Outlook(), leads=True)])
def test_the_page_says_so_when_there_is_nothing_to_show(known: Outlook) -> None:
    with Told() as told:
        told.outlook = known
        text = told.get("/", Cookie=login(told)).text
        assert ("stands by" in text) is not known.leads


def test_a_port_that_is_taken_is_told_and_tried_again() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as other, Told(port=port) as told:
        assert told.said[0][0] == "warning" and f"cannot listen on 127.0.0.1:{port}" in told.said[0][1]
        other.close()
        eventually(lambda: told.said[-1][0] == "listening", "it listens at last")
        assert told.get("/metrics").status == 200
    assert len(told.said) == 2


def test_what_cannot_be_told_is_a_line_in_the_log_and_no_trace() -> None:
    with Told() as told:
        told.outlook = outlook(replace(whole(1000.0), record=None))  # type: ignore[arg-type]
        answer = told.get("/metrics")
        assert answer.status == 500 and "Traceback" not in answer.text
        assert told.said[-1][0] == "warning" and told.said[-1][1].startswith("/metrics cannot be told:")


def test_it_ends_at_once_even_while_somebody_is_connected() -> None:
    with Told() as told, socket.create_connection(("127.0.0.1", told.port)) as idle:
        idle.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        idle.sendall(b"GET /metrics HTTP/1.1\r\n")
        begun = time.monotonic()
        told.desk.close()
        assert time.monotonic() - begun < 3.0
