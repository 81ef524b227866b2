"""How many requests a model can use at once in one server, read from its configuration."""

from __future__ import annotations

import re

from distctl.policy.stateless import plain

_BATCH = re.compile(r"\bmax_batch_size\s*:\s*(\d+)")
_GROUPS = re.compile(r"\binstance_group\b\s*:?\s*([\[{])")
_COUNT = re.compile(r"\bcount\s*:\s*(\d+)")
_GPUS = re.compile(r"\bgpus\s*:\s*(?:\[([^\]]*)\]|(\d+))")
_CLOSING = {"[": "]", "{": "}"}


def concurrency(config: str) -> int:
    """Instances times the largest batch: more at once would only wait in Triton instead of in the router.

    A group without a count is one instance, for each GPU that it names; a configuration without groups has
    one instance. Source: Triton's model_config.proto, `instance_group` and `max_batch_size`.
    """
    text = plain(config)
    batch = _BATCH.search(text)
    return (_instances(text) or 1) * max(int(batch[1]) if batch else 1, 1)


def _instances(text: str) -> int:
    found = 0
    for match in _GROUPS.finditer(text):
        body = _body(text, match.end() - 1)
        groups = re.findall(r"\{([^{}]*)\}", body) if body.startswith("[") else [body]
        found += sum(_group(group) for group in groups)
    return found


def _body(text: str, start: int) -> str:
    """From an opening bracket to the one that closes it."""
    opening, depth = text[start], 0
    for at in range(start, len(text)):
        depth += (text[at] == opening) - (text[at] == _CLOSING[opening])
        if depth == 0:
            return text[start : at + 1]
    return text[start:]


def _group(text: str) -> int:
    count = _COUNT.search(text)
    gpus = sum(len(re.findall(r"\d+", one or other)) for one, other in _GPUS.findall(text))
    return (int(count[1]) if count else 1) * max(gpus, 1)
