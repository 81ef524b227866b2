"""A request that took two servers with it: from the router's log to an event, told once."""

from __future__ import annotations

from distctl.cluster.router import Lost, RouterSight
from distctl.cluster.spec import RouterId, ServerId
from distctl.commands.haproxy.lost import lost_requests
from distctl.policy.lost import all_lost, new_events, sentence

LINE = (
    'lost-twice {"at":1700000000,"model":"digits","request":"r-7","client":"10.0.0.9",'
    '"servers":["gpu01.0","gpu02.1"]}'
)
LOST = Lost(1_700_000_000, "digits", "r-7", "10.0.0.9", (ServerId("gpu01", "0"), ServerId("gpu02", "1")))


def test_lines_of_the_log_are_read_and_others_left() -> None:
    log = f"Server digits_r/gpu01.0 is DOWN\n{LINE}\n[warning] 1/2 (3) : {LINE}\n{LINE[:50]}\nlost-twice []\n"
    assert lost_requests(log) == (LOST,)


def test_sentence_names_model_request_and_servers() -> None:
    assert sentence(LOST) == (
        "request r-7 to digits from 10.0.0.9 was lost with every server that took it, around when gpu01/0 "
        "and gpu02/1 went down; it was sent to two at most: look into it before it is sent again"
    )


def test_each_is_told_once() -> None:
    later = Lost(1_700_000_001, "digits", "", "10.0.0.9", LOST.servers[:1])
    sights = [
        RouterSight(RouterId("main", place), running=True, lost=lost)
        for place, lost in (("a", (later, LOST)), ("b", (LOST,)))
    ]
    events = new_events(all_lost(sights), [])
    assert [(e.kind, e.subject, e.at) for e in events] == [
        ("lost", "digits", LOST.at),
        ("lost", "digits", later.at),
    ]
    assert new_events(all_lost(sights), events[:1]) == events[1:]
    assert new_events(all_lost(sights), events) == []
