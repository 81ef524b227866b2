"""Durations and sizes are read with their unit, and shown as they would be written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.config.units import duration, show_duration, show_size, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("2m", 120), ("1h", 3600), ("500ms", 0.5), ("1h30m", 5400), ("1.5s", 1.5), ("7d", 604800)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "10", "s", "10 s", "-1s", "1e3s", "10sec", "１０s", "1s\n", "1" * 10 + "s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "count"), [("128KiB", 131072), ("64B", 64), ("1.5MiB", 1572864), ("6GiB", 6 << 30)]
)
def test_a_size_is_read_in_bytes(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "128", "128KB", "KiB", "1 KiB", "-1KiB", "1KiBi", "1B\n"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        size(text)


@given(st.integers(1, 10**8))
def test_a_duration_shown_is_read_back(milliseconds: int) -> None:
    shown = show_duration(milliseconds / 1000)
    if "e" not in shown:
        assert duration(shown) == pytest.approx(milliseconds / 1000, rel=1e-5)


@given(st.integers(0, 1 << 29))
def test_a_size_shown_is_read_back(count: int) -> None:
    assert size(show_size(count)) == count
