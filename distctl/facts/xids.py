"""What the common Xids mean and what to do: NVIDIA, "XID Errors", its catalogue and its debug guidelines."""

from __future__ import annotations

from dataclasses import dataclass

from distctl.facts.verdict import Level

RECENT = 24 * 3600.0  # seconds: an older one was seen, or the GPU has worked since

_RESTART = "distctl drain {node}, then restart what used it; if it comes again, `dcgmi diag -r 2` on {node}"
_RESET = "distctl drain {node}, then on {node}: sudo nvidia-smi --gpu-reset{which} (or reboot)"
_REBOOT = "distctl drain {node}, reboot it; if it comes again, check power, cooling and seat of the card"
_REPLACE = "distctl drain {node} and have the card replaced"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an Xid says. The remedy names the node as `{node}`, and as `{which}` the option for the GPU."""

    level: Level
    what: str
    remedy: str


MEANINGS = {
    13: Meaning(Level.WARN, "a model's kernel did something illegal", _RESTART),
    31: Meaning(Level.WARN, "a model's kernel touched memory that is not its own", _RESTART),
    43: Meaning(Level.WARN, "the work of a process was stopped after its own fault", _RESTART),
    45: Meaning(
        Level.WARN, "the work of a process was cleared away, after a kill or an error before", _RESTART
    ),
    48: Meaning(Level.FAIL, "an uncorrectable memory error", _RESET),
    61: Meaning(Level.WARN, "the card's own controller warns", _RESET),
    62: Meaning(Level.FAIL, "the card's own controller halted", _RESET),
    63: Meaning(Level.WARN, "bad memory was marked, to be taken out of use at the next reset", _RESET),
    64: Meaning(Level.FAIL, "bad memory could not be marked", _REPLACE),
    74: Meaning(Level.WARN, "an NVLink had errors", _RESET),
    79: Meaning(Level.FAIL, "the card has fallen off the bus", _REBOOT),
    94: Meaning(Level.WARN, "a memory error that cost one process alone", _RESET),
    95: Meaning(Level.FAIL, "a memory error that may have touched every process on it", _RESET),
    109: Meaning(Level.WARN, "a switch between processes timed out", _RESTART),
    119: Meaning(Level.FAIL, "the card's system processor (GSP) does not answer", _RESET),
    120: Meaning(Level.FAIL, "the card's system processor (GSP) failed", _RESET),
}


def meaning(number: int) -> Meaning:
    """What that Xid says; of one that is not common, where to look it up."""
    other = f"look up Xid {number} in NVIDIA's catalogue of Xid errors"
    return MEANINGS.get(number, Meaning(Level.WARN, "an error of the driver", other))
