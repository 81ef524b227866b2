"""What clients may lose at a fault, and what not: the contract with them, held against a report of load."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from load import Report

# Seconds from the begin of a sequence or stream, which takes one itself, to the error that ends it: a router
# gives up an answer that nobody can repeat after two seconds in which its server was down.
TOLD = 5.0


def apart(report: Report, kinds: tuple[str, ...]) -> tuple[Report, Counter[str]]:
    """The report without what these kinds of clients were told; how often each of them was told of a loss."""
    names = tuple(kind.partition("*")[0] for kind in kinds)
    lost = [text for text in report.failed if text.split()[1].startswith(names)]
    late = [text for text in lost if float(text.split()[2]) > TOLD]
    assert not late, f"told too late: {late}"
    kept = tuple(text for text in report.failed if text not in lost)
    return replace(report, failed=kept), Counter(text.split()[1] for text in lost)


def turns(report: Report) -> set[str]:
    """The ids of the requests that failed."""
    return {text.split()[4].rstrip(":") for text in report.failed}


def require_contract(report: Report, kinds: tuple[str, ...]) -> Counter[str]:
    """Nothing wrong; of these kinds of clients each lost at most what it had open, the others nothing."""
    rest, lost = apart(report, kinds)
    rest.require_whole(at_least=300)
    assert not lost or max(lost.values()) == 1, f"lost more than what was open: {lost}\n{report.failed}"
    return lost
