"""What is stored on a node: the scripts that list, place, link and remove runtimes and models.

A runtime or model folder exists under its digest only when it is whole: it grows in `uploads`, is verified
there, and is renamed. Links to models are swapped by a rename. Every script here but `listing` is to be run
inside `fence.guarded`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.cluster.content import FileEntry
from distctl.commands.files import quote, template
from distctl.commands.paths import NodePaths

TOO_SMALL = 78  # the disk has not enough room
DAMAGED = 79  # what arrived is not what was sent


@dataclass(frozen=True, slots=True)
class Stored:
    """What a node holds. A link's value is a digest, or "" for a path that is not ours."""

    runtimes: frozenset[str]
    models: Mapping[str, frozenset[str]]
    links: Mapping[tuple[str, str], str]  # (server, model)


def listing() -> str:
    """A script that prints the lines that `parse_listing` reads, from the root as its working folder."""
    return """for folder in runtime/*/; do
    [ -d "$folder" ] || continue
    folder=${folder%/}
    printf 'runtime\\t%s\\n' "${folder##*/}"
done
for folder in models/*/*/; do
    [ -d "$folder" ] || continue
    folder=${folder%/} name=${folder#models/}
    printf 'model\\t%s\\t%s\\n' "${name%/*}" "${name##*/}"
done
for link in units/server-*/repository/*; do
    [ -L "$link" ] && [ -e "$link/" ] || continue
    name=${link#units/server-}
    printf 'link\\t%s\\t%s\\t%s\\n' "${name%%/*}" "${link##*/}" "$(readlink "$link")"
done
"""


def parse_listing(text: str) -> Stored:
    """What `listing` printed. Lines that are cut short are left out."""
    runtimes: set[str] = set()
    models: dict[str, set[str]] = {}
    links: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        match line.split("\t"):
            case ["runtime", digest]:
                runtimes.add(digest)
            case ["model", model, digest]:
                models.setdefault(model, set()).add(digest)
            case ["link", server, model, target]:
                links[server, model] = _digest_of(target, model)
            case _:
                continue
    return Stored(frozenset(runtimes), {name: frozenset(found) for name, found in models.items()}, links)


def _digest_of(target: str, model: str) -> str:
    before, _, digest = target.rpartition("/")
    return digest if before == f"../../../models/{model}" else ""


def room(paths: NodePaths, needed: int) -> str:
    """Lines that end the script with TOO_SMALL unless the disk has `needed` bytes and some to spare.

    It prints the bytes that are free. The spare is a hundredth of what is needed and 16 MiB at least.
    """
    wanted = (needed + max(needed // 100, 16 * 1024 * 1024)) // 1024
    return f"""mkdir -p {quote(paths.uploads)} || exit 1
free=$(df -Pk {quote(paths.uploads)} | awk 'NR == 2 {{ print $4 }}')
if [ "$free" -lt {wanted} ]; then echo "$free"; exit {TOO_SMALL}; fi
"""


def unpack_runtime(paths: NodePaths, digest: str, archive: str) -> str:
    """A script that unpacks an archive that was uploaded, and removes it; nothing if the runtime is there."""
    whole, part = quote(paths.runtime(digest)), quote(f"{paths.runtimes}/.{digest}.part")
    return f"""if [ ! -d {whole} ]; then
    rm -rf {part}
    mkdir -p {part} || exit 1
    gzip -dc < {quote(archive)} | tar -xf - -C {part} || {{ rm -rf {part}; exit {DAMAGED}; }}
    mv -T {part} {whole} || exit 1
fi
rm -f {quote(archive)}
"""


def missing_files(paths: NodePaths, model: str, files: Iterable[FileEntry]) -> str:
    """A script that prints the digest of each file that neither a stored version nor an upload has.

    Every stored file of the model with one of the wanted sizes is hashed, so equal content is found under
    another name too; what was uploaded before a cut lies under its own digest.
    """
    wanted = list(files)
    sizes = " ".join(sorted({str(file.size) for file in wanted}, key=int))
    lines = "".join(f"{file.sha256}\n" for file in wanted)
    uploaded = quote(_files(paths, model))
    return f"""cd {quote(paths.root)} || exit 1
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


def upload_of(paths: NodePaths, model: str, sha256: str) -> str:
    """Where a file of that content is put before its model is made."""
    return f"{_files(paths, model)}/{sha256}"


def place_model(paths: NodePaths, model: str, digest: str, files: Iterable[FileEntry]) -> str:
    """A script that makes a model folder of the uploaded files, verifies each, and renames it into place.

    Files are linked, not moved: unchanged ones are shared with the versions that had them before. The run
    bit is set on a copy of its own. It ends with DAMAGED when a file is not what its name says.
    """
    wanted = sorted(files)
    uploaded = quote(_files(paths, model))
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
"""


def _files(paths: NodePaths, model: str) -> str:
    return f"{paths.uploads}/{model}"


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


def prune(paths: NodePaths, models: Mapping[str, frozenset[str]], runtimes: frozenset[str]) -> str:
    """A script that removes every model content, runtime and upload that is not named."""
    kept_models = " | ".join(
        quote(f"{m}/{d}") for m, digests in sorted(models.items()) for d in sorted(digests)
    )
    kept_runtimes = " | ".join(quote(digest) for digest in sorted(runtimes))
    return f"""cd {quote(paths.root)} || exit 0
for folder in models/*/*/ models/*/.*.part/; do
    folder=${{folder%/}}
    case ${{folder#models/}} in {kept_models or "''"}) ;; *) rm -rf "$folder" ;; esac
done
rmdir models/* 2>/dev/null
for folder in runtime/*/ runtime/.*.part/; do
    folder=${{folder%/}}
    case ${{folder##*/}} in {kept_runtimes or "''"}) ;; *) rm -rf "$folder" ;; esac
done
rm -rf uploads
true
"""


def remove_root(paths: NodePaths, *, keep_models: bool = False) -> str:
    """A script that removes the whole folder; it ends with 1 when a unit still runs there.

    The lock goes last, and `guarded` refuses whoever then waited on a lock that is no longer there. With
    `keep_models` the stored models stay, and the lock.
    """
    gone = [paths.units, paths.runtimes, paths.uploads]
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
