"""Every probe, as one script and one parser."""

from __future__ import annotations

from collections.abc import Mapping

from distctl.facts import engines, gpu, keepalived, network, python, services, storage, system
from distctl.facts.probe import Facts, read, section

PROBES = (
    *system.PROBES,
    *storage.PROBES,
    *services.PROBES,
    *network.PROBES,
    *keepalived.PROBES,
    *python.PROBES,
    *gpu.PROBES,
    *engines.PROBES,
)


def script() -> str:
    """The script that prints every section; it expects `$root` and `$base` (see Probe)."""
    return "".join(section(probe.name, probe.script) for probe in PROBES)


def parse(found: Mapping[str, str]) -> Facts:
    """The facts in the sections of that script's output."""
    return read(PROBES, found)
