"""GPUs, as nvidia-smi, the kernel and DCGM tell of them. None is a fact and no error.

A driver that is broken may never answer, and what asks it cannot always be killed: such a program is left
behind with a pipe of its own, nobody waits for it, and while one stands stuck no other is started.
"""

from __future__ import annotations

import re

from distctl.cluster.gpu import Gpu, MigDevice, devices
from distctl.facts import gpu_log, gpu_rows, gpu_xml
from distctl.facts.probe import Facts, Probe, only

__all__ = ["PROBES", "Gpu", "MigDevice", "devices", "parse_gpus"]

ANSWER = 10  # seconds: without the persistence daemon a driver wakes up slowly
_NO_ANSWER = f"nvidia-smi does not answer within {ANSWER} s"
_STUCK = "an earlier nvidia-smi hangs in the driver"
_KILLED = "137"  # the status of what SIGKILL ended
_LONGEST = 200  # characters of an error message that are kept

# The heading of each part of the section. What comes before the first is the list of GPUs.
_PART = re.compile(r"^== (\w+) ?(.*)$", re.MULTILINE)

# `ask SECONDS COMMAND...`: what it prints, then `== status N`, which is missing if it never ended. Only the
# reader of the pipe is waited for, since SIGKILL does not end a process that hangs in a driver.
_ASK = """ask() {
    limit=$1; shift
    ( { timeout -s KILL "$limit" "$@" 2>&1; echo "== status $?"; } </dev/null & ) |
        timeout $((limit + 2)) cat
}"""

# Cards on the PCI bus: vendor NVIDIA, a display or 3D controller, not given to a virtual machine.
_CARDS = """cards=0
for device in /sys/bus/pci/devices/*; do
    vendor= class=
    read -r vendor < "$device/vendor" && read -r class < "$device/class"
    case $vendor-$class in 0x10de-0x0300* | 0x10de-0x0302*)
        case $(readlink "$device/driver") in *vfio-pci) ;; *) cards=$((cards + 1)) ;; esac ;;
    esac
done
echo "== cards $cards\""""

_TOOLS = """for name in nvidia-ctk nvidia-container-runtime nvidia-container-cli; do
    command -v "$name" >/dev/null && echo "== toolkit $name"
done
for file in /etc/cdi/*nvidia* /var/run/cdi/*nvidia*; do [ -e "$file" ] && echo "== toolkit cdi" && break; done
command -v dcgmi >/dev/null && { echo "== dcgm"; ask 5 dcgmi health -g 0 -c; }"""

_STUCK_CHECK = """ps -eo stat=,etimes=,comm= |
    awk '$1 ~ /^D/ && $2 > 60 && $3 == "nvidia-smi" { found = 1 } END { exit !found }'"""


# compute_cap came with driver 495; an older nvidia-smi refuses the whole query. The second form then asks
# without it. The long form of -q lists hundreds of clocks, which nobody reads.
def query(answer: int = ANSWER) -> str:
    """The script of the section; each question may take that many seconds."""
    return f"""{_ASK}
query() {{ ask {answer} nvidia-smi --query-gpu="$1" --format=csv,noheader,nounits; }}
if ! command -v nvidia-smi >/dev/null; then echo "== absent"
elif {_STUCK_CHECK}; then echo "== stuck"
else
    rows=$(query {gpu_rows.QUERY},compute_cap)
    case $rows in *"not a valid field"*) rows=$(query {gpu_rows.QUERY}) ;; esac
    printf '%s\\n' "$rows"
    case $rows in *"== status {_KILLED}"*) ;; *GPU-*"== status "*)
        echo "== xml"
        all=$(ask {answer} nvidia-smi -q -x)
        printf '%s\\n' "$all" | sed '/<supported_clocks>/,/<\\/supported_clocks>/d'
        case $all in *"<current_mig>Enabled"*) echo "== list"; ask {answer} nvidia-smi -L ;; esac
        echo "== parents"
        printf '%s\\n' "$all" | sed -n 's/.*<pid>\\([0-9]*\\)<.*/\\1/p' | sort -u | while read -r pid; do
            line=$pid
            while [ "$pid" -gt 1 ] && read -r stat < "/proc/$pid/stat"; do
                stat=${{stat##*) }}; stat=${{stat#* }}; pid=${{stat%% *}}; line="$line $pid"
            done
            echo "$line"
        done ;;
    esac
fi
{_CARDS}
{_TOOLS}
true"""


def parse_gpus(text: str) -> Facts:
    """The facts in the parts of the section. A GPU is what a whole row of the list names, nothing else."""
    rows, *rest = _PART.split(text)
    parts = list(zip(rest[::3], rest[1::3], rest[2::3], strict=True))  # heading, its words, what follows
    bodies = {name: body for name, _, body in parts}
    facts = gpu_rows.parse_rows(rows)
    indexes = {value: name.split(".")[1] for name, value in facts.items() if name.endswith(".uuid")}
    parents = gpu_rows.parse_parents(bodies.get("parents", ""))
    facts |= gpu_xml.parse_details(bodies.get("xml", ""), indexes, parents)
    facts |= gpu_rows.parse_mig(bodies.get("list", ""), indexes)
    facts["gpus"] = str(len(indexes))
    words = [(name, said) for name, said, _ in parts]
    facts |= only(
        {"gpus.trouble": _trouble(rows, words), "gpus.dcgm": gpu_rows.parse_dcgm(bodies.get("dcgm", ""))}
    )
    return facts | _node(words)


def _node(words: list[tuple[str, str]]) -> Facts:
    """What else the node has: cards on its bus, and what gives GPUs to containers."""
    cards = [said for name, said in words if name == "cards"]
    if not cards or not cards[0].isdecimal():  # the section was cut short before
        return {}
    tools = dict.fromkeys(said for name, said in words if name == "toolkit")
    return {"gpus.cards": cards[0], "gpus.toolkit": " ".join(tools)}


def _trouble(rows: str, words: list[tuple[str, str]]) -> str:
    """Why not every GPU could be listed, in the tool's own words where it said some."""
    first, said = words[0] if words else ("", "")
    if first == "stuck":
        return _STUCK
    if first == "cards" or (first == "status" and said == _KILLED):
        return _NO_ANSWER
    lines = [line.strip() for line in rows.splitlines() if line.strip() and gpu_rows.cells(line) is None]
    return " ".join(lines)[:_LONGEST] if first == "status" else ""


PROBES = (
    Probe("gpus", query(), parse_gpus),
    Probe("gpu_log", gpu_log.SCRIPT, gpu_log.parse_log),
)
