"""Admission, keys, TLS and limits as text: nothing of it where it is absent, no secret anywhere."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from test_router_render import backend, servers, slot, view

from distctl.cluster.keys import Key
from distctl.cluster.router import Pool, RouterView, Tls
from distctl.cluster.spec import Admission, Limits
from distctl.commands.haproxy import CONFIG, Group, groups_of, living, render
from distctl.commands.haproxy.place import accept
from distctl.commands.haproxy.steps import limit_commands
from distctl.commands.haproxy.wire import Count

PAIR = (slot("n1"), slot("n2"))
POOL = Pool("m", PAIR, admission=Admission(4, 20, 2.0))
KEYS = (Key("ci", "ab" * 32, 5, 2, ("m", "n")), Key("ops", "cd" * 32))
TLS = Tls("-----CERT-----", "-----PRIVATE-----")
GUARDED = {
    "admission": view(POOL),
    "keys": view(keys=KEYS),
    "tls": view(tls=TLS),
    "limits": view(limits=Limits(1000, 2000, 50, 5.0)),
    "unprivileged": view(drops_root=True),
}


def text(of: RouterView) -> str:
    return render(of).files[CONFIG]


def test_without_them_the_configuration_has_none_of_it() -> None:
    plain = text(view())
    for word in (
        "maxconn",
        "queue(",
        "keys:",
        "http_auth_bearer",
        " ssl ",
        "priority",
        "status 413 errorfile",
        "chroot",
    ):
        assert word not in plain
    assert render(view()).living == {}


@pytest.mark.parametrize("name", GUARDED)
def test_each_is_structure_and_adds_only_its_own(name: str) -> None:
    assert render(GUARDED[name]).structure != render(view()).structure
    others = {
        "admission": "maxconn",
        "keys": "http_auth_bearer",
        "tls": " ssl crt ",
        "limits": "req.hdrs,length",
        "unprivileged": "chroot jail",
    }
    assert {other for other, word in others.items() if word in text(GUARDED[name])} == {name}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (view(POOL), view(replace(POOL, admission=Admission(8, 20, 2.0)))),
        (view(keys=KEYS), view(keys=KEYS[:1])),
        (view(keys=()), view(keys=KEYS)),
        (view(tls=TLS), view(tls=Tls("other", "other"))),
    ],
    ids=["concurrency", "keys", "first key", "certificate"],
)
def test_what_the_socket_can_change_is_no_structure_and_changes_the_file(
    one: RouterView, other: RouterView
) -> None:
    assert render(one).structure == render(other).structure
    assert render(one).digest != render(other).digest


@pytest.mark.parametrize(
    "other",
    [
        view(replace(POOL, admission=Admission(4, 21, 2.0))),
        view(replace(POOL, admission=Admission(4, 20, 3.0))),
        view(replace(POOL, admission=None)),
    ],
    ids=["length", "wait", "none"],
)
def test_what_it_cannot_change_is_structure(other: RouterView) -> None:
    assert render(view(POOL)).structure != render(other).structure


def test_servers_are_limited_in_every_backend_but_those_of_streams() -> None:
    limited = {
        s: [line.endswith(" maxconn 4") for line in servers(f"m_{s}", view(POOL))]
        for s in ("r", "g", "rn", "gn", "rs", "gs")
    }
    assert limited == {s: [s not in ("rs", "gs")] * 2 for s in limited}
    assert "timeout queue 2000ms" in backend("m_r", view(POOL))


def test_streams_and_questions_have_backends_of_their_own() -> None:
    files = render(view(Pool("free", PAIR), POOL)).files
    maps = {name.partition("-")[0]: content for name, content in files.items() if name.endswith(".map")}
    assert maps["reststream"] == "free free_rs\nm m_rs\n"
    assert maps["grpcstream"] == "free free_gs\nm m_gs\n"
    assert maps["restonce"] == "free free_rn\nm m_rn\n"


def test_keys_are_told_by_digest_and_grants_by_name() -> None:
    assert living.living(view(keys=KEYS)) == {
        "keys.map": f"{'AB' * 32} ci/some/5/2\nci:m 1\nci:n 1\n{'CD' * 32} ops/all/0/0\n"
    }


def test_no_secret_stands_in_the_configuration() -> None:
    said = text(view(keys=KEYS, tls=TLS))
    assert "PRIVATE" not in said and "AB" * 32 not in said and "ab" * 32 not in said
    assert "PRIVATE" not in repr(view(tls=TLS))


def test_every_refusal_is_said_in_both_protocols() -> None:
    files = render(view(POOL, keys=KEYS, limits=Limits(1000, 2000, 50, 5.0))).files
    words = {n[len("grpc") : n.index("-")] for n in files if n.startswith("grpc") and n.endswith(".http")}
    assert {w for w in words if not w.isdigit()} == {
        "draining",
        "full",
        "waited",
        "key",
        "model",
        "many",
        "rate",
        "share",
        "body",
        "headers",
    }
    for name, content in files.items():
        if name.endswith(".http"):
            assert re.fullmatch(
                r"HTTP/1\.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: \d+\r\n(.+\r\n)+\r\n",
                content,
            )


def test_limits_are_told_to_those_servers_that_have_others() -> None:
    (group,) = (g for g in groups_of(view(POOL)) if g.model == "m")
    counts = {(b, s.server.slot): Count(0, 0, 0, "", 4) for b in group.backends for s in PAIR}
    assert limit_commands([group], counts) == []
    counts["m_g", "n2.0"] = Count(0, 0, 0, "", 3)
    counts["m_gs", "n2.0"] = Count(0, 0, 0, "", 0)
    assert limit_commands([group], counts) == ["set maxconn server m_g/n2.0 4"]
    assert limit_commands([Group("m", "m_r", ("m_g",), PAIR)], {}) == []


MAP = "0x5581e0 AAAA ci/some/5/2\n0x5581e8 ci:m 1\n\n"


@pytest.mark.parametrize(
    ("wanted", "same"),
    [
        ("AAAA ci/some/5/2\nci:m 1\n", True),
        ("ci:m 1\nAAAA ci/some/5/2\n", True),
        ("AAAA ci/some/5/3\nci:m 1\n", False),
        ("AAAA ci/some/5/2\n", False),
        ("", False),
    ],
)
def test_keys_of_a_worker_are_compared_whatever_their_order(wanted: str, same: bool) -> None:
    assert living.same_keys(MAP, wanted) is same


def test_many_keys_are_told_in_parts_and_shown_at_once() -> None:
    wanted = "".join(f"{n:064X} k{n}/all/0/0\n" for n in range(120))
    commands = living.fill_keys(7, "3", wanted)
    assert [c.splitlines()[0] for c in commands] == [
        *["@!7 add map @3 keys.map <<"] * 3,
        "@!7 commit map @3 keys.map",
    ]
    assert sum(len(c.splitlines()) - 1 for c in commands) == 120
    assert max(map(len, commands)) < 16 * 1024
    assert living.version_of("New version created: 3\n") == "3" and living.version_of("nothing") == ""


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("\n", ""),
        ("Transaction created for certificate certificate.pem!\n\n", ""),
        ("Committing certificate.pem.\nSuccess!\n", ""),
        (
            "unable to load certificate from file\nCan't update\n",
            "unable to load certificate from file Can't update",
        ),
    ],
)
def test_what_the_socket_says_against_a_change_is_kept(answer: str, complaint: str) -> None:
    assert living.complaint(answer) == complaint


def test_keys_and_certificate_come_back_when_the_check_fails() -> None:
    script = accept("/r/unit", "abc", {"haproxy.cfg": "text"}, "ours")
    assert script.index('cp -p "$name" "$name.last"') < script.index(" -c -f haproxy.cfg.new")
    assert script.index(" -c -f haproxy.cfg.new") < script.index('mv -f "$name.last" "$name"')
