"""The moving picture by textual's own pilot, and its lines at 80 columns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from textual.pilot import Pilot
from textual.widgets import Input, Static

from distctl.cli.top_lines import LONGEST, lines, spark
from distctl.cli.top_screen import Top
from distctl.errors import DistctlError
from distctl.policy.tops import Row

ROWS = (
    Row("model", "digits", "ready", "2/2", 123.4, 4, 2, 0.0123, tuple(float(n) for n in range(60))),
    Row("model", "a-model-with-a-long-name", "failed (no replica serves)", "0/2", 0.0, 0, 0),
    Row("node", "n1", "ready", "83% 40/80G", 12_345.6, 1234, 12, 1.5),
    Row("router", "main@lb", "running", "0 held", 123.4, 4, 0),
)


def shown(app: Top) -> str:
    return str(app.query_one("#page", Static).render())


def head(app: Top) -> str:
    return str(app.query_one("#head", Static).render())


def played(app: Top, play: Callable[[Pilot[None]], Awaitable[None]]) -> None:
    async def run() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await app.workers.wait_for_complete()
            await pilot.pause()
            await play(pilot)

    asyncio.run(run())


def names(app: Top) -> list[str]:
    return [name for line in shown(app).splitlines() if (name := line.split(" ")[0]) and not name.isupper()]


def test_it_shows_every_row_at_80_columns_and_q_ends_it() -> None:
    app = Top("prod", lambda: ROWS, lambda: ", no controller runs")

    async def play(pilot: Pilot[None]) -> None:
        assert names(app) == ["digits", "a-model-with-a-…", "n1", "main@lb"]
        assert max(len(line) for line in shown(app).splitlines()) <= 80
        assert "prod" in head(app)
        assert "no controller runs" in head(app)
        await pilot.press("q")

    played(app, play)
    assert app.return_code == 0


def test_ctrl_c_ends_it_while_a_filter_is_typed() -> None:
    app = Top("prod", lambda: ROWS)

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("slash", "q", "ctrl+c")
        assert app.chosen.filter == "q"

    played(app, play)
    assert app.return_code == 0


def test_keys_sort_reverse_filter_and_clear() -> None:
    app = Top("prod", lambda: ROWS)

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("s")
        assert "by state" in head(app)
        assert names(app)[:2] == ["a-model-with-a-…", "digits"]
        await pilot.press("r")
        assert names(app)[:2] == ["digits", "a-model-with-a-…"]
        await pilot.press("slash", *"dig")
        assert names(app) == ["digits"]
        await pilot.press("enter", "s")
        assert names(app) == ["digits"], "the filter stays, and keys are keys again"
        assert not app.query_one("#filter", Input).has_class("open")
        await pilot.press("escape")
        assert len(names(app)) == 4

    played(app, play)


def test_a_look_that_fails_is_told_and_the_last_picture_stays() -> None:
    looks = iter([ROWS])

    def look() -> tuple[Row, ...]:
        for rows in looks:
            return rows
        raise DistctlError("the record is not to be had")

    app = Top("prod", look)

    async def play(pilot: Pilot[None]) -> None:
        app._again()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "the record is not to be had" in head(app)
        assert "digits" in shown(app)

    played(app, play)


def test_lines_fit_any_width_and_ill_ones_are_marked() -> None:
    for width in (20, 80, 200):
        assert max(len(line.text) for line in lines(ROWS, width)) <= width
    at_80 = lines(ROWS, 80)
    assert [line.style for line in at_80] == ["bold", "", "red", "", "bold", "", "", "bold", ""]
    assert at_80[1].text.startswith(
        "digits           ready         2/2          123.4      4      2  12.3ms ▁"
    )
    assert at_80[5].text.startswith("n1               ready         83% 40/80G   12.3k   1234     12    1.5s")


def test_a_sparkline_is_as_high_as_its_largest_and_never_too_wide() -> None:
    assert spark((0.0, 5.0, 10.0), 10) == "▁▅█"
    assert spark((1.0, 1.0), 10) == "██"
    assert spark((0.0, 0.0), 10) == "▁▁"
    assert (spark((), 10), spark((1.0,), 0)) == ("", "")
    rates = tuple(float(n) for n in range(60))
    assert len(spark(rates, 200)) == LONGEST
    assert [len(spark(rates, width)) <= width for width in range(1, 70)] == [True] * 69
    assert spark(rates, 7)[-1] == "█"
