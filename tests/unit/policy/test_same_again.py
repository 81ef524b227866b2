"""What is recognised as the very object of the last look leads to the same as what is judged in full."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.healing import HealingSpec
from distctl.cluster.record import Record, Replica
from distctl.cluster.router import SlotState
from distctl.cluster.spec import ServerId
from distctl.policy.health import Verdict, judge
from distctl.policy.symptoms import Kind, Symptom

RULES = HealingSpec(rise=2, fall=3)
symptoms = st.builds(
    Symptom, st.sampled_from([k for k in Kind if k is not Kind.UNKNOWN]), st.text(max_size=2)
)
replicas = st.builds(
    Replica,
    st.builds(ServerId, st.sampled_from("abc"), st.sampled_from("01")),
    st.sampled_from(["digits", "chat", "xray"]),
    st.just(""),
    st.sampled_from(list(SlotState)),
)


@given(st.lists(symptoms, max_size=30))
def test_a_verdict_is_kept_as_it_is_only_when_judging_would_make_an_equal_one(looks: list[Symptom]) -> None:
    verdict = Verdict()
    for second, seen in enumerate(looks):
        after = judge(verdict, seen, RULES, float(second))
        copied = judge(replace(verdict), replace(seen), RULES, float(second))
        assert after == copied
        if after is verdict:
            assert (after.seen, after.alike, after.against) == (None, 0, 0)
        verdict = after


@given(st.lists(replicas, unique_by=lambda one: (one.server, one.model)))
def test_what_follows_from_a_record_is_what_its_replicas_say(placed: list[Replica]) -> None:
    record = Record("id", replicas=frozenset(placed))
    servers = {one.server for one in placed}
    assert record.placed == {s: sorted(one.model for one in placed if one.server == s) for s in servers}
    closed = [one for one in placed if one.slot is SlotState.OFF]
    assert record.closed == {
        s: sorted(one.model for one in closed if one.server == s) for s in {one.server for one in closed}
    }
