"""How a request ended, in words: HAProxy's two letters say who ended it, and while what was going on.

The letters and what they mean: HAProxy's configuration manual, "Session state at disconnection".
"""

from __future__ import annotations

IN_ORDER = "--"
ANSWERED_HERE = "LR"  # by the router itself, as it was told to

_WHO = {
    "C": "the client hung up",
    "c": "the client was silent for too long",
    "S": "the server hung up or refused",
    "s": "the server was silent for too long",
    "P": "the router refused it",
    "L": "the router answered itself",
    "R": "the router lacked resources",
    "I": "the router failed",
    "D": "the router ended it: its server was down",
    "U": "the router ended it: a better server came up",
    "K": "the router ended it: it lasted too long, or was ended by hand",
}
_WHILE = {
    "R": "before the request had arrived",
    "Q": "while it waited in the queue",
    "C": "while the server was being connected to",
    "H": "before the answer began",
    "D": "while the answer was on its way",
    "L": "while the last of the answer was on its way",
    "T": "while it was held back",
}


def in_words(code: str) -> str:
    """How a request ended that HAProxy gives this code; empty for one that ended in good order."""
    if code == IN_ORDER:
        return ""
    if code == ANSWERED_HERE:
        return _WHO["L"]
    who = _WHO.get(code[:1], "")
    when = _WHILE.get(code[1:2], "")
    return f"{who} {when}".strip() or f"HAProxy ended it as {code}"
