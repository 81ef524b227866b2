"""Rise and fall: a verdict follows looks that agree, never one alone, and does not flap."""

from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.healing import HealingSpec
from distctl.cluster.record import Health
from distctl.cluster.spec import ServerId
from distctl.policy.health import LOOP, MEMORY, Verdict, gone, judge, remembered
from distctl.policy.symptoms import Kind, Symptom

READY, DEAD, HUNG = Symptom(Kind.READY), Symptom(Kind.DEAD, "refused"), Symptom(Kind.HUNG)
LOADING = Symptom(Kind.LOADING, "", ("digits",))
WELL = Verdict(READY)
RULES = HealingSpec(rise=2, fall=3)

rules = st.builds(HealingSpec, rise=st.integers(1, 5), fall=st.integers(2, 6))
kinds = st.sampled_from([k for k in Kind if k not in (Kind.UNKNOWN, Kind.GONE)])


def states(verdict: Verdict, seen: list[Symptom], bounds: HealingSpec = RULES) -> list[str]:
    """The verdict's name after each look, one a second."""
    found = []
    for second, symptom in enumerate(seen):
        verdict = judge(verdict, symptom, bounds, float(second))
        found.append(verdict.symptom.state)
    return found


def after(verdict: Verdict, seen: list[Symptom]) -> str:
    return states(verdict, seen)[-1]


def test_two_bad_looks_are_not_enough_and_three_are() -> None:
    assert states(WELL, [DEAD, DEAD, DEAD]) == ["ready", "ready", "dead"]


def test_a_good_look_between_begins_the_count_anew() -> None:
    assert after(WELL, [DEAD, DEAD, READY, DEAD, DEAD]) == "ready"


def test_looks_that_are_bad_in_different_ways_count_together() -> None:
    assert states(WELL, [DEAD, HUNG, DEAD]) == ["ready", "ready", "dead"]


def test_a_server_that_rises_takes_two_good_looks() -> None:
    assert states(Verdict(DEAD), [READY, READY]) == ["dead", "ready"]


def test_one_kind_of_bad_becomes_another_when_looks_agree() -> None:
    assert states(Verdict(DEAD), [HUNG, HUNG, HUNG]) == ["dead", "dead", "hung"]
    assert after(Verdict(DEAD), [HUNG, LOADING, HUNG, LOADING, HUNG]) == "dead"


def test_what_a_server_is_loading_stands_in_its_state() -> None:
    assert after(Verdict(DEAD), [LOADING] * 3) == "loading digits"


def test_the_third_fall_within_the_memory_is_a_crash_loop_until_it_is_ready() -> None:
    up_and_down = ([READY] * 2 + [DEAD] * 3) * LOOP
    assert after(Verdict(), up_and_down) == "crash loop"
    assert after(Verdict(), up_and_down + [LOADING] * 5) == "crash loop"
    assert after(Verdict(), up_and_down + [READY] * 2) == "ready"


def test_falls_that_lie_far_apart_are_no_crash_loop() -> None:
    verdict, now = WELL, 0.0
    for _ in range(10):
        for symptom in [DEAD] * 3 + [READY] * 2:
            verdict = judge(verdict, symptom, RULES, now)
            assert verdict.kind in (Kind.READY, Kind.DEAD)
            now += MEMORY / 4


def test_what_is_gone_stays_so_until_it_is_ready() -> None:
    away = gone(Verdict(DEAD), "for 5 minutes", 1.0)
    assert after(away, [DEAD] * 5) == after(away, [LOADING] * 5) == "gone"
    assert after(away, [READY] * 2) == "ready"


@given(rules, kinds, st.integers(2, 60))
def test_alternating_looks_never_make_a_ready_server_anything_else(
    bounds: HealingSpec, kind: Kind, rounds: int
) -> None:
    assert set(states(WELL, [Symptom(kind), READY] * rounds, bounds)) == {"ready"}


@given(rules, st.lists(kinds, max_size=60))
def test_a_verdict_changes_only_after_as_many_looks_as_the_rules_say(
    bounds: HealingSpec, seen: list[Kind]
) -> None:
    verdict = WELL
    for number, kind in enumerate(seen):
        before, verdict = verdict, judge(verdict, Symptom(kind), bounds, float(number))
        if verdict.kind is Kind.READY and before.kind is not Kind.READY:
            assert number + 1 >= bounds.rise
            assert set(seen[number + 1 - bounds.rise : number + 1]) == {Kind.READY}
        elif before.kind is Kind.READY and verdict.kind is not Kind.READY:
            assert number + 1 >= bounds.fall
            assert Kind.READY not in seen[number + 1 - bounds.fall : number + 1]


@given(st.sampled_from([k for k in Kind if k is not Kind.UNKNOWN]), st.sampled_from([(), ("a",), ("a", "b")]))
def test_a_verdict_that_was_written_down_is_read_again(kind: Kind, models: tuple[str, ...]) -> None:
    symptom = Symptom(kind, "why", models)
    read = remembered(Health(ServerId("a", "0"), symptom.state, "why", 7.0))
    assert (read.symptom, read.since) == (symptom, 7.0)


def test_a_state_that_nobody_knows_is_not_known_yet() -> None:
    assert remembered(Health(ServerId("a", "0"), "floating", "", 7.0)).kind is Kind.UNKNOWN
