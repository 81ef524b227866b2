"""A stand-in for nvidia-smi: it lists the GPUs that a file beside it names, a UUID a line.

It answers `--query-gpu` alone, as the real one does where there is a driver, and fails without such a file.
"""

from __future__ import annotations

from pathlib import Path

SCRIPT = """#!/bin/sh
case $1 in --query-gpu=*) ;; *) exit 1 ;; esac
listed=$(cat "${0%/*}/gpus") || { echo "NVIDIA-SMI has failed because it couldn't communicate"; exit 9; }
index=0
for uuid in $listed; do
    line=
    for field in $(echo "${1#--query-gpu=}" | tr , ' '); do
        case $field in
            name) value='NVIDIA L4' ;;
            memory.total) value=23034 ;;
            memory.used) value=1 ;;
            driver_version) value=550.54.15 ;;
            uuid) value=$uuid ;;
            index) value=$index ;;
            pci.bus_id) value=00000000:0$index:00.0 ;;
            *) value='[N/A]' ;;
        esac
        line="$line${line:+, }$value"
    done
    echo "$line"
    index=$((index + 1))
done
"""


def install(folder: Path, *uuids: str) -> None:
    """Put it into a folder, to be found on a node's path; it lists these GPUs until the next call."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    (folder / "gpus").write_text("".join(f"{uuid}\n" for uuid in uuids))
