"""The controller's page in a real browser: it shows what is known, renews itself and runs nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from outlooks import HOSTILE, outlook, ruined, ward, whole
from telling_parts import TOKEN, Told, eventually

from distctl.policy.outlook import Outlook
from distctl.policy.symptoms import Kind
from distctl.policy.trend import Trend

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs the Debian package chromium"),
]
TITLED = "</td><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


class Browser:
    """Chromium without a window."""

    def __init__(self, profile: Path) -> None:
        words = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
        self._words = ("chromium", *words, f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0")

    @contextmanager
    def watching(self, url: str) -> Iterator[None]:
        """Stay at a URL for the time of the block."""
        argv = [*self._words, "--remote-debugging-port=0", url]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(argv, stdout=quiet, stderr=quiet, start_new_session=True)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def open(self, url: str) -> tuple[str, str]:
        """The document that a URL becomes once everything of it has run, and what the console said."""
        argv = [*self._words, "--dump-dom", url]
        ran = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
        return ran.stdout, "\n".join(line for line in ran.stderr.splitlines() if ":CONSOLE" in line)


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path / "profile")


def link(told: Told) -> str:
    return f"http://127.0.0.1:{told.port}/login?token={TOKEN}"


def test_the_link_logs_in_and_shows_the_cluster(browser: Browser) -> None:
    with Told() as told:
        trend = Trend(1000.0, rates={"digits": (1.0, 4.0, 2.5)})
        told.outlook = outlook(whole(1000.0), trend=trend)
        document, console = browser.open(link(told))
        assert "<title>prod</title>" in document and TOKEN not in document
        assert document.count("<table") == 3 and '<td class="n">2.5</td>' in document
        assert '<polyline points="0.0,14.5 60.0,1.0 120.0,7.8">' in document
        assert console == "", "its own style is allowed by its own policy, and nothing else is asked for"
        stranger, _ = browser.open(f"http://localhost:{told.port}/")
        assert "needs a login" in stranger and "<table" not in stranger


def test_what_nodes_say_is_text_and_nothing_that_runs(browser: Browser) -> None:
    with Told() as told:
        seen = ruined(1000.0)
        servers = {id: replace(s, error=TITLED) for id, s in seen.snapshot.servers.items()}
        seen = replace(seen, snapshot=replace(seen.snapshot, servers=servers))
        told.outlook = outlook(seen, ward=ward(Kind.DEAD, held=HOSTILE))
        document, console = browser.open(link(told))
        assert "<title>prod</title>" in document and "owned" in document
        assert "<img" not in document and "<script" not in document and console == ""


def test_it_renews_itself(browser: Browser) -> None:
    with Told() as told:
        shown: list[Outlook] = []

        def known() -> Outlook:
            shown.append(outlook(whole(1000.0 + len(shown))))
            return shown[-1]

        renewed: Callable[[], Outlook] = known
        told.desk._outlook = renewed
        with browser.watching(link(told)):
            eventually(lambda: len(shown) >= 3, "it is asked for again, every two seconds")
