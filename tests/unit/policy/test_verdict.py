"""What a run amounted to, as one exit code."""

import pytest

from distctl.errors import (
    CommandFailed,
    DistctlError,
    DrainExpired,
    HealthGateFailed,
    Interrupted,
    LeaseHeld,
    Unreachable,
)
from distctl.policy.verdict import EXIT_CODES, Tally, exit_code

FAILED = CommandFailed("a", "start a/0", 1)
AWAY = Unreachable("a", "connect")


@pytest.mark.parametrize(
    ("done", "errors", "skipped", "code"),
    [
        (0, [], 0, 0),
        (7, [], 0, 0),
        (7, [], 1, 4),
        (0, [FAILED], 0, 1),
        (7, [FAILED], 0, 3),
        (7, [FAILED, FAILED], 0, 3),
        (0, [AWAY], 0, 4),
        (7, [AWAY], 0, 4),
        (7, [LeaseHeld("lost")], 0, 5),
        (7, [DrainExpired("late")], 0, 6),
        (7, [HealthGateFailed("a", "reload")], 0, 7),
        (7, [DrainExpired("late"), AWAY], 0, 3),
        (0, [FAILED, AWAY], 1, 3),
    ],
)
def test_the_exit_code_of_a_run(done: int, errors: list[DistctlError], skipped: int, code: int) -> None:
    assert exit_code(Tally(done, errors, skipped)) == code


def test_every_error_ends_with_a_code_of_the_table() -> None:
    def family(kind: type[DistctlError]) -> list[type[DistctlError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in family(child))]

    known = {code for code, _ in EXIT_CODES}
    assert {kind.exit_code for kind in family(DistctlError)} <= known
    assert {Interrupted("", signal_number=n).exit_code for n in (2, 15)} <= known
