"""Whether a model keeps state between requests, read from its configuration.

A request to a stateless model may be sent again to another server when its answer was lost; one to a
sequence model would count twice, and a stream cannot be taken up in the middle.
"""

from __future__ import annotations

import re

# Comments and quoted texts of protobuf's text format: a word in them says nothing.
_ASIDE = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")
_SEQUENCES = re.compile(r"\bsequence_batching\b")
_IDLE = re.compile(r"\bmax_sequence_idle_microseconds\s*:\s*(\d+)")
_DEFAULT_IDLE = 1.0  # seconds; Triton's own, from model_config.proto
_DECOUPLED = re.compile(r"\bdecoupled\s*:\s*(?:true|True|t|1)\b")


def plain(config: str) -> str:
    """The text of a config.pbtxt without what says nothing: comments and quoted texts."""
    return _ASIDE.sub(" ", config)


def stateless(config: str) -> bool:
    """Whether a model with this config.pbtxt answers each request by itself, with one answer.

    Source of the two signs: Triton's model_config.proto, `sequence_batching` and
    `model_transaction_policy { decoupled: true }`.
    """
    text = plain(config)
    return not (_SEQUENCES.search(text) or _DECOUPLED.search(text))


def sequence_idle(config: str) -> float:
    """Seconds without a request after which Triton itself gives a sequence up; 0 for a model without any.

    Until then a sequence of a model with this config.pbtxt may be open although nothing is in flight.
    """
    text = plain(config)
    if not _SEQUENCES.search(text):
        return 0.0
    found = _IDLE.search(text)
    return int(found[1]) / 1e6 if found else _DEFAULT_IDLE
