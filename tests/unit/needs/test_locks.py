"""A lock says what requirements came to, in a file that loses nothing and believes nothing that was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.needs import Environment, Lock, Target, Wheel, parse_lock, parse_target

HERE = Target("3.11", "x86_64", (2, 35))
OLD = Target("3.9", "aarch64", (2, 17))
NUMPY = Wheel("numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl", "a" * 64)
IDNA = Wheel("idna-3.20-py3-none-any.whl", "b" * 64)
LOCK = Lock("0123", {HERE: Environment(HERE, (IDNA, NUMPY)), OLD: Environment(OLD, (IDNA,))})


def test_a_lock_is_read_as_it_was_written() -> None:
    assert parse_lock(LOCK.text.splitlines()) == LOCK


def test_what_is_not_resolved_yet_is_written_and_not_believed() -> None:
    open_ = Lock("0123", {HERE: Environment(HERE)})
    assert "unresolved" in open_.text
    assert parse_lock(open_.text.splitlines()) == Lock("0123", {})
    assert open_.digests == frozenset()


@pytest.mark.parametrize("lost", range(len(LOCK.text.splitlines())))
def test_an_environment_that_lost_a_line_is_left_out(lost: int) -> None:
    lines = LOCK.text.splitlines()
    del lines[lost]
    found = parse_lock(lines)
    assert all(LOCK.environments[target] == environment for target, environment in found.environments.items())
    assert len(found.environments) < 2 or found.requirements == ""


@given(st.text())
def test_any_text_is_a_lock(text: str) -> None:
    parse_lock(text.splitlines())
    parse_target(text)


def test_a_target_is_read_as_it_was_written() -> None:
    assert [parse_target(str(target)) for target in (HERE, OLD)] == [HERE, OLD]
    assert parse_target("3.11-x86_64-two.35") is None


def test_equal_wheels_have_one_name_in_whatever_order() -> None:
    assert Environment(HERE, (NUMPY, IDNA)).digest == Environment(HERE, (IDNA, NUMPY)).digest
    assert Environment(HERE, (IDNA,)).digest != Environment(HERE, (IDNA, NUMPY)).digest


def test_equal_wheels_of_another_python_are_another_environment() -> None:
    assert Environment(OLD, (IDNA,)).digest != Environment(HERE, (IDNA,)).digest


def test_equal_wheels_for_another_glibc_are_the_same_environment() -> None:
    newer = Target("3.11", "x86_64", (2, 31))
    assert Environment(newer, (IDNA,)).digest == Environment(HERE, (IDNA,)).digest


@pytest.mark.parametrize(
    "file",
    [
        "x-1.0.tar.gz",
        "../x-1.0-py3-none-any.whl",
        "--index-url=x-1.0-py3-none-any.whl",
        "x-1.0/../y-1-2-3.whl",
    ],
)
def test_a_name_that_is_no_wheels_is_never_believed(file: str) -> None:
    """A lock is read from a node, and pip is asked for what it names."""
    lock = Lock("0123", {HERE: Environment(HERE, (Wheel(file, "a" * 64),))})
    assert parse_lock(lock.text.splitlines()).environments == {}


def test_a_wheels_requirement_pins_it() -> None:
    assert Wheel("torch-2.2.0+cpu-cp311-cp311-linux_x86_64.whl", "").requirement == "torch==2.2.0+cpu"
