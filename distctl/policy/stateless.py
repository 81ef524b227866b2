"""Whether a model keeps state between requests, read from its configuration.

A request to a stateless model may be sent again to another server when its answer was lost; one to a
sequence model would count twice, and a stream cannot be taken up in the middle. The configuration of a model
that lies on the nodes is read there when they are looked at, and what it says is kept as facts of the node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from distctl.cluster.spec import ModelSpec, Spec
from distctl.policy.placement import fits

# Comments and quoted texts of protobuf's text format: a word in them says nothing.
_ASIDE = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")
_SEQUENCES = re.compile(r"\bsequence_batching\b")
_IDLE = re.compile(r"\bmax_sequence_idle_microseconds\s*:\s*(\d+)")
_DEFAULT_IDLE = 1.0  # seconds; Triton's own, from model_config.proto
_DECOUPLED = re.compile(r"\bdecoupled\s*:\s*(?:true|True|t|1)\b")


def plain(config: str) -> str:
    """A config.pbtxt without its comments and quoted texts."""
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


@dataclass(frozen=True, slots=True)
class Nature:
    """What is known of a model: whether it keeps state or streams, and how long a sequence pauses, seconds.

    `unread` says why nothing is known, "" where something is; such a model is taken for one that keeps state.
    """

    stateful: bool = False
    idle: float = 0.0
    unread: str = ""


def nature(config: str) -> Nature:
    """What a config.pbtxt says; an empty one is that of a model that answers each request by itself."""
    return Nature(not stateless(config), sequence_idle(config))


def unread(why: str) -> Nature:
    """The nature of a model whose configuration could not be read."""
    return Nature(stateful=True, idle=_DEFAULT_IDLE, unread=why)


def as_facts(model: str, found: Nature) -> dict[str, str]:
    """A nature as facts of the node on which it was read."""
    state = "unread" if found.unread else "stateful" if found.stateful else "stateless"
    details = {"idle": f"{found.idle:g}" if found.idle else "", "unread": found.unread}
    return {f"model.{model}": state, **{f"model.{model}.{k}": v for k, v in details.items() if v}}


def natures(
    spec: Spec, configs: Mapping[str, str], facts: Mapping[str, Mapping[str, str]]
) -> dict[str, Nature]:
    """The nature of each model: `configs` are those of folders here, by model, `facts` those of each node."""
    return {
        model.name: nature(configs.get(model.name, ""))
        if model.source.kind == "folder"
        else _on_nodes(model, spec, facts)
        for model in spec.models
    }


def _on_nodes(model: ModelSpec, spec: Spec, facts: Mapping[str, Mapping[str, str]]) -> Nature:
    """What the nodes that may serve a model know of it: one is enough, and the most careful counts."""
    names = [node.name for node in spec.nodes if node.servers and fits(model, node)]
    found = {name: _from_facts(model.name, facts.get(name, {})) for name in names}
    known = [said for said in found.values() if not said.unread]
    if known:
        return Nature(any(said.stateful for said in known), max(said.idle for said in known))
    return unread(
        "; ".join(f"{name}: {said.unread}" for name, said in found.items()) or "no node may serve it"
    )


def _from_facts(model: str, facts: Mapping[str, str]) -> Nature:
    state = facts.get(f"model.{model}", "")
    if state in ("stateful", "stateless"):
        return Nature(state == "stateful", float(facts.get(f"model.{model}.idle", "0")))
    return unread(facts.get(f"model.{model}.unread", "it was not looked at"))
