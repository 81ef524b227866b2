"""What is stored on a node is read from plain lines; a link that is not ours has no digest."""

from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.needs import Environment, Lock, Target, Wheel
from distctl.commands.stored import Stored, parse_listing

TEXT = (
    "runtime\t46c7\nmodel\tdigits\taa\nmodel\tdigits\tbb\n"
    "link\tdefault\tdigits\t../../../models/digits/aa\nlink\tdefault\txray\t/srv/models/xray\n"
)


def test_a_listing():
    assert parse_listing(TEXT) == Stored(
        frozenset({"46c7"}),
        {"digits": frozenset({"aa", "bb"})},
        {("default", "digits"): "aa", ("default", "xray"): ""},
    )


def test_a_link_to_another_model_of_ours_is_not_this_models_content():
    text = "link\tdefault\tdigits\t../../../models/other/aa\n"
    assert parse_listing(text).links == {("default", "digits"): ""}


def test_environments_and_what_a_stored_content_needs():
    target = Target("3.11", "x86_64", (2, 35))
    lock = Lock("0123", {target: Environment(target, (Wheel("idna-3.20-py3-none-any.whl", "b" * 64),))})
    lines = "".join(f"lock\twords\taa\t{line}\n" for line in lock.text.splitlines())
    found = parse_listing(f"environments\tdd8c\nmodel\twords\taa\n{lines}")
    assert found.environments == frozenset({"dd8c"})
    assert found.locks == {("words", "aa"): lock}


@given(st.text())
def test_any_text_is_a_listing(text):
    parse_listing(text)
