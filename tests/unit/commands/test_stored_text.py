"""What is stored on a node is read from plain lines; a link that is not ours has no digest."""

from hypothesis import given
from hypothesis import strategies as st

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


@given(st.text())
def test_any_text_is_a_listing(text):
    parse_listing(text)
