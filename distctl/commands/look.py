"""The script that looks at a node in one round trip: owner, units and what is stored, all read only."""

from __future__ import annotations

from collections.abc import Mapping

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


# The last section tells a whole answer from one that was cut short, and when the node had given it.
SECTIONS = (
    ("owner", 'cat "$root/owner"'),
    ("units", f'cd "$root" || exit 0\n{units.states("units")}'),
    ("containers", container_states.states()),
    ("images", images.listing()),
    ("stored", f'cd "$root" || exit 0\n{stored.listing()}'),
    ("end", "date +%s.%N"),
)

LARGEST_CONFIG = 64 * 1024  # bytes; a longer config.pbtxt is not read
READ, NONE = "read", "none"


def config_sections(models: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Sections with the config.pbtxt of models that lie on the node, by model, for `parse_config`."""
    return tuple((_config_name(model), _config(path)) for model, path in models.items())


def parse_config(found: Mapping[str, str], model: str) -> tuple[str, str]:
    """The text that a section has, "" if the folder has no configuration, and why it could not be read."""
    word, *lines = found.get(_config_name(model), "").split("\n")
    text = "\n".join(line.removeprefix("|") for line in lines)
    return (text, "") if word in (READ, NONE) else ("", word or "the look ended before it")


def _config_name(model: str) -> str:
    return f"config.{model}"


def _config(path: str) -> str:
    file = quote(f"{path.rstrip('/')}/config.pbtxt")
    return f"""if [ ! -d {quote(path)} ]; then echo "there is no folder "{quote(path)}
elif [ ! -e {file} ] && [ -x {quote(path)} ]; then echo {NONE}
elif [ ! -r {file} ]; then echo "the account may not read "{file}
elif [ "$(wc -c < {file})" -gt {LARGEST_CONFIG} ]; then echo {file}" has more than {LARGEST_CONFIG} bytes"
else echo {READ}; sed 's/^/|/' {file}; fi"""
