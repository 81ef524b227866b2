"""The scripts of a router's place: what is there, the executable, a configuration checked and renamed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.commands.files import quote, write
from distctl.commands.haproxy import copies
from distctl.commands.haproxy.access import DESCRIPTOR, OPEN, VARIABLE
from distctl.commands.haproxy.copies import Copy
from distctl.commands.haproxy.living import LIVING
from distctl.commands.haproxy.render import CONFIG, JAIL

OLDEST = (2, 8)  # the first long-term version with Lua's events of servers
NEEDED = ("LUA", "PROMEX")
CHANGING = (CONFIG, *LIVING)  # files whose content changes under their name


def new(name: str) -> str:
    """What such a file is called before it is in place."""
    return f"{name}.new"


def last(name: str) -> str:
    """What such a file is called that another took the place of."""
    return f"{name}.last"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An executable that is on the place already, and what it says of itself."""

    path: str = ""
    digest: str = ""
    says: str = ""

    @property
    def problem(self) -> str:
        """Why it cannot be a router; empty when it can."""
        version = re.search(r"version (\d+)\.(\d+)", self.says)
        if not version:
            return "is not there, or does not run"
        if (int(version.group(1)), int(version.group(2))) < OLDEST:
            return f"is version {version.group(1)}.{version.group(2)}; 2.8 is the oldest that will do"
        missing = [feature for feature in NEEDED if f"+{feature}" not in self.says]
        return f"was built without {' and '.join(missing)}" if missing else ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a router's folder has: names of files and executables, the digest of the configuration."""

    config: str
    files: frozenset[str]
    executables: frozenset[str]
    candidate: Candidate
    copy: Copy


def inspect(folder: str, setting: str | None) -> str:
    """A script that says what `parse_inspect` reads; it changes nothing."""
    return f"""{copies.candidate(setting)}
if [ -x "$candidate" ]; then
    printf 'candidate\\t%s\\t%s\\n' "$candidate" "$(sha256sum < "$candidate")"
    "$candidate" -vv 2>&1 | sed 's/^/says\\t/'
fi
{look(folder, setting)}for name in * bin/*/haproxy; do printf 'file\\t%s\\n' "$name"; done
"""


def look(folder: str, setting: str | None) -> str:
    """The part of it that costs little: the configuration and which executable runs."""
    return f"""{copies.ask(setting)}
cd {quote(folder)} 2>/dev/null || exit 0
[ ! -r {CONFIG} ] || printf 'config\\t%s\\n' "$(sha256sum < {CONFIG})"
{copies.ASK_FOLDER}"""


def parse_inspect(text: str) -> Found:
    """What `inspect` printed."""
    rows = [line.split("\t") for line in text.splitlines()]
    names = [row[1] for row in rows if row[0] == "file"]
    path, digest = next(((row[1], row[2][:16]) for row in rows if row[0] == "candidate"), ("", ""))
    says = "\n".join(row[1] for row in rows if row[0] == "says")
    return Found(
        config=next((row[1][:16] for row in rows if row[0] == "config"), ""),
        files=frozenset(name for name in names if "/" not in name),
        executables=frozenset(
            name.split("/")[1] for name in names if name.endswith("/haproxy") and "*" not in name
        ),
        candidate=Candidate(path, digest, says),
        copy=copies.parse(text),
    )


def executable(folder: str, digest: str) -> str:
    """The path of a router's own copy of HAProxy: no upgrade changes it while it runs."""
    return f"{folder}/bin/{digest}/haproxy"


def adopt(folder: str, source: str, digest: str) -> str:
    """A script that copies an executable of the place."""
    return f"""umask 077
cd {quote(folder)} && rm -rf bin/{digest}.new && mkdir -p bin/{digest}.new || exit 1
cp {quote(source)} bin/{digest}.new/haproxy && chmod 700 bin/{digest}.new/haproxy || exit 1
[ -e bin/{digest} ] || mv bin/{digest}.new bin/{digest}
"""


def incoming(folder: str, digest: str, run: str) -> str:
    """Where one run puts an executable: copies are made outside of the fence, so no two runs share a name."""
    return f"{folder}/bin/{digest}.{run}.new"


def unveil(folder: str, digest: str, run: str) -> str:
    """A script that makes an executable which a run has copied visible; what others left half-way goes.

    What is younger than an hour may be another run's that still copies.
    """
    new = quote(incoming(folder, digest, run))
    return f"""cd {quote(folder)}/bin && {{ [ -e {digest} ] || mv -T {new} {digest}; }} || exit 1
rm -rf {new}
find . -maxdepth 1 -name '*.new' -mmin +60 -exec rm -rf {{}} +
true
"""


DOORS = "/run/distctl"  # sockets that an account other than root may open


def door(folder: str, login: str = "") -> str:
    """The path of the master's socket: in the router's folder, which nobody but its account can enter.

    Where root runs the router and the account `login` (a uid) comes in over ssh, it lies where that account
    can get at it.
    """
    if not login:
        return f"{folder}/master.sock"
    return f"{DOORS}/{hashlib.sha256(folder.encode()).hexdigest()[:16]}.sock"


def run_script(folder: str, login: str = "") -> str:
    """The unit's start script. HAProxy takes the descriptors that it needs, up to the hard limit.

    It runs what the link leads to, and so does a reload, which may thus go on with another executable.
    """
    socket = f"{door(folder, login)},mode,600,uid,{login}" if login else "master.sock,mode,600"
    prepare = f"mkdir -p -m 711 {DOORS} || exit 1\n" if login else ""
    return f"""#!/bin/sh
umask 077
{prepare}cd {quote(folder)} || exit 1
ulimit -S -n "$(ulimit -H -n)" 2>/dev/null
{OPEN}exec {quote(f"{folder}/{copies.LINK}")} -W -S unix@{socket} -f {CONFIG}
"""


def accept(folder: str, digest: str, files: Mapping[str, str], origin: str) -> str:
    """A script that writes files, has HAProxy check the configuration among them, and renames it into place.

    They travel in the script itself, so that all of it happens under the place's lock. A boot reads them,
    also the one after a power cut: they are on the disk before the rename. Keys and certificate are in place
    for the check, and what they replaced comes back when it fails. Workers that are nobody know the peers'
    socket by one path before and after they see their own folder alone. `origin` is kept with the executable.
    """
    beside = " ".join(LIVING)
    arriving = {new(name) if name in CHANGING else name: text for name, text in files.items()}
    written = "".join(write(f"{folder}/{name}", text, 0o600) for name, text in sorted(arriving.items()))
    return f"""{written}cd {quote(folder)} || exit 1
sync {" ".join(map(quote, sorted(arriving)))} 2>/dev/null
mkdir -p -m 711 {JAIL} && ln -sfn . {JAIL}/{JAIL} || exit 1
for name in {beside}; do
    rm -f "$name.last"
    [ ! -e "$name" ] || cp -p "$name" "$name.last"
    [ ! -e "$name.new" ] || mv -f "$name.new" "$name"
done
if ! {VARIABLE}={DESCRIPTOR} {quote(executable(folder, digest))} -c -f {new(CONFIG)} 2>&1; then
    for name in {beside}; do [ ! -e "$name.last" ] || mv -f "$name.last" "$name"; done
    exit 1
fi
[ ! -e {CONFIG} ] || cp -p {CONFIG} {last(CONFIG)}
mv -f {new(CONFIG)} {CONFIG}
{copies.choose(executable(folder, digest), origin)}"""


def take_back(folder: str) -> str:
    """A script that brings back the configuration before: what runs and what would boot agree again."""
    return (
        f"cd {quote(folder)} || exit 1\n"
        f'for name in {" ".join(CHANGING)}; do [ ! -e "$name.last" ] || mv -f "$name.last" "$name"; done\n'
    )


def tidy(folder: str, found: Iterable[str], keep: Iterable[str]) -> str:
    """A script that removes what older configurations named."""
    ours = re.compile(r".*-[0-9a-f]{16}\.(lua|map|http|pem)")
    gone = sorted({name for name in found if ours.fullmatch(name) or name in LIVING} - set(keep))
    names = " ".join(quote(name) for name in [*gone, *map(last, CHANGING)])
    return f"cd {quote(folder)} && rm -f {names}\n{copies.FORGET}"
