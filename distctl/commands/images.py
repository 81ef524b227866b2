"""Images on a node: which are there, how one is pulled, and how those of ours are removed. Pure.

A pull runs by itself and writes what the engine says into a folder of its own, so that it survives a cut
connection, holds no lock while gigabytes arrive, and can be watched. It changes nothing that runs. A login
stands in a private folder in memory for as long as the pull takes and is gone with it, whatever becomes of
us. An image that we pulled is marked by a folder among the runtimes, named by its digest; others are never
removed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from distctl.cluster.image import parse_image
from distctl.commands.container import DIALECTS, ENGINES
from distctl.commands.files import quote, template, write
from distctl.commands.paths import NodePaths

_COLUMNS = ("image", "engine", "id", "tags", "digests")


def listing() -> str:
    """A script that prints every image of every engine; nothing without $wanted_engine."""
    line = '{{"\\t"}}'.join(["image", "%s", "{{.Id}}", "{{json .RepoTags}}", "{{json .RepoDigests}}"])
    return f"""[ -n "$wanted_engine" ] || exit 0
for engine in {" ".join(ENGINES)}; do
    command -v "$engine" >/dev/null || continue
    ids=$(timeout 20 "$engine" images --quiet --no-trunc 2>/dev/null | sort -u)
    [ -n "$ids" ] || continue
    "$engine" image inspect --format "$(printf '{line}' "$engine")" $ids
done"""


def parse_listing(text: str, engine: str) -> dict[str, str]:
    """The names of an engine's images, `REPOSITORY:TAG` and `REPOSITORY@DIGEST`, each with its digest.

    An image without one, since it was built there, has the engine's own id instead.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) == len(_COLUMNS) and parts[:2] == ["image", engine]:
            found |= _names(parts[2], _list(parts[3]), _list(parts[4]))
    return found


def _names(id_: str, tags: list[str], digests: list[str]) -> dict[str, str]:
    """What one image is called. A tag means the first digest that its own repository has."""
    known: dict[str, str] = {}
    for name, _, digest in (text.partition("@") for text in digests):
        known.setdefault(_full(name), digest)
    own = id_ if id_.startswith("sha256:") else f"sha256:{id_}"
    found = {f"{_full(name)}@{digest}": digest for name, _, digest in (d.partition("@") for d in digests)}
    for tag in tags:
        name, digest = _full(tag.rpartition(":")[0]), known.get(_full(tag.rpartition(":")[0]), own)
        found[f"{name}:{tag.rpartition(':')[2]}"] = found[f"{name}@{digest}"] = digest
    return found


def _full(name: str) -> str:
    try:
        return parse_image(name).name
    except ValueError:
        return name


def _list(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [entry for entry in found if isinstance(entry, str)] if isinstance(found, list) else []


@dataclass(frozen=True, slots=True)
class Access:
    """A login for one pull. It reaches the node on a shell's standard input, in no argument and no file."""

    registry: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Access({self.registry!r}, {self.user!r}, [REDACTED])"


def begin(paths: NodePaths, engine: str, image: str, access: Access | None) -> str:
    """A script that begins a pull and prints the folder that `watch` and `end` are told.

    It ends with 1 and what the engine said when the registry refuses the login. Folders of pulls that
    nobody waits for any more are removed once they are over.
    """
    return f"""{template("systemd/process.sh")}
umask 077
mkdir -p {quote(paths.uploads)} && cd {quote(paths.uploads)} || exit 1
for old in pull.*/; do
    [ -r "$old/status" ] && rm -rf "$old"
done
folder=$(mktemp -d "$PWD/pull.XXXXXX") || exit 1
{_login(engine, access)}
setsid sh -c '{_keeping(engine, access)}{engine} pull "$1" > "$2/log" 2>&1
echo "$?" > "$2/status.new"
[ -z "$3" ] || rm -rf "$3"
mv "$2/status.new" "$2/status"' pull {quote(image)} "$folder" "$login" </dev/null >/dev/null 2>&1 &
child=$!
fields "$child" && echo "$boot $child $started" > "$folder/process"
printf '%s\\n' "$folder"
"""


def _keeping(engine: str, access: Access | None) -> str:
    """The variable that makes a pull use the folder `login`."""
    if access is None:
        return ""
    return f'login="$3"; export {DIALECTS[engine].authentication}; '


def _login(engine: str, access: Access | None) -> str:
    if access is None:
        return "login="
    daemon = (
        'DOCKER_HOST=${DOCKER_HOST:-$(docker context inspect --format "{{.Endpoints.docker.Host}}")}\n'
        "export DOCKER_HOST\n"
        if engine == "docker"
        else ""
    )
    words = f"{engine} login --username {quote(access.user)} --password-stdin {quote(access.registry)}"
    return f"""{daemon}login=$(mktemp -d /dev/shm/distctl-login.XXXXXX) || exit 1
printf '%s\\n' "$login" > "$folder/login"
printf '%s' {quote(access.password)} |
    {DIALECTS[engine].authentication} {words} >/dev/null 2>"$folder/log" || {{
    cat "$folder/log" >&2
    rm -rf "$login" "$folder"
    exit 1
}}"""


def watch(folder: str) -> str:
    """A script that prints the status of a pull that is over, else an empty line; then what was said."""
    return f"""cat {quote(folder)}/status 2>/dev/null || echo
tail -c 16384 {quote(folder)}/log 2>/dev/null | tr '\\r' '\\n'
true
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """How far a pull is: its status once it is over, and what the engine said."""

    status: int | None
    said: str

    @property
    def last(self) -> str:
        """How far it is, in words: layers where the engine tells of them, and the last thing it said."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        begun = sum("Pulling fs layer" in line for line in lines)
        done = sum("Pull complete" in line or "Already exists" in line for line in lines)
        if begun:
            return f"{done} of {begun} layers"
        return lines[-1][:80] if lines else "asking the registry"


def parse_watched(text: str) -> Watched:
    """What `watch` printed."""
    status, _, said = text.partition("\n")
    return Watched(int(status) if status.strip().isdecimal() else None, said)


def end(folder: str) -> str:
    """A script that ends a pull if it still runs, and removes its folder. The login goes with it."""
    return f"""{template("systemd/process.sh")}
cd {quote(folder)} 2>/dev/null || exit 0
[ -r status ] || kill_session "$(cat process)"
login=$(cat login 2>/dev/null)
[ -z "$login" ] || rm -rf "$login"
cd / && rm -rf {quote(folder)}
"""


def mark(paths: NodePaths, engine: str, name: str, digest: str) -> str:
    """A script that says that an image was pulled by us. `name` is its repository."""
    return write(f"{paths.runtime(digest)}/image", f"{engine} {name}@{digest}\n", 0o600)


def prune(paths: NodePaths, kept: frozenset[str]) -> str:
    """A script that removes the images of ours that are not named; one that somebody uses stays, unmarked."""
    cases = " | ".join(quote(digest) for digest in sorted(kept)) or "''"
    return f"""for marked in {quote(paths.runtimes)}/sha256:*/; do
    [ -r "$marked/image" ] || continue
    marked=${{marked%/}}
    case ${{marked##*/}} in {cases}) continue ;; esac
    read -r engine image < "$marked/image"
    "$engine" rmi "$image" >/dev/null 2>&1
    rm -rf "$marked"
done
"""
