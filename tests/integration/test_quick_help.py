"""`distctl --help` imports nothing heavy, so that it answers as soon as typer itself."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("rich", "paramiko", "pydantic", "aiohttp", "sqlalchemy", "jinja2", "tritonclient", "yaml", "asyncio")
PROGRAM = """
import sys
before = set(sys.modules)
from distctl.cli.main import app
from typer.main import get_command
import io, contextlib
with contextlib.redirect_stdout(io.StringIO()) as text:
    get_command(app).main(["--help"], standalone_mode=False)
assert "Exit codes" in text.getvalue()
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=30
    )
    assert "distctl" in done.stdout.split()
    assert not set(HEAVY) & set(done.stdout.split())
