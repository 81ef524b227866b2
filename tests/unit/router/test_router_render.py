"""The configuration as text: what it depends on, and what it must not say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.router import CheckTimes, Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import Hold, RequestTimeouts, RouterId, ServerId
from distctl.commands.haproxy import CONFIG, groups_of, render
from distctl.commands.haproxy.groups import model_of, server_of
from distctl.commands.haproxy.kinds import KINDS
from distctl.errors import RouterError

STATES = tuple(SlotState)
ONE, TWO, THREE = 1925900557, 1888245588, 1900952935  # the ids of n1.0, n2.0 and n3.0: part of what is kept


def slot(node: str, state: SlotState = SlotState.READY, **changes: object) -> Slot:
    number = int(node[1:])
    made = Slot(ServerId(node, "0"), f"10.0.0.{number}", 9000 + number, 9100 + number, state)
    return replace(made, **changes)


def view(*pools: Pool, **changes: object) -> RouterView:
    pools = pools or (Pool("digits", (slot("n1"), slot("n2"))),)
    made = RouterView(RouterId("main", "lb1"), "prod", "0.0.0.0", 8000, 8001, 8002, pools)
    return replace(made, **changes)


def backend(name: str, view: RouterView) -> list[str]:
    """The lines of one backend."""
    text = render(view).files[CONFIG]
    _, _, rest = text.partition(f"\nbackend {name} from ")
    assert rest, f"no backend {name}"
    return [line.strip() for line in rest.split("\n\n")[0].splitlines()[1:]]


def servers(name: str, view: RouterView) -> list[str]:
    return [line for line in backend(name, view) if line.startswith("server ")]


def test_same_view_gives_the_same_bytes() -> None:
    assert render(view()) == render(view())


@given(st.lists(st.tuples(st.sampled_from(STATES), st.integers(1, 256)), min_size=2, max_size=2))
def test_states_and_weights_are_no_structure(wanted: list[tuple[SlotState, int]]) -> None:
    """What the socket can change never costs a reload."""
    slots = tuple(slot(f"n{n}", state, weight=weight) for n, (state, weight) in enumerate(wanted, 1))
    assert render(view(Pool("digits", slots))).structure == render(view()).structure


@pytest.mark.parametrize(
    "other",
    [
        view(Pool("digits", (slot("n1"), slot("n2"), slot("n3")))),
        view(Pool("digits", (slot("n1"), slot("n2"))), Pool("more", ())),
        view(Pool("digits", (slot("n1", host="10.0.0.9"), slot("n2")))),
        view(Pool("digits", (slot("n1"), slot("n2")), replay=False)),
        view(http_port=9000),
        view(replay_limit=1024),
        view(checks=CheckTimes(interval=300)),
    ],
    ids=["server", "model", "address", "replay", "port", "limit", "checks"],
)
def test_everything_else_is_structure(other: RouterView) -> None:
    assert render(other).structure != render(view()).structure


@pytest.mark.parametrize(("limit", "buffer"), [(0, 16384), (1024, 16384), (16384, 24576), (131072, 139264)])
def test_buffers_hold_what_is_sent_again_and_a_frame_of_http2(limit: int, buffer: int) -> None:
    assert f"  tune.bufsize {buffer}\n" in render(view(replay_limit=limit)).files[CONFIG]


def test_worker_can_say_its_structure() -> None:
    rendered = render(view())
    assert f"\n  description structure={rendered.structure}\n" in rendered.files[CONFIG]


def test_states_stand_in_the_file_so_that_a_boot_needs_nobody() -> None:
    pool = Pool("m", (slot("n1"), slot("n2", SlotState.OFF), slot("n3", SlotState.DRAIN)))
    assert servers("m_r", view(pool)) == [
        f"server n1.0 10.0.0.1:9001 id {ONE} check weight 100 slowstart 10s",
        f"server n2.0 10.0.0.2:9002 id {TWO} check weight 100 disabled slowstart 10s",
        f"server n3.0 10.0.0.3:9003 id {THREE} check weight 0 slowstart 10s",
    ]


@pytest.mark.parametrize("name", ["m_g", "m_rn", "m_gn", "m_rs", "m_gs"])
def test_other_backends_of_a_pool_track_the_same_server(name: str) -> None:
    pool = Pool("m", (slot("n1"), slot("n2", SlotState.DRAIN)))
    lines = servers(name, view(pool))
    tracked = [line.partition(" track ")[2].partition(" slowstart")[0] for line in lines]
    assert tracked == ["m_r/n1.0 weight 100", "m_r/n2.0 weight 0"]
    assert all(("proto h2" in line) is name.startswith("m_g") for line in lines)


def test_pools_are_checked_by_their_own_models_readiness() -> None:
    assert "http-check send meth GET uri /v2/models/digits/ready" in backend("digits_r", view())


def test_only_backends_that_may_repeat_retry_a_lost_answer() -> None:
    again = "retry-on conn-failure empty-response junk-response"
    holds = view(Pool("digits", (slot("n1"),), hold=Hold()))
    repeats = {kind.suffix for kind in KINDS if again in backend(f"digits{kind.suffix}", holds)}
    assert repeats == {"_r", "_g"}
    assert "all-retryable-errors" not in render(view()).files[CONFIG]


def test_model_without_replay_never_leads_to_a_backend_that_repeats() -> None:
    pools = (Pool("a", (slot("n1"),)), Pool("b", (slot("n1"),), replay=False))
    files = render(view(*pools)).files
    maps = {name.partition("-")[0]: text for name, text in files.items() if name.endswith(".map")}
    assert maps == {
        "slots": f"{ONE} n1.0\n",
        "rest": "a a_r\nb b_rn\n",
        "grpc": "a a_g\nb b_gn\n",
        "restonce": "a a_rn\nb b_rn\n",
        "grpconce": "a a_gn\nb b_gn\n",
        "reststream": "a a_rs\nb b_rs\n",
        "grpcstream": "a a_gs\nb b_gs\n",
        "usual": "/v2/models/a/infer a_r\n/v2/models/a/generate a_r\n"
        "/v2/models/b/infer b_rn\n/v2/models/b/generate b_rn\n",
    }


def test_files_beside_are_named_by_their_content() -> None:
    """The rename of the configuration alone switches from one state to the next."""
    one, two = render(view()), render(view(Pool("other", ())))
    shared = {name for name in one.files if one.files[name] == two.files.get(name)}
    differ = (one.files.keys() | two.files.keys()) - shared
    assert all(name == CONFIG or name not in one.files or name not in two.files for name in differ)
    assert all(name in one.files[CONFIG] for name in one.files if name != CONFIG)


def test_requests_without_a_model_go_to_the_best_state_of_each_server() -> None:
    pools = (
        Pool("a", (slot("n1", SlotState.OFF), slot("n2", SlotState.DRAIN), slot("n3", SlotState.OFF))),
        Pool("b", (slot("n1", SlotState.READY), slot("n2", SlotState.OFF), slot("n3", SlotState.OFF))),
    )
    anywhere, *_ = groups_of(view(*pools))
    assert [(s.server.node, s.state) for s in anywhere.slots] == [
        ("n1", SlotState.READY),
        ("n2", SlotState.DRAIN),
        ("n3", SlotState.OFF),
    ]


@pytest.mark.parametrize("model", ["any", "any_r", "refused", "clients", "m_rn", "a.b-c_1", "self"])
def test_no_model_can_take_the_name_of_something_else(model: str) -> None:
    text = render(view(Pool(model, (slot("n1"),)), Pool(f"{model}_r", ()))).files[CONFIG]
    sections = [line.split()[1] for line in text.splitlines() if line.startswith(("backend ", "frontend "))]
    assert len(sections) == len(set(sections))
    assert {model_of(name) for name in sections} == {model, f"{model}_r", None}


@pytest.mark.parametrize("name", ["a b", "a\nb", "", "a/b", "a:b", "ä", "a%b", 'a"b'])
def test_name_that_could_mean_something_to_haproxy_is_refused(name: str) -> None:
    with pytest.raises(RouterError, match="cannot be a name in HAProxy"):
        render(view(Pool(name, (slot("n1"),))))
    with pytest.raises(RouterError, match="cannot be a name in HAProxy"):
        render(view(Pool("m", (replace(slot("n1"), server=ServerId(name, name)),))))


def test_slot_leads_back_to_its_server() -> None:
    assert server_of(ServerId("gpu.example.com", "1").slot) == ServerId("gpu.example.com", "1")


def test_times_follow_the_longest_request() -> None:
    """Old workers must live as long as the longest answer may take, and idle streams too."""
    pools = (
        Pool("a", (), timeouts=RequestTimeouts(total=5)),
        Pool("b", (), timeouts=RequestTimeouts(total=1200)),
    )
    text = render(view(*pools)).files[CONFIG]
    assert "hard-stop-after 1231s" in text and "timeout client 1231s" in text
    assert "timeout server 5000ms" in backend("a_r", view(*pools))


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("0.0.0.0", "bind 0.0.0.0:8000"),
        ("::1", "bind [::1]:8000"),
        ("::", "bind [::]:8000 v4v6"),
    ],
)
def test_addresses_of_both_families(address: str, line: str) -> None:
    assert f"  {line}\n" in render(view(bind=address)).files[CONFIG]
    six = view(Pool("m", (slot("n1", host="fd00::1"),)))
    assert servers("m_r", six)[0].startswith("server n1.0 [fd00::1]:9001 ")


def test_requests_that_are_still_connecting_are_not_cut() -> None:
    text = render(view(checks=CheckTimes(connect=1200))).files[CONFIG]
    (line,) = (line.split() for line in text.splitlines() if line.startswith("  lua-load shut-"))
    assert int(line[2]) > 1200 and int(line[3]) > int(line[2])


def test_view_without_models_is_a_configuration() -> None:
    assert "backend any:r" in render(replace(view(), pools=())).files[CONFIG]
