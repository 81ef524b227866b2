"""The interpreters that Triton's python backend could embed: each with its libpython, or without.

No interpreter that we find ourselves is started: a version manager's shim takes a tenth of a second and
tells nothing more. A name such as `python3.11` says the version, and libpython lies where the loader or the
interpreter has it. The one that the inventory names by a path (`$wanted_python`) comes first, and is asked
when its name says nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from distctl.cluster.needs import PYTHONS
from distctl.facts.probe import Facts, Probe

_SYSTEM = ("/usr/bin/", "/usr/local/bin/")

_VERSION = 'import sys; print("%d.%d" % sys.version_info[:2])'

_SEARCH = f"""ldconfig=$(ldconfig -p || /sbin/ldconfig -p)
tell() {{
    [ -x "$2" ] || return 0
    real=${{3:-$2}}
    library=libpython$1.so.1.0 folder=${{real%/*}} found=
    for place in "$folder/../lib" "$folder/../lib64" /usr/lib64; do
        [ -e "$place/$library" ] && {{ found=$place; break; }}
    done
    # The loader's own libpython belongs to the system's interpreter and to no other.
    case $folder in /usr/bin | /usr/local/bin)
        case $ldconfig in *"=> "*"/$library"*)
            [ -n "$found" ] || {{ found=${{ldconfig%%"/$library"*}}; found=${{found##*=> }}; }} ;;
        esac ;;
    esac
    printf '%s\\t%s\\t%s\\n' "$1" "$2" "$found"
}}
case $wanted_python in /*)
    version=$(readlink -f "$wanted_python") version=${{version##*/python}}
    case $version in
        3.*[!0-9]* | [!3]* | 3 | '') version=$("$wanted_python" -c {shlex.quote(_VERSION)}) ;;
    esac
    # An environment's interpreter is a link, and libpython is that of the interpreter it leads to.
    tell "$version" "$wanted_python" "$(readlink -f "$wanted_python")" ;;
esac
for version in {" ".join(PYTHONS)}; do
    for folder in /usr/bin /usr/local/bin /opt/python*/bin "$HOME"/.pyenv/versions/*/bin \\
        "$HOME"/.local/share/uv/python/*/bin "$HOME"/miniconda3/bin /opt/conda/bin; do
        tell "$version" "$folder/python$version"
    done
done
true"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter on a node: version, executable, and libpython's folder (empty: it has none)."""

    version: str
    path: str
    library: str


def parse_pythons(text: str) -> Facts:
    """For each version one interpreter: the first with a libpython, the system's before any other."""
    best: dict[str, Interpreter] = {}
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) != len(Interpreter.__slots__) or parts[0] not in PYTHONS:
            continue
        found = Interpreter(*parts)
        if found.version not in best or (found.library and not best[found.version].library):
            best[found.version] = found
    facts: Facts = {}
    for version, found in best.items():
        facts[f"python.{version}"] = found.path
        facts[f"python.{version}.library"] = found.library
    return facts


def interpreters(facts: Mapping[str, str]) -> tuple[Interpreter, ...]:
    """Every interpreter of the facts, the best first: with libpython, of the system, newest."""
    found = [
        Interpreter(version, facts[f"python.{version}"], facts.get(f"python.{version}.library", ""))
        for version in PYTHONS
        if f"python.{version}" in facts
    ]
    return tuple(sorted(found, key=lambda one: (not one.library, not one.path.startswith(_SYSTEM))))


def choose(facts: Mapping[str, str], wanted: str | None = None) -> Interpreter | None:
    """The interpreter for the python backend, `wanted` (a path or a version) if named; None if none fits."""
    usable = [one for one in interpreters(facts) if one.library]
    if wanted:
        usable = [one for one in usable if wanted in (one.path, one.version, f"python{one.version}")]
    return usable[0] if usable else None


PROBES = (Probe("pythons", _SEARCH, parse_pythons),)
