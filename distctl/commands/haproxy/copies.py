"""Which HAProxy a router runs: its own copy of the place's or of ours, and whether another one is to run now.

The copies lie beside each other, named by their content; a link leads to the chosen one. The unit runs the
link, and a reload has the master execute the link anew: that is how HAProxy is upgraded without a loss. What
a copy was chosen from stands beside it, so that a look finds out for little whether the choice still holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from distctl.commands.files import quote, template

LINK = "haproxy"
ORIGIN = "haproxy.origin"


@dataclass(frozen=True, slots=True)
class Copy:
    """Digests of the copy that is chosen and of the one that runs, "" where that is not known.

    `origin` is what it was chosen from, `choice` what there is to choose from now: path, size and time.
    """

    chosen: str = ""
    runs: str = ""
    origin: str = ""
    choice: str = ""

    @property
    def ours(self) -> bool:
        """Whether the place had none that would do."""
        return self.origin.startswith("ours")


def candidate(setting: str | None) -> str:
    """The script's variable of that name: the executable that the inventory names, or the place's own."""
    named = quote(setting) if setting else '"$(command -v haproxy)"'
    return f"candidate={named}"


def ask(setting: str | None) -> str:
    """A script that says what there is to choose from; it changes nothing."""
    return f"""{candidate(setting)}
printf 'choice\\t%s\\n' "$(stat -L -c '%n %s %Y' "$candidate" 2>/dev/null)\""""


# Says, in the router's folder, the rest of what `parse` reads. A process that was started before there was a
# link cannot be told to run another executable, so what it runs is left out.
ASK_FOLDER = f"""{template("systemd/process.sh")}
read_pid
printf 'chosen\\t%s\\norigin\\t%s\\n' "$(readlink {LINK})" "$(cat {ORIGIN} 2>/dev/null)"
if alive "$process" && ! grep -q 'bin/[0-9a-f]*/haproxy' started; then
    printf 'runs\\t%s\\n' "$(readlink "/proc/$pid/exe")"
fi
"""


def parse(text: str) -> Copy:
    """What those scripts printed."""
    said = dict(line.split("\t")[:2] for line in text.splitlines() if "\t" in line)
    return Copy(
        _digest_in(said.get("chosen", "")),
        _digest_in(said.get("runs", "")),
        said.get("origin", ""),
        said.get("choice", ""),
    )


def _digest_in(path: str) -> str:
    found = re.search(r"bin/([0-9a-f]{16})/haproxy", path)
    return found[1] if found else ""


def origin(copy: Copy, *, ours: bool) -> str:
    """What is to be kept beside a copy: whether it is ours, since what the place has will not do."""
    return f"{'ours' if ours else 'own'} {copy.choice}".strip()


def choose(executable: str, origin: str) -> str:
    """A script that makes an executable the one that runs from the next start or reload on."""
    return f"""printf '%s\\n' {quote(origin)} > {ORIGIN}
ln -sfn {quote(executable)} {LINK}.new && mv -fT {LINK}.new {LINK}
"""


# A script that removes the copies that are not chosen; what is on its way (`.new`) may be another run's.
FORGET = f"""for copy in bin/*; do
    [ -L {LINK} ] && ! grep -q 'bin/[0-9a-f]*/haproxy' started 2>/dev/null || break
    case "$copy $(readlink {LINK})" in
        *.new\\ *|"$copy "*/"$copy"/*) ;;
        *) rm -rf "$copy" ;;
    esac
done
"""


def outdated(copy: Copy, ours: str) -> str:
    """Why another HAProxy is to run than the one that does, "" when it is the right one or nobody knows.

    `ours` is the digest of the one that we bring.
    """
    if not copy.runs or not copy.origin:
        return ""
    if copy.origin.partition(" ")[2] != copy.choice:
        return f"the HAProxy of its place changed ({copy.choice.partition(' ')[0] or 'there is none now'})"
    if copy.ours and copy.chosen != ours:
        return "distctl brings another HAProxy"
    return "" if copy.runs == copy.chosen else "it still runs the HAProxy before"
