"""Ranges and selections: properties over all names, tables for what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.config.patterns import expand, select
from distctl.errors import InputError

plain = st.text("abcdefghij-.:", max_size=6)


@given(plain, st.integers(0, 500), st.integers(0, 200), plain)
def test_a_range_gives_each_number_once_in_order(before: str, first: int, more: int, after: str) -> None:
    names = expand(f"{before}[{first}-{first + more}]{after}")
    assert names == [f"{before}{number}{after}" for number in range(first, first + more + 1)]


@given(st.integers(0, 99), st.integers(0, 99), st.integers(3, 6))
def test_the_width_of_the_numbers_is_kept(first: int, more: int, width: int) -> None:
    names = expand(f"n[{str(first).zfill(width)}-{str(first + more).zfill(width)}]")
    assert {len(name) for name in names} == {width + 1}
    assert [int(name[1:]) for name in names] == list(range(first, first + more + 1))


@given(plain)
def test_a_name_without_brackets_is_itself(name: str) -> None:
    assert expand(name) == [name]


@given(st.integers(1, 20), st.integers(1, 20))
def test_two_ranges_multiply_and_the_last_turns_fastest(a: int, b: int) -> None:
    names = expand(f"r[1-{a}]n[1-{b}]")
    assert names == [f"r{i}n{j}" for i in range(1, a + 1) for j in range(1, b + 1)]


@given(st.text(max_size=30))
def test_any_text_expands_or_is_refused(name: str) -> None:
    try:
        assert 0 < len(expand(name)) <= 10_000
    except InputError as refused:
        assert refused.hint


def test_lists_stand_beside_ranges() -> None:
    assert expand("gpu[1,3,08-10]") == ["gpu1", "gpu3", "gpu08", "gpu09", "gpu10"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gpu[08-01]", "write [01-08]"),
        ("gpu[1-08]", "write [01-08]"),
        ("gpu[01:08]", "write [01-08]"),
        ("gpu[a-c]", "write a range as gpu[01-08], a list as gpu[1,3,5-7]"),
        ("gpu[]", "write a range as gpu[01-08], a list as gpu[1,3,5-7]"),
        ("gpu[1", "write a range as gpu[01-08], a list as gpu[1,3,5-7]"),
        ("gpu[1-100][1-101]", "write smaller ranges"),
        ("gpu[1-99999999999999999999]", "write a range as gpu[01-08], a list as gpu[1,3,5-7]"),
        ("[fd00::1]", "write an IPv6 address without brackets"),
    ],
)
def test_a_range_that_cannot_be_read_says_how_to_write_it(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        expand(name)
    assert caught.value.hint == hint


NAMES = ["gpu01", "gpu02", "gpu03", "gpu10", "edge01", "lb01"]


@pytest.mark.parametrize(
    ("pattern", "selected"),
    [
        ("gpu02", ["gpu02"]),
        ("lb01,gpu01", ["gpu01", "lb01"]),
        ("gpu*", ["gpu01", "gpu02", "gpu03", "gpu10"]),
        ("gpu0?", ["gpu01", "gpu02", "gpu03"]),
        ("gpu[02-10]", ["gpu02", "gpu03", "gpu10"]),
        ("gpu[01,03], edge*", ["gpu01", "gpu03", "edge01"]),
        ("*01,gpu01", ["gpu01", "edge01", "lb01"]),
        ("*", NAMES),
    ],
)
def test_a_pattern_selects_in_the_inventorys_order(pattern: str, selected: list[str]) -> None:
    assert select(NAMES, pattern) == selected


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("gpu05", "`gpu05` matches no node", "did you mean `gpu03`?"),
        ("gpu01,web*", "`web*` matches no node", "nodes: gpu01, gpu02, gpu03, gpu10, edge01, lb01"),
        ("", "an empty pattern matches no node", "write names, ranges or globs: gpu[01-04],edge*"),
        (" , ", "an empty pattern matches no node", "write names, ranges or globs: gpu[01-04],edge*"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused(pattern: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        select(NAMES, pattern)
    assert caught.value.message == message
    assert caught.value.hint == hint or hint.startswith("did you mean") == caught.value.hint.startswith(
        "did you mean"
    )
