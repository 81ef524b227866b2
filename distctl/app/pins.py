"""What the images of an inventory mean in a session: found out once, before anything is planned."""

from __future__ import annotations

from distctl.app.session import Session
from distctl.cluster.image import Pinned
from distctl.cluster.record import Change, Record, SetFacts
from distctl.cluster.snapshot import Snapshot
from distctl.policy.images import FACT, Given, given_fact


def pins(session: Session) -> dict[str, Pinned]:
    """What the image of each node that runs containers means, as far as it was found out."""
    images = {node.name: node.runtime.container.image for node in session.spec.nodes if node.contained}
    return {node: session.parts.images.pinned(name) for node, name in images.items()}


def pin_images(session: Session, record: Record, snapshot: Snapshot, *, fresh: bool) -> list[Change]:
    """Find out what images mean; what comes back are the facts of nodes that have what is meant, if new.

    `fresh`: as their registries say now; else as the record says, so that only a wish for the newest changes
    what runs. A node that has not got the newest yet keeps its fact until it was pulled there.
    """
    nodes = [node for node in session.spec.nodes if node.contained]
    if not nodes:
        return []
    wanted = {node.runtime.container.image: node.runtime.container.login for node in nodes}
    known = [facts[FACT] for facts in record.facts.values() if FACT in facts]
    seen = {node.name: sight.images for node in nodes if (sight := snapshot.nodes.get(node.name))}
    session.parts.images.settle(wanted, known, seen.values(), fresh=fresh)
    pinned = {
        name: _same(record, name, Given(str(pin.image), pin.digest, snapshot.at).text)
        for name, pin in pins(session).items()
        if pin.digest and pin.content in seen.get(name, ())
    }
    known_facts = {name: record.facts.get(name, {}) for name in pinned}
    return [
        SetFacts(name, {**known_facts[name], FACT: text})
        for name, text in pinned.items()
        if known_facts[name].get(FACT) != text
    ]


def _same(record: Record, node: str, text: str) -> str:
    """The fact as it was written when it says the same: the time in it is that of the change."""
    before = record.facts.get(node, {}).get(FACT, "")
    old, new = given_fact(before), given_fact(text)
    return before if (old.name, old.digest) == (new.name, new.digest) else text
