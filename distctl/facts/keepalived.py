"""Whether a node has keepalived, by which the places of a router share an address."""

from __future__ import annotations

import re

from distctl.facts.probe import Facts, Probe, pairs

# It lies where only root's PATH leads, and says its version on standard error.
_KEEPALIVED = """PATH=$PATH:/usr/sbin:/sbin
echo "version=$(command -v keepalived >/dev/null && keepalived --version 2>&1 | head -n 1)"
command -v bash >/dev/null && echo bash=yes || echo bash=no"""

_VERSION = re.compile(r"v(\d+\.\d+\.\d+)")


def parse_keepalived(text: str) -> Facts:
    """The version, "" where there is none, and whether there is a bash."""
    found = pairs(text)
    facts = {"keepalived.bash": found["bash"]} if "bash" in found else {}
    if "version" in found:
        version = _VERSION.search(found["version"])
        facts["keepalived"] = version.group(1) if version else ""
    return facts


PROBES = (Probe("keepalived", _KEEPALIVED, parse_keepalived),)
