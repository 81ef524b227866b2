"""Requests that routers tell of: what a line means, in words, in columns, and of several routers at once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rehearsal import Rehearsal, model, node, spec

from distctl.app.requests import Feed, logging_routers, refuse_strangers
from distctl.cli.logs import _wanted
from distctl.cli.requests_show import document, header, line
from distctl.cluster.requests import Told, Wanted
from distctl.cluster.spec import LogSpec, RouterId
from distctl.commands.haproxy.access import keeper, page, told
from distctl.commands.haproxy.endings import in_words
from distctl.errors import InputError
from distctl.testing import FakeCluster

MAIN = RouterId("main", "lb")
SAID = {
    "at": 1000.5,
    "request": "r-1",
    "client": "10.0.0.9",
    "key": "-",
    "protocol": "rest",
    "model": "digits",
    "version": "-",
    "path": "/v2/models/digits/infer",
    "backend": "digits_r",
    "server": "n1/0",
    "retries": "0",
    "queue": 3,
    "connect": 1,
    "first": 10,
    "total": 250,
    "in": 100,
    "out": 200,
    "status": 200,
    "grpc_status": "-",
    "end": "--",
}


def of(**changes: object) -> Told:
    found = told(MAIN, json.dumps({**SAID, **changes}))
    assert found is not None
    return found


def test_line_is_understood() -> None:
    one = of()
    assert (one.ended, one.model, one.server, one.tries, one.queue, one.total) == (
        1000.75,
        "digits",
        "n1/0",
        1,
        3,
        250,
    )
    assert (one.grpc, one.key, one.how, one.failed) == ("", "", "", False)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "Proxy clients stopped.", '{"at":1}', '{"at":1,"end":"--","total":"x"}']
)
def test_what_is_no_line_of_ours_tells_nothing(text: str) -> None:
    assert told(MAIN, text) is None


@pytest.mark.parametrize(
    ("changes", "failed", "how"),
    [
        ({"end": "LR", "status": 200}, False, "the router answered itself"),
        ({"end": "LR", "status": 429, "server": "-"}, True, "the router answered itself"),
        ({"status": 502, "end": "SH"}, True, "the server hung up or refused before the answer began"),
        ({"end": "CD"}, True, "the client hung up while the answer was on its way"),
        (
            {"status": 503, "end": "sQ"},
            True,
            "the server was silent for too long while it waited in the queue",
        ),
        ({"status": 504, "end": "sH"}, True, "the server was silent for too long before the answer began"),
        (
            {"end": "KD"},
            True,
            "the router ended it: it lasted too long, or was ended by hand while the answer was on its way",
        ),
        ({"grpc_status": "5"}, True, ""),
        ({"grpc_status": "0"}, False, ""),
        ({"status": -1, "end": "CR"}, True, "the client hung up before the request had arrived"),
        ({"status": 0, "end": "PR", "error": "SSL handshake failure"}, True, "SSL handshake failure"),
    ],
)
def test_how_it_ended_is_told_in_words(changes: dict[str, object], failed: bool, how: str) -> None:
    assert (of(**changes).failed, of(**changes).how) == (failed, how)


def test_code_that_nobody_knows_is_told_as_it_is() -> None:
    assert in_words("??") == "HAProxy ended it as ??"


def test_tries_count_the_first_and_a_server_that_was_never_reached_counts_none() -> None:
    assert [of(retries="+1").tries, of(retries="1").tries, of(retries="0", server="-").tries] == [2, 2, 0]


def test_columns_fit_a_narrow_terminal_and_json_is_one_line() -> None:
    columns = line(of(), several=False, colour=False)
    assert len(columns) <= 80 and columns.endswith("r-1")
    heads = header(several=True)
    row = line(of(retries="+1", key="ci", end="CD"), several=True, colour=False)
    assert row.startswith("main@lb") and row.index("200") == heads.index("STATUS")
    assert row.index("digits") == heads.index("MODEL") and row.index("n1/0") == heads.index("SERVER")
    assert row.endswith("the client hung up while the answer was on its way, 2 tries, key ci, r-1")
    said = json.loads(document(of()))
    assert said["router"] == "main@lb" and said["how"] == "" and said["end"] == "--" and said["tries"] == 1
    assert "\n" not in document(of(path="a\nb"))


def test_page_keeps_its_place_when_nothing_came() -> None:
    assert page("", "7:1").position == page("position \n", "7:1").position == "7:1"
    assert page('{"a":1}\nposition 7:9\n', "") == page('{"a":1}\nposition 7:9\n', "7:1")


@pytest.mark.parametrize(
    "words",
    [
        {"model": "a b"},
        {"request": 'x"y'},
        {"key": "$(id)"},
        {"slow": "fast"},
        {"slow": "200"},
        {"since": "yesterday"},
    ],
)
def test_filter_that_nothing_meets_is_refused(words: dict[str, str]) -> None:
    usual = {"model": "", "key": "", "request": "", "slow": "", "since": ""}
    with pytest.raises(InputError):
        _wanted(**{**usual, **words}, errors=False)


def test_filters_are_data() -> None:
    found = _wanted("m", "k", "r", "1.5s", "", errors=True)
    assert found == Wanted("m", "k", "r", 1500, True, 0.0)


def test_files_are_as_large_as_asked_for_altogether() -> None:
    text = keeper(LogSpec(keep=80 * 1024 * 1024, files=4), "/x/y", "name")
    assert text.startswith(f"to=file folder=/x/y chunk={10 * 1024 * 1024} files=4 name=name\n")


@pytest.fixture
def session() -> Rehearsal:
    one = spec([node("n1")], [model("digits")])
    (main,) = one.routers
    routers = (replace(main, on=("lb", "n1")), replace(main, name="quiet", log=LogSpec("off")))
    return Rehearsal(FakeCluster(wanted := replace(one, routers=routers)), wanted)


def test_all_places_are_read_at_once_and_merged_by_the_end_of_requests(session: Rehearsal) -> None:
    routers = logging_routers(session, ["main"])
    assert [str(router) for router in routers] == ["main@lb", "main@n1"]
    for router, ends in zip(routers, ((1.0, 4.0), (2.0, 3.0)), strict=True):
        fake = session.world.router(router)
        fake.log += [
            json.dumps({**SAID, "at": end, "total": 0, "request": f"{router.place}-{end:g}"}) for end in ends
        ]
    feed = Feed(session, routers, Wanted())
    assert [one.request for one in feed.look(10)] == ["lb-1", "n1-2", "n1-3", "lb-4"]
    assert feed.look(10) == []
    session.world.router(routers[0]).log.append(json.dumps({**SAID, "request": "new"}))
    session.world.router(routers[1]).reachable = False
    assert [one.request for one in feed.look(10)] == ["new"]
    assert list(feed.troubles) == [routers[1]] and not feed.silent


@pytest.mark.parametrize(
    ("name", "said"), [("n1", "no router"), ("quiet", "keeps no log"), ("nobody", "no router")]
)
def test_who_has_no_log_of_requests_is_named(session: Rehearsal, name: str, said: str) -> None:
    assert logging_routers(session, [name]) == []
    with pytest.raises(InputError, match=said):
        refuse_strangers(session, ["main", name])
