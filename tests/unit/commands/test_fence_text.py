"""The owner file can be written by us and read by us, whatever stands in it."""

from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.snapshot import Owner
from distctl.commands import fence
from distctl.commands.paths import NodePaths

WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1)


@given(cluster=WORDS, record=WORDS, generation=st.integers(0, 2**53), by=WORDS, intents=WORDS, run=WORDS)
def test_what_was_written_is_read_again(cluster, record, generation, by, intents, run):
    owner = Owner(cluster, record, generation, by, 1700000000.25, 0.0, intents, run)
    assert fence.parse_owner(fence.owner_text(owner)) == owner


def test_a_line_break_cannot_add_a_key():
    owner = Owner("prod", "r1", 3, by="eve\ngeneration=9")
    assert fence.parse_owner(fence.owner_text(owner)).generation == 3


@given(st.text())
def test_any_text_is_an_owner_or_none(text):
    found = fence.parse_owner(text)
    assert found is None or (found.cluster and found.record)


def test_an_owner_file_that_was_cut_short_names_nobody():
    text = fence.owner_text(Owner("prod", "r1", 3))
    assert fence.parse_owner(text[: text.index("record=") + 7]) is None


def test_a_refusal_carries_the_owner_that_was_found():
    owner = Owner("prod", "r1", 3, by="ann@desk")
    assert fence.refusal(f"noise\n{fence.REFUSED}\n{fence.owner_text(owner)}") == owner
    assert fence.refusal("noise") is None


def test_the_lock_is_not_inherited_by_what_a_change_starts():
    script = fence.guarded(NodePaths("/r"), Owner("c", "r", 1), "sleep 1000 &")
    assert script.rstrip().endswith(") 9>&-")
