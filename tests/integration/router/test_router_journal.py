"""A router's log of requests in a real journal: kept there, picked from there, read on from its cursor."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from distctl.cluster.requests import Wanted
from distctl.cluster.spec import LogSpec
from distctl.commands.haproxy.access import keeper, page, reader

pytestmark = pytest.mark.hosts
NAME = "distctl-router-main-test"

# A journal of its own, in a mount namespace: nothing of this machine's is seen or written.
SCRIPT = f"""
mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal || exit 1
/lib/systemd/systemd-journald 2>/dev/null & journal=$!
ready() {{ tries=0; until "$@" || [ $tries -ge 100 ]; do tries=$((tries + 1)); sleep 0.1; done; }}
ready test -S /run/systemd/journal/stdout
cd "$1" && mkfifo access.pipe && exec 3<>access.pipe
sh ./keeper 3>&- & kept=$!
said() {{ journalctl -q -o cat -t {NAME} | grep -q "$1"; }}
cat first >&3; ready said r-2; sh ./all > page-1; sh ./errors > page-2
sed -n 's/^position //p' page-1 > position
cat second >&3; ready said r-3; (sed "s/^position=[^ ]*/position='$(cat position)'/" all) | sh > page-3
exec 3>&-
kill "$kept" "$journal"
"""


def line(request: str, status: int) -> str:
    return json.dumps(
        {"at": 1.5, "request": request, "total": 5, "status": status, "end": "--"}, separators=(",", ":")
    )


def test_journal_keeps_what_is_said_and_gives_it_back(tmp_path: Path) -> None:
    log, folder = LogSpec("journal"), str(tmp_path)
    files = {
        "keeper": keeper(log, folder, NAME),
        "all": reader(log, folder, NAME, Wanted(), "", 10),
        "errors": reader(log, folder, NAME, Wanted(errors=True), "", 10),
        "first": f"{line('r-1', 502)}\nProxy clients stopped.\n{line('r-2', 200)}\n",
        "second": f"{line('r-3', 200)}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    words = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", folder]
    ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    found = [page((tmp_path / f"page-{number}").read_text(), "") for number in (1, 2, 3)]
    ids = [[json.loads(text)["request"] for text in one.lines] for one in found]
    assert ids == [["r-1", "r-2"], ["r-1"], ["r-3"]], ran
    assert found[0].position == found[1].position != found[2].position
