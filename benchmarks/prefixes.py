"""What the policy `prefix` is worth on a synthetic trace of conversations: a simulation, no server runs."""

from __future__ import annotations

from benchmarks.cache_aware import dynamo, llm_d, sglang
from benchmarks.conversations import (
    CACHE,
    CONVERSATIONS,
    SERVERS,
    SYSTEM_PROMPTS,
    SYSTEM_TOKENS,
    Choose,
    bounded,
    by_conversation,
    by_system_prompt,
    least_load,
    plain_hash,
    round_robin,
    simulate,
    trace,
)
from benchmarks.work import Aim, Section, Work

BOUND = 1.25
POLICIES: dict[str, Choose] = {
    "round-robin": round_robin,
    "least-load": least_load,
    "plain hash of the conversation": plain_hash(by_conversation),
    f"prefix, the conversation, bound {BOUND}": bounded(by_conversation, BOUND),
    "plain hash of the system prompt": plain_hash(by_system_prompt),
    f"prefix, the system prompt, bound {BOUND}": bounded(by_system_prompt, BOUND),
    "prefix, the system prompt, bound 2": bounded(by_system_prompt, 2.0),
    "cache-aware: SGLang": sglang,
    "cache-aware: NVIDIA Dynamo": dynamo,
    "cache-aware: llm-d": llm_d,
}


def run(_: Work) -> list[Section]:
    """Every policy on the same trace."""
    turns = trace()
    section = Section(
        "prefixes",
        "Prefix: conversations that find their cache again (simulated)",
        f"{CONVERSATIONS} synthetic conversations, {len(turns)} requests, {SERVERS} servers that each "
        f"remember {CACHE:,} tokens; {SYSTEM_PROMPTS} system prompts of {SYSTEM_TOKENS} tokens, shared by "
        "popularity. Hit rate: the part of all prompt tokens that the chosen server remembered. Imbalance: "
        "requests in flight on the busiest server to the average. The trace and its constants stand in "
        "`benchmarks/conversations.py`; the bound is computed as HAProxy does. The published cache-aware "
        "rules (`benchmarks/cache_aware.py`) see what every server remembers as it is, without delay; tokens "
        "that requests in flight share count for each.",
        ["policy", "hit rate", "imbalance", "prompt computed, ms (mean)"],
    )
    found = {name: simulate(turns, choose) for name, choose in POLICIES.items()}
    for name, outcome in found.items():
        section.rows.append(
            [name, f"{outcome.hit_rate:.2f}", f"{outcome.imbalance:.2f}", f"{outcome.computing * 1000:.0f}"]
        )
    ours = found[f"prefix, the conversation, bound {BOUND}"]
    plain = found["plain hash of the conversation"]
    section.aims += [
        Aim("hit rate of round-robin", found["round-robin"].hit_rate, ours.hit_rate, at_most=False),
        Aim("imbalance of a plain hash", plain.imbalance, ours.imbalance),
    ]
    section.figures |= {"prefix_hit_rate": ours.hit_rate, "prefix_imbalance": ours.imbalance}
    return [section]
