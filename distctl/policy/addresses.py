"""Which places of a router can share its address, and what keepalived is to be on each."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from distctl.cluster.record import Record
from distctl.cluster.shared import AddressView, SharedAddress, Unfit
from distctl.cluster.spec import RouterId, Spec
from distctl.policy.lives import Life, fates

OLDEST = (2, 0)  # the first keepalived with files that are added to the priority

SIXTH = 6  # the version of IP

Facts = Mapping[str, str]
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def unfit(shared: SharedAddress, place: str, facts: Facts) -> Unfit | None:
    """Why a place with these facts cannot share the address; None when it can."""
    if facts.get("uid") != "0":
        return Unfit(
            "keepalived needs root there", f"log in to {place} as root, or write ssh: {{become: true}}"
        )
    version = facts.get("keepalived", "")
    if not version or tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        found = f"keepalived is {version}, and 2.0 is needed" if version else "there is no keepalived"
        return Unfit(found, f"{_installer(facts)} keepalived on {place}")
    if facts.get("keepalived.bash") == "no":
        return Unfit("there is no bash, which asks whether the router is alive", f"{_installer(facts)} bash")
    if _own(shared, facts) is None:
        known = ", ".join(f"{name} {own}" for name, own in _networks(shared, facts)) or "none"
        where = f" of {shared.interface}" if shared.interface else ""
        hint = "correct the router's `address`, or name the interface: keepalived: {interface: NAME}"
        return Unfit(f"{shared.address} is in no network{where} (there is {known})", hint)
    return None


def _installer(facts: Facts) -> str:
    """How packages are installed there, by the family that /etc/os-release names."""
    system = facts.get("os.id", "")
    if system in ("rhel", "centos", "rocky", "almalinux", "fedora", "ol", "amzn"):
        return "dnf install"
    return "zypper install" if "suse" in system or system == "sles" else "apt-get install"


def _own(shared: SharedAddress, facts: Facts) -> tuple[str, str] | None:
    """The interface and the place's own address on it."""
    address = ipaddress.ip_address(shared.address)
    others = [(name, own) for name, own in _networks(shared, facts) if own.ip != address]
    for name, own in others:
        if shared.interface in (None, name) and address in own.network:
            return name, str(own.ip)
    named = [(name, str(own.ip)) for name, own in others if name == shared.interface]
    return named[0] if named else None


def _networks(shared: SharedAddress, facts: Facts) -> list[tuple[str, Interface]]:
    """The place's networks of the address's kind, by the interface."""
    pairs = (word.partition("=") for word in facts.get("networks", "").split())
    found = [(name, ipaddress.ip_interface(text)) for name, _, text in pairs]
    return [(name, own) for name, own in found if (own.version == SIXTH) == shared.sixth]


def address_view(
    spec: Spec, facts: Mapping[str, Facts], router: RouterId, *, draining: Collection[str] = ()
) -> AddressView | None:
    """What keepalived on a place is to be; None where nothing is shared or the place cannot.

    A place of which nothing is known is no peer yet.
    """
    wanted = spec.router(router.router)
    own = _own(wanted.shared, facts.get(router.place, {})) if wanted.shared else None
    if wanted.shared is None or own is None:
        return None
    others = (_own(wanted.shared, facts.get(p, {})) for p in wanted.on if p != router.place)
    return AddressView(
        id=router,
        cluster=spec.cluster,
        shared=wanted.shared,
        interface=own[0],
        source=own[1],
        peers=tuple(sorted(other[1] for other in others if other)),
        check_port=wanted.metrics_port,
        client_ports=(wanted.http_port, wanted.grpc_port),
        yields=bool({router.place, str(router)} & set(draining)),
    )


def address_views(spec: Spec, record: Record) -> dict[RouterId, AddressView]:
    """Every place's, as far as they can share. A place that drains draws back, and so does a router."""
    nodes = {intent.node for intent in record.intents.values() if intent.draining}
    lives = {id: fate.life for id, fate in fates(spec, record).items()}
    ending = {id: {id.place} if life is not Life.RUN else set() for id, life in lives.items()}
    views = (
        address_view(spec, record.facts, id, draining=nodes | ending[id])
        for id, life in lives.items()
        if life is not Life.STOP or id in record.routers
    )
    return {view.id: view for view in views if view}
