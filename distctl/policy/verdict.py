"""What a run amounted to: one exit code for a script, from the outcomes of its steps.

The table stands in docs/exit-codes.md and in `distctl --help`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distctl.errors import DistctlError

EXIT_CODES: tuple[tuple[int, str], ...] = (
    (0, "done, or nothing to do"),
    (1, "failed; also a prompt that was declined, or no terminal and no --yes"),
    (2, "usage, inventory or configuration invalid; nothing was contacted"),
    (3, "partial: some nodes failed or a router was not told, the rest was applied"),
    (4, "a node could not be reached, and nothing was applied there"),
    (5, "the lease or a node is held by somebody else, or was taken over by them"),
    (6, "a drain's deadline came first: the node stays draining, or requests were cut with --force"),
    (7, "a health gate failed; the old version serves on"),
    (8, "refused: it would break a promise (see --force), or a saved plan no longer fits"),
    (20, "plan --detailed-exitcode: there is something to do"),
    (130, "ended by Ctrl-C; the lease was released"),
    (143, "ended by SIGTERM; the lease was released"),
)

UNREACHABLE = 4


@dataclass(frozen=True, slots=True)
class Tally:
    """Steps that were done, the errors of those that failed, and nodes that could not be planned for."""

    done: int
    errors: Sequence[DistctlError]
    skipped: int = 0  # nodes and routers that could not be reached when the plan was made


def exit_code(tally: Tally) -> int:
    """The exit code of a run. The gravest thing that a user can act on wins; a mixture is 3."""
    codes = {error.exit_code for error in tally.errors}
    if not codes:
        return UNREACHABLE if tally.skipped else 0
    if len(codes) == 1:
        (code,) = codes
        if code == 1:
            return 3 if tally.done else 1
        return code
    return 3
