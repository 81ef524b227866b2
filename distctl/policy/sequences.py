"""What a router has to know of a model's sequences, read from its configuration.

A server has places for a bounded number of open sequences. One START too many is not refused by Triton: it
hangs until a place is free, a minute and longer, and idle sequences are thrown out for it meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from distctl.cluster.router import Sequences
from distctl.policy.stateless import plain, sequence_idle

_CANDIDATES = re.compile(r"\bmax_candidate_sequences\s*:\s*(\d+)")
_BATCH = re.compile(r"\bmax_batch_size\s*:\s*(\d+)")
_COUNT = re.compile(r"\bcount\s*:\s*(\d+)")
_GPUS = re.compile(r"\bgpus\s*:\s*(?:\[([^\]]*)\]|\d+)")
_GROUPS = re.compile(r"\binstance_group\s*:?\s*(?=[\[{])")
_ON_HOST = re.compile(r"\bKIND_(?:CPU|MODEL)\b")


def sequences(config: str) -> Sequences | None:
    """What a router has to know of a model with this config.pbtxt; None for a model without sequences."""
    idle = sequence_idle(config)
    return Sequences(idle=idle, places=places(config)) if idle else None


def places(config: str) -> int:
    """How many sequences may be open in one server at once; 0 when only the server itself could tell.

    Each instance has as many as its batch is large, or as many as strategy `oldest` names. Source: Triton's
    model_config.proto, `ModelSequenceBatching`. Instances on a GPU are counted where the GPUs are named:
    else there is one for each that the server sees.
    """
    text = plain(config)
    found = _CANDIDATES.search(text) or _BATCH.search(text)
    each = max(1, int(found[1])) if found else 1
    counts = [_instances(group) for group in _instance_groups(text)]
    return 0 if not counts or None in counts else each * sum(count or 0 for count in counts)


def _instances(group: str) -> int | None:
    """The instances of one group; None when that depends on the server's GPUs."""
    said = _COUNT.search(group)
    count = max(1, int(said[1])) if said else 1
    if _ON_HOST.search(group):
        return count
    gpus = [len((found[1] or "one").split(",")) for found in _GPUS.finditer(group)]
    return count * sum(gpus) if gpus else None


def _instance_groups(text: str) -> Iterator[str]:
    for found in _GROUPS.finditer(text):
        yield from _blocks(text, found.end())


def _blocks(text: str, start: int) -> Iterator[str]:
    """The outermost `{...}` of a message, or of a list of them, that begins at `start`."""
    depth, began = 0, start
    for at in range(start, len(text)):
        if text[at] == "{":
            began = at if depth == 0 else began
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                yield text[began : at + 1]
        if depth == 0 and (text[at] == "]" or (text[at] == "}" and text[start] == "{")):
            return
