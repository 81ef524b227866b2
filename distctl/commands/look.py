"""The script that looks at a node in one round trip: owner, units and what is stored, all read only."""

from __future__ import annotations

from distctl.commands import container_states, images, stored, units
from distctl.commands.files import quote
from distctl.commands.paths import HOME_FOLDER, SYSTEM_FOLDER


def root_expression(cluster: str, node: str, *, directory: str | None, become: bool) -> str:
    """The node's root as a shell word, for a look that comes before the account's home is known.

    Expands to the same as `paths.default_root` with the node's `$HOME`.
    """
    if directory and not directory.startswith("~"):
        base = quote(directory.rstrip("/"))
    elif directory:
        base = '"$HOME"' + quote(directory.removeprefix("~").rstrip("/"))
    elif become:
        base = SYSTEM_FOLDER
    else:
        base = f'"${{HOME%/}}"/{HOME_FOLDER}'
    return f"{base}/{quote(cluster)}/{quote(node)}"


def opening(root: str, python: str = "", engine: str = "") -> str:
    """Lines that set what probes read: `root` (a shell word), the nearest folder that exists, a Python, and
    the engine that containers are to run in (`any`, or empty for none)."""
    return f"""root={root}
wanted_python={quote(python)}
wanted_engine={quote(engine)}
base=$root
while [ ! -d "$base" ] && [ "$base" != / ]; do base=${{base%/*}}; base=${{base:-/}}; done
"""


# The last section tells a whole answer from one that was cut short.
SECTIONS = (
    ("owner", 'cat "$root/owner"'),
    ("units", f'cd "$root" || exit 0\n{units.states("units")}'),
    ("containers", container_states.states()),
    ("images", images.listing()),
    ("stored", f'cd "$root" || exit 0\n{stored.listing()}'),
    ("end", ":"),
)
