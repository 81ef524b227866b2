"""What a pool's policy, time-outs, sequences and hold say in the configuration: tables of text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distctl.cluster.router import CheckTimes, Pool, RouterView, Sequences, Slot, SlotState
from distctl.cluster.spec import Hold, Policy, PrefixSpec, RequestTimeouts, RouterId, ServerId
from distctl.commands.haproxy import CONFIG, groups_of, render
from distctl.commands.haproxy.groups import LARGEST_ID, ids_of
from distctl.commands.haproxy.kinds import KINDS, kinds_of

SUFFIXES = [kind.suffix for kind in KINDS]


def slot(node: str) -> Slot:
    return Slot(ServerId(node, "0"), "10.0.0.1", 9000, 9001, SlotState.READY)


def view(**changes: object) -> RouterView:
    pool = replace(Pool("m", (slot("n1"), slot("n2"))), **changes)
    return RouterView(RouterId("main", "lb1"), "prod", "0.0.0.0", 8000, 8001, 8002, (pool,))


def backend(suffix: str, seen: RouterView) -> list[str]:
    _, _, rest = render(seen).files[CONFIG].partition(f"\nbackend m{suffix} from ")
    return [line.strip() for line in rest.split("\n\n")[0].splitlines()[1:]]


def said(word: str, seen: RouterView) -> dict[str, str]:
    """By backend: what stands behind a word that begins a line there; only where it does."""
    found = {}
    for kind in kinds_of(seen.pools[0]):
        lines = [
            x.removeprefix(word).strip() for x in backend(kind.suffix, seen) if f"{x} ".startswith(f"{word} ")
        ]
        if lines:
            (found[kind.suffix],) = lines
    return found


@pytest.mark.parametrize(
    ("policy", "balance"),
    [("two-choices", "random(2)"), ("round-robin", "roundrobin"), ("prefix", "hash var(txn.prefix)")],
)
def test_policy_is_how_every_backend_but_the_holding_one_balances(policy: Policy, balance: str) -> None:
    prefix = PrefixSpec() if policy == "prefix" else None
    found = said("balance", view(policy=policy, prefix=prefix, hold=Hold()))
    assert found == dict.fromkeys(SUFFIXES[:6], balance)


@pytest.mark.parametrize("policy", ["least-load", "sequence"])
def test_fewest_in_flight_is_what_all_pools_build_upon(policy: Policy) -> None:
    assert said("balance", view(policy=policy)) == {}
    assert "  balance leastconn\n" in render(view()).files[CONFIG]


@pytest.mark.parametrize(
    ("prefix", "rest", "grpc"),
    [
        (PrefixSpec("header", "x-a"), "req.hdr(x-a)", "req.hdr(x-a)"),
        (PrefixSpec("prompt", length=99), "lua.prompt(rest,99)", "lua.prompt(grpc,99)"),
        (PrefixSpec("session"), "lua.parameter(rest,session_id)", "lua.parameter(grpc,session_id)"),
    ],
)
def test_key_of_a_prefix(prefix: PrefixSpec, rest: str, grpc: str) -> None:
    seen = view(policy="prefix", prefix=prefix)
    assert f"http-request set-var(txn.prefix) {rest}" in backend("_r", seen)
    assert f"http-request set-var(txn.prefix) {grpc}" in backend("_gs", seen)


@pytest.mark.parametrize(("bound", "percent"), [(1.25, "125"), (1.1, "110"), (2.0, "200")])
def test_bound_is_a_percentage_of_the_average(bound: float, percent: str) -> None:
    seen = view(policy="prefix", prefix=PrefixSpec(bound=bound))
    assert set(said("hash-balance-factor", seen).values()) == {percent}


def test_servers_start_slowly_unless_keys_hang_on_their_weight() -> None:
    def slow(policy: Policy) -> bool:
        return "slowstart 10s" in backend("_r", view(policy=policy))[-1]

    policies: tuple[Policy, ...] = ("least-load", "two-choices", "round-robin", "sequence", "prefix")
    assert [slow(policy) for policy in policies] == [True, True, True, False, False]


def test_each_time_out_stands_where_it_is_meant() -> None:
    times = RequestTimeouts(connect=0.3, queue=2, first=5, total=60, idle=20)
    seen = view(timeouts=times, hold=Hold())  # where answers and streams wait alike, for the longer of both
    answer, silence = dict.fromkeys(SUFFIXES[:4], "5000ms"), dict.fromkeys(SUFFIXES[4:], "20000ms")
    assert said("timeout server", seen) == answer | silence
    assert said("timeout queue", seen) == dict.fromkeys(SUFFIXES, "2000ms")
    assert said("timeout connect", seen) == dict.fromkeys(SUFFIXES[:6], "300ms") | {
        "_rh": "300ms",
        "_gh": "300ms",
    }
    text = render(seen).files[CONFIG]
    assert " admin.sock m=60\n" in text and "timeout client 91s" in text


def test_time_outs_that_are_not_named_are_the_total() -> None:
    assert set(said("timeout server", view(timeouts=RequestTimeouts(total=7))).values()) == {"7000ms"}
    assert said("timeout connect", view()) == {} == said("timeout queue", view())


def test_no_session_is_cut_that_may_still_connect() -> None:
    seen = view(timeouts=RequestTimeouts(connect=3))
    (line,) = (x.split() for x in render(seen).files[CONFIG].splitlines() if x.startswith("  lua-load shut-"))
    assert int(line[2]) > 3000


def test_sequences_have_one_table_that_forgets_as_the_server_does() -> None:
    seen = view(policy="sequence", sequences=Sequences(idle=12.5, places=8), replay=False)
    (table,) = said("stick-table", seen).values()
    assert "expire 12500ms" in table and "peers self" in table
    for suffix in ("_rn", "_gn", "_rs", "_gs"):
        text = "\n".join(backend(suffix, seen))
        assert "table m_rn" in text and "lua.seat m_rn 8 " in text and "has its 8 sequences open" in text


def test_places_that_nobody_knows_bound_nothing() -> None:
    text = "\n".join(backend("_rn", view(policy="sequence")))
    assert "lua.seat" not in text and "sequences open" not in text
    assert "track-sc2 var(txn.sequence) table m_rn if of_sequence" in text


@pytest.mark.parametrize("suffix", ["_r", "_g"])
def test_what_may_be_sent_again_is_no_sequence(suffix: str) -> None:
    assert "sequence" not in "\n".join(backend(suffix, view()))


@pytest.mark.parametrize("suffix", ["_rn", "_rs"])
def test_a_sequence_is_looked_for_in_all_that_was_waited_for_and_no_further(suffix: str) -> None:
    """Of a large body no more than its first bytes are sure to be there; to search the rest is dear."""
    (line,) = (line for line in backend(suffix, view()) if "lua.sequence" in line)
    _, _, condition = line.partition(" if ")
    assert condition == (
        "large { req.body,bytes(0,16384) -m sub sequence_id } or !large { req.body -m sub sequence_id }"
    )
    text = render(view()).files[CONFIG]
    assert " at-least 16384 if model infer large or model streams large\n" in text


def test_the_kernel_copies_what_is_large_alone() -> None:
    """What may be sent again stays in a buffer; HTTP/2 has frames to look at."""
    assert said("option splice-request", view()).keys() == {"_rn"}


@pytest.mark.parametrize(
    ("checks", "time", "tries"),
    [(CheckTimes(), 60, "600"), (CheckTimes(), 0.1, "1"), (CheckTimes(connect=1200), 60, "60")],
    ids=["near", "at least one", "far: HAProxy waits a second at most"],
)
def test_held_request_tries_as_often_as_it_may_wait(checks: CheckTimes, time: float, tries: str) -> None:
    seen = replace(view(hold=Hold(time, 9)), checks=checks)
    assert {s: said("retries", seen)[s] for s in ("_rh", "_gh")} == {"_rh": tries, "_gh": tries}
    assert backend("_rh", seen)[-1] == "server hold 127.0.0.1:1 backup"
    assert all("gt 9" in "\n".join(backend(s, seen)) for s in ("_rh", "_gh"))


def test_only_a_model_that_holds_has_what_holding_needs() -> None:
    without, holding = render(view()), render(view(hold=Hold()))
    assert "acl cold" not in without.files[CONFIG] and "_rh" not in without.files[CONFIG]
    assert "acl cold" in holding.files[CONFIG]
    files = {n.partition("-")[0]: t for n, t in holding.files.items() if n.endswith(".map")}
    maps = {name: text for name, text in files.items() if "hold" in name}
    assert maps == {"holding": "m m_r\n", "resthold": "m m_rh\n", "grpchold": "m m_gh\n"}
    (group,) = groups_of(view(hold=Hold()))[1:]
    assert group.backends == tuple(f"m{suffix}" for suffix in SUFFIXES)


def test_policy_hold_and_time_outs_are_structure() -> None:
    others = (
        view(policy="two-choices"),
        view(hold=Hold()),
        view(timeouts=RequestTimeouts(first=3)),
        view(sequences=Sequences(places=3)),
    )
    assert len({render(seen).structure for seen in (view(), *others)}) == 1 + len(others)


def test_ids_stay_when_others_come_and_go() -> None:
    def ids(*names: str) -> dict[str, int]:
        return dict(ids_of(view(slots=tuple(map(slot, names)))))

    many = ids(*(f"n{n}" for n in range(2000)))
    assert len(set(many.values())) == 2000 and 1 <= min(many.values()) <= max(many.values()) <= LARGEST_ID
    assert ids("n5", "n7") == {name: many[name] for name in ("n5.0", "n7.0")}
