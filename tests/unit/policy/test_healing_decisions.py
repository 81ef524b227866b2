"""What asks for a pass, what is only told, and when nothing is done although much is bad."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rehearsal import ROUTER
from wards import READY, Watch, silent, well, without

from distctl.cluster.healing import HealingSpec
from distctl.cluster.record import Health, Intent, Replica
from distctl.cluster.router import RouterSight, SlotState
from distctl.cluster.snapshot import ServerSight, Silence, Snapshot
from distctl.cluster.spec import ServerId
from distctl.policy.health import gone_servers
from distctl.policy.mass import WITHIN, too_many

A, B, C = (ServerId(name, "0") for name in "abc")
DEAD, HUNG, LOST = (silent(A, s) for s in (Silence.REFUSED, Silence.MUTE, Silence.LOST))


def settled(names: str = "abc", healing: HealingSpec | None = None) -> Watch:
    watch = Watch(names, healing)
    watch.looks(5)
    watch.events.clear()
    watch.health.clear()
    return watch


def test_a_cluster_that_is_well_needs_nothing() -> None:
    watch = Watch()
    assert watch.looks(10).needs == {}
    assert watch.events == ["a/0 ready", "b/0 ready", "c/0 ready"]


def test_a_dead_server_needs_a_pass_after_three_looks() -> None:
    watch = settled()
    assert watch.looks(2, a=DEAD).needs == {}
    assert watch.look(a=DEAD).needs == {"a/0": "a/0 is dead: a/0 does not answer"}


def test_a_transition_is_told_once_however_long_it_lasts() -> None:
    watch = settled()
    watch.looks(50, a=HUNG)
    watch.looks(50)
    assert watch.events == [
        "a/0 hung: a/0 does not answer, after ready for 6 s",
        "a/0 ready, after hung for 49 s",
    ]
    assert [(h.server, h.state, h.reason) for h in watch.health] == [
        (A, "hung", "a/0 does not answer"),
        (A, "ready", ""),
    ]


def test_a_model_that_fell_out_needs_a_pass() -> None:
    watch = settled()
    assert watch.looks(3, a=without(A)).needs == {"a/0": "a/0 is without digits: digits: unloaded"}


def test_a_router_that_does_not_run_needs_a_pass() -> None:
    watch = settled()
    down = Snapshot(
        0.0, servers={s: well(s) for s in watch.servers}, routers={ROUTER: RouterSight(ROUTER, False)}
    )
    needs = [watch.see(replace(down, at=watch.now + n)).needs for n in range(3)]
    assert needs == [{}, {}, {"router main@lb": "router main@lb does not run"}]
    assert watch.events[0].startswith("main@lb dead: it does not run, after ready")


def test_a_router_that_cannot_be_asked_needs_none() -> None:
    watch = settled()
    parted = RouterSight(ROUTER, running=False, error="ssh: timed out")
    for n in range(10):
        seen = Snapshot(watch.now + n, servers={s: well(s) for s in watch.servers}, routers={ROUTER: parted})
        assert watch.see(seen).needs == {}


def test_a_node_that_was_told_to_stand_still_is_not_looked_after() -> None:
    watch = settled()
    still = Intent("a", cordoned=True, draining=True, stopped=True)
    watch.record = replace(watch.record, intents={"a": still})
    assert watch.looks(10, a=DEAD).needs == {}
    assert watch.events == []


def test_what_came_back_and_takes_no_requests_needs_a_pass() -> None:
    watch = settled()
    closed = Replica(A, "digits", "1", SlotState.OFF)
    others = frozenset(r for r in watch.record.replicas if r.server != A)
    watch.record = replace(watch.record, replicas=others | {closed})
    assert watch.look().needs == {"a/0": "a/0 is ready, and no router sends digits there"}


# --- too much at once -----------------------------------------------------------------------------------


def test_two_of_three_within_a_minute_are_held_and_told() -> None:
    watch = settled()
    other = silent(B, Silence.REFUSED)
    assert watch.looks(3, a=DEAD, b=other).needs == {}
    assert watch.events[-1] == (
        "cluster 2 of 3 servers turned bad within a minute (a/0 dead, b/0 dead): nothing is healed until a "
        "minute has passed without another one"
    )


def test_the_hold_ends_by_itself() -> None:
    watch = settled()
    other = silent(B, Silence.REFUSED)
    watch.looks(3, a=DEAD, b=other)
    assert watch.looks(int(WITHIN) - 1, a=DEAD, b=other).needs == {}
    assert sorted(watch.look(a=DEAD, b=other).needs) == ["a/0", "b/0"]
    assert watch.events[-1] == "cluster healing goes on: nothing turned bad within the last minute"


def test_the_hold_ends_once_they_are_well_again() -> None:
    watch = settled()
    watch.looks(3, a=DEAD, b=silent(B, Silence.REFUSED))
    watch.looks(2)
    assert watch.ward.held == ""
    assert watch.looks(3, a=DEAD).needs != {}


def test_one_server_alone_is_never_a_mass() -> None:
    assert settled("a").looks(3, a=DEAD).needs != {}


# --- nobody reaches it ----------------------------------------------------------------------------------


def test_what_nobody_reaches_for_long_is_gone_and_its_replicas_are_placed_elsewhere() -> None:
    watch = settled(healing=HealingSpec(fall=3, reschedule_after=30))
    watch.looks(32, a=LOST)
    assert [h.state for h in watch.health] == ["unreachable"]
    watch.look(a=LOST)
    assert [h.state for h in watch.health] == ["unreachable", "gone"]
    record = replace(watch.record, health={A: watch.health[-1]})
    assert gone_servers(record, Snapshot(0.0, servers={A: LOST})) == {A}
    assert gone_servers(record, Snapshot(0.0, servers={A: well(A)})) == frozenset()


def test_it_is_placed_elsewhere_never_where_the_file_says_so() -> None:
    watch = settled(healing=HealingSpec(fall=3, reschedule_after=None))
    watch.looks(1000, a=LOST)
    assert [h.state for h in watch.health] == ["unreachable"]


def test_a_controller_that_is_cut_off_itself_places_nothing_elsewhere() -> None:
    watch = settled(healing=HealingSpec(fall=3, reschedule_after=30))
    watch.looks(500, a=LOST, b=silent(B, Silence.LOST))
    assert {h.state for h in watch.health} == {"unreachable"}


def test_a_new_controller_counts_from_what_the_record_says() -> None:
    watch = Watch(healing=HealingSpec(fall=3, reschedule_after=30))
    away = Health(A, "unreachable", "no packet", watch.now - 100)
    watch.record = replace(watch.record, health={A: away})
    watch.look(a=LOST)
    assert [h.state for h in watch.health] == ["gone"]


# --- whatever happens -----------------------------------------------------------------------------------

sights = st.sampled_from([*Silence, None])


def seen(server: ServerId, silence: Silence | None) -> ServerSight:
    if silence is None:
        return without(server)
    return well(server) if silence is Silence.NONE else silent(server, silence)


Stories = list[tuple[Silence | None, ...]]


def some_looks(count: int) -> st.SearchStrategy[Stories]:
    return st.lists(st.tuples(*[sights] * count), min_size=5, max_size=80)


@given(some_looks(3))
def test_nothing_is_needed_while_too_much_turned_bad_at_once(
    stories: Stories,
) -> None:
    watch = Watch()
    for story in stories:
        found = watch.look(**{s.node: seen(s, how) for s, how in zip(watch.servers, story, strict=True)})
        lately = [v for v in found.ward.servers.values() if v.bad and watch.now - v.turned < WITHIN]
        assert bool(found.ward.held) == too_many(len(lately), 3, watch.spec.healing.share)
        assert not (found.ward.held and found.needs)


@given(some_looks(4))
def test_every_need_stands_on_looks_that_agree(stories: Stories) -> None:
    watch = Watch("abcd")
    history: list[dict[str, ServerSight]] = []
    for story in stories:
        looked = {s.node: seen(s, how) for s, how in zip(watch.servers, story, strict=True)}
        history.append(looked)
        for subject in watch.look(**looked).needs:
            last = [past[subject[0]] for past in history]
            bad = [sight for sight in last if not (sight.live and sight.replicas == READY)]
            assert len(bad) >= watch.spec.healing.fall, (
                "no need rests on fewer bad looks than the rules ask for"
            )


@given(some_looks(3), st.integers(1, 60))
def test_nothing_is_gone_before_its_time(stories: Stories, after: int) -> None:
    watch = Watch(healing=HealingSpec(reschedule_after=float(after)))
    began: dict[ServerId, float] = {}
    for story in stories:
        watch.health.clear()
        watch.look(**{s.node: seen(s, how) for s, how in zip(watch.servers, story, strict=True)})
        for health in watch.health:
            if health.state == "gone":
                assert watch.now - began[health.server] >= after
            elif health.state == "unreachable":
                began[health.server] = watch.now
            else:
                began.pop(health.server, None)
