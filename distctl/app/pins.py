"""What the images of an inventory mean in a session: found out once, before anything is planned."""

from __future__ import annotations

from collections.abc import Mapping

from distctl.app.session import Session
from distctl.cluster.image import Pinned
from distctl.cluster.record import Record
from distctl.cluster.snapshot import Snapshot
from distctl.policy.images import FACT


def pins(session: Session) -> dict[str, Pinned]:
    """What the image of each node that runs containers means, as far as it was found out."""
    images = {node.name: node.runtime.container.image for node in session.spec.nodes if node.contained}
    return {node: session.parts.images.pinned(name) for node, name in images.items()}


def pin_images(session: Session, record: Record, snapshot: Snapshot, *, fresh: bool) -> Mapping[str, str]:
    """Find out what images mean; what comes back is the record's fact of each node that runs one.

    `fresh`: as their registries say now; else as the record says, so that only a wish for the newest changes
    what runs.
    """
    nodes = [node for node in session.spec.nodes if node.contained]
    if not nodes:
        return {}
    wanted = {node.runtime.container.image: node.runtime.container.login for node in nodes}
    known = [facts[FACT] for facts in record.facts.values() if FACT in facts]
    seen = [sight.images for node in nodes if (sight := snapshot.nodes.get(node.name))]
    session.parts.images.settle(wanted, known, seen, fresh=fresh)
    return {name: f"{pin.image}@{pin.digest}" for name, pin in pins(session).items() if pin.digest}
