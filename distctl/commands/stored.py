"""What is stored on a node: the scripts that list, place, link and remove runtimes, environments and models.

A folder of one of them exists under its digest only when it is whole: it grows in `uploads`, is verified
there, and is renamed. Links to models are swapped by a rename. Every script here but `listing` is to be run
inside `fence.guarded`. Copies are made outside of it, so each run has a folder of its own in `uploads`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from distctl.cluster.content import FileEntry, Kind
from distctl.cluster.needs import LOCK, Lock, parse_lock
from distctl.commands.files import quote, template
from distctl.commands.paths import NodePaths

TOO_SMALL = 78  # the disk has not enough room
DAMAGED = 79  # what arrived is not what was sent

_FREE = "free=$(df -Pk {place} | awk 'NR == 2 {{ print $4 }}')"  # in KiB


@dataclass(frozen=True, slots=True)
class Stored:
    """What a node holds. A link's value is a digest, or "" for a path that is not ours."""

    runtimes: frozenset[str]
    models: Mapping[str, frozenset[str]]
    links: Mapping[tuple[str, str], str]  # (server, model)
    environments: frozenset[str] = frozenset()
    locks: Mapping[tuple[str, str], Lock] = field(default_factory=dict)  # (model, digest)


def listing() -> str:
    """A script that prints the lines that `parse_listing` reads, from the root as its working folder."""
    return f"""for folder in runtime/*/ environments/*/; do
    [ -d "$folder" ] || continue
    folder=${{folder%/}}
    printf '%s\\t%s\\n' "${{folder%/*}}" "${{folder##*/}}"
done
for file in models/*/*/{LOCK}; do
    [ -f "$file" ] || continue
    name=${{file#models/}} name=${{name%/*}}
    while read -r line; do
        printf 'lock\\t%s\\t%s\\t%s\\n' "${{name%/*}}" "${{name##*/}}" "$line"
    done < "$file"
done
for folder in models/*/*/; do
    [ -d "$folder" ] || continue
    folder=${{folder%/}} name=${{folder#models/}}
    printf 'model\\t%s\\t%s\\n' "${{name%/*}}" "${{name##*/}}"
done
for link in units/server-*/repository/*; do
    [ -L "$link" ] && [ -e "$link/" ] || continue
    name=${{link#units/server-}}
    printf 'link\\t%s\\t%s\\t%s\\n' "${{name%%/*}}" "${{link##*/}}" "$(readlink "$link")"
done
"""


def parse_listing(text: str) -> Stored:
    """What `listing` printed. Lines that are cut short are left out."""
    runtimes: set[str] = set()
    environments: set[str] = set()
    models: dict[str, set[str]] = {}
    links: dict[tuple[str, str], str] = {}
    locks = defaultdict[tuple[str, str], list[str]](list)
    for line in text.splitlines():
        match line.split("\t"):
            case ["runtime", digest]:
                runtimes.add(digest)
            case ["environments", digest]:
                environments.add(digest)
            case ["model", model, digest]:
                models.setdefault(model, set()).add(digest)
            case ["link", server, model, target]:
                links[server, model] = _digest_of(target, model)
            case ["lock", model, digest, said]:
                locks[model, digest].append(said)
            case _:
                continue
    return Stored(
        frozenset(runtimes),
        {name: frozenset(found) for name, found in models.items()},
        links,
        frozenset(environments),
        {content: parse_lock(lines) for content, lines in locks.items()},
    )


def _digest_of(target: str, model: str) -> str:
    before, _, digest = target.rpartition("/")
    return digest if before == f"../../../models/{model}" else ""


def room(paths: NodePaths, needed: int) -> str:
    """Lines that end the script with TOO_SMALL unless the disk has `needed` bytes and some to spare.

    It prints the KiB that are free. The spare is a hundredth of what is needed and 16 MiB at least.
    """
    wanted = (needed + max(needed // 100, 16 * 1024 * 1024)) // 1024
    return f"""mkdir -p {quote(paths.uploads)} || exit 1
{_FREE.format(place=quote(paths.uploads))}
if [ "$free" -lt {wanted} ]; then echo "$free"; exit {TOO_SMALL}; fi
"""


def take_over(paths: NodePaths, run: str) -> str:
    """Lines that make the run's folder for uploads: the one of a run before, with what had arrived, if any.

    A run before that still copies is refused by the fence from now on, and writes the same bytes.
    """
    mine = quote(paths.incoming(run))
    return f"""for left in {quote(paths.uploads)}/*/; do
    [ ! -d {mine} ] && [ -d "$left" ] && mv -T "${{left%/}}" {mine}
    [ "${{left%/}}" -ef {mine} ] || rm -rf "$left"
done
mkdir -p {mine} || exit 1
"""


def unpack(paths: NodePaths, kind: Kind, digest: str, archive: str) -> str:
    """A script that unpacks an archive that was uploaded, and removes it; nothing if its content is there.

    It ends with DAMAGED for what is no archive, with TOO_SMALL and the free KiB when the disk became full.
    """
    whole, part = quote(paths.unpacked(kind, digest)), quote(paths.unpacked(kind, f".{digest}.part"))
    return f"""if [ ! -d {whole} ]; then
    rm -rf {part}
    mkdir -p {part} || exit 1
    gzip -dc < {quote(archive)} | tar -xf - -C {part} || {{
        {_FREE.format(place=part)}
        rm -rf {part}
        gzip -t < {quote(archive)} 2>/dev/null || exit {DAMAGED}
        echo "$free"; exit {TOO_SMALL}
    }}
    mv -T {part} {whole} || exit 1
fi
rm -f {quote(archive)}
rmdir {quote(archive.rpartition("/")[0])} 2>/dev/null
true
"""


def missing_files(paths: NodePaths, run: str, model: str, files: Iterable[FileEntry]) -> str:
    """A script that prints the digest of each file that neither a stored version nor an upload has.

    Every stored file of the model with one of the wanted sizes is hashed, so equal content is found under
    another name too; what was uploaded before a cut lies under its own digest.
    """
    wanted = list(files)
    sizes = " ".join(sorted({str(file.size) for file in wanted}, key=int))
    lines = "".join(f"{file.sha256}\n" for file in wanted)
    uploaded = quote(_files(paths, run, model))
    return f"""{take_over(paths, run)}cd {quote(paths.root)} || exit 1
mkdir -p {uploaded}
for size in {sizes}; do
    find {quote(f"models/{model}")} -type f -size "${{size}}c" -exec sha256sum {{}} + 2>/dev/null
done | while read -r digest path; do
    [ -e {uploaded}/"$digest" ] || ln "$path" {uploaded}/"$digest" 2>/dev/null ||
        cp -p "$path" {uploaded}/"$digest"
done
while read -r digest; do
    [ -e {uploaded}/"$digest" ] || printf '%s\\n' "$digest"
done <<'END'
{lines}END
"""


def upload_of(paths: NodePaths, run: str, model: str, sha256: str) -> str:
    """Where a file of that content is put before its model is made."""
    return f"{_files(paths, run, model)}/{sha256}"


def place_model(paths: NodePaths, run: str, model: str, digest: str, files: Iterable[FileEntry]) -> str:
    """A script that makes a model folder of the uploaded files, verifies each, and renames it into place.

    Files are linked, not moved: unchanged ones are shared with the versions that had them before. The run
    bit is set on a copy of its own. It ends with DAMAGED when a file is not what its name says.
    """
    wanted = sorted(files)
    uploaded = quote(_files(paths, run, model))
    part = f"{paths.models}/{model}/.{digest}.part"
    checks = "".join(f"{file.sha256}  {file.path}\n" for file in wanted)
    return f"""if [ ! -d {quote(paths.model(model, digest))} ]; then
rm -rf {quote(part)}
mkdir -p {quote(part)} && cd {quote(part)} || exit 1
while read -r digest bit path; do
    case $path in */*) mkdir -p "${{path%/*}}" ;; esac
    file={uploaded}/$digest
    if [ "$bit" = x ]; then cp "$file" "$path" && chmod 755 "$path"
    else ln "$file" "$path" 2>/dev/null || cp "$file" "$path"; fi || exit 1
done <<'END'
{"".join(f"{file.sha256} {'x' if file.executable else '-'} {file.path}" + chr(10) for file in wanted)}END
sha256sum --quiet -c - >&2 <<'END' || {{ rm -rf {quote(part)} {uploaded}; exit {DAMAGED}; }}
{checks}END
cd / && mv -T {quote(part)} {quote(paths.model(model, digest))} || exit 1
fi
rm -rf {uploaded}
rmdir {quote(paths.incoming(run))} 2>/dev/null
true
"""


def _files(paths: NodePaths, run: str, model: str) -> str:
    return f"{paths.incoming(run)}/{model}"


def link_models(paths: NodePaths, unit: str, targets: Mapping[str, str]) -> str:
    """A script that makes a repository hold exactly these links, each swapped by a rename.

    `targets` maps a model to a digest of ours, or to an absolute path. It prints `changed MODEL` for each
    that was another before. A content that is linked anew gets the time of now: Triton loads a model again
    only when its files look newer than what it has, and an older version that comes back must too.
    """
    repository = quote(paths.repository(unit))
    lines = [f"mkdir -p {repository} && cd {repository} || exit 1"]
    for model, wanted in sorted(targets.items()):
        foreign = wanted.startswith("/")
        target = wanted if foreign else f"../../../models/{model}/{wanted}"
        touch = "" if foreign else f"find {quote(target)} -exec touch {{}} + && "
        lines.append(
            f'if [ "$(readlink {quote(model)})" != {quote(target)} ]; then\n'
            f"    {touch}ln -sfn {quote(target)} {quote(f'.{model}.new')} || exit 1\n"
            f"    mv -fT {quote(f'.{model}.new')} {quote(model)} && echo changed {quote(model)} || exit 1\n"
            f"fi"
        )
    kept = " | ".join(quote(model) for model in sorted(targets)) or "''"
    lines.append(
        f'for name in *; do\n    [ -L "$name" ] || continue\n'
        f'    case $name in {kept}) ;; *) rm -f "$name" && echo "changed $name" ;; esac\ndone'
    )
    return "\n".join(lines) + "\n"


def make_key(paths: NodePaths, unit: str) -> str:
    """A script that makes the random key of a server's restricted API, unless there is one."""
    key = quote(paths.key(unit))
    return f"""if [ ! -s {key} ]; then
    umask 077
    mkdir -p {quote(paths.unit(unit))} || exit 1
    {{ od -An -N24 -tx1 < /dev/urandom | tr -d ' \\n'; echo; }} > {key}.new || exit 1
    mv -f {key}.new {key} || exit 1
fi
"""


def prune(
    paths: NodePaths,
    models: Mapping[str, frozenset[str]],
    runtimes: frozenset[str],
    environments: frozenset[str],
) -> str:
    """A script that removes every model content, runtime, environment and upload that is not named."""
    kept_models = {f"{model}/{digest}" for model, digests in models.items() for digest in digests}
    return f"""cd {quote(paths.root)} || exit 0
for folder in models/*/*/ models/*/.*.part/; do
    folder=${{folder%/}}
    case ${{folder#models/}} in {_any(kept_models)}) ;; *) rm -rf "$folder" ;; esac
done
rmdir models/* 2>/dev/null
for folder in runtime/*/ runtime/.*.part/; do
    folder=${{folder%/}}
    case ${{folder##*/}} in {_any(runtimes)}) ;; *) rm -rf "$folder" ;; esac
done
for folder in environments/*/ environments/.*.part/ units/*/environments/*/; do
    folder=${{folder%/}} name=${{folder##*/}}
    case ${{name%%_*}} in {_any(environments)}) ;; *) rm -rf "$folder" ;; esac
done
rmdir environments 2>/dev/null
rm -rf uploads
true
"""


def _any(names: Iterable[str]) -> str:
    """A pattern of the shell's `case` that matches these names alone."""
    return " | ".join(map(quote, sorted(names))) or "''"


def remove_root(paths: NodePaths, *, keep_models: bool = False) -> str:
    """A script that removes the whole folder; it ends with 1 when a unit still runs there.

    The lock goes last, and `guarded` refuses whoever then waited on a lock that is no longer there. With
    `keep_models` the stored models stay, and the lock.
    """
    gone = [paths.units, paths.runtimes, paths.environments, paths.uploads]
    if keep_models:
        last = f"rm -f {quote(paths.owner)}"
    else:
        gone.append(paths.models)
        last = f"""rm -f {quote(paths.owner)} {quote(paths.lock)}
rm -rf {quote(paths.root)}
rmdir {quote(paths.root.rpartition("/")[0])} 2>/dev/null"""
    return f"""cd {quote(paths.root)} 2>/dev/null || exit 0
{template("systemd/process.sh")}
for folder in {quote(paths.units)}/*/; do
    cd "$folder" 2>/dev/null || continue
    read_pid
    if alive "$process" || alive "$supervisor" || [ -e container ]; then
        echo "${{folder%/}} still runs" >&2
        exit 1
    fi
done
cd / || exit 1
rm -rf {" ".join(map(quote, gone))} || exit 1
{last}
true
"""
