"""What is shown: a table that fits a terminal, a document that can be read by a program, and an exit code."""

from __future__ import annotations

import json
import signal

import pytest
import typer

from distctl.adapters.bench.run import Measured
from distctl.adapters.bench.senders import Target
from distctl.cli.bench_show import Asked, Watch, end, exit_code, show
from distctl.cli.options import Format
from distctl.cluster.spec import Endpoint
from distctl.errors import Interrupted
from distctl.policy.bench.step import Loop, Step
from distctl.policy.bench.tally import Answer, Failed, Own, Tally, result


def measured(*, failed: int = 0, number: int = 0) -> Measured:
    tally = Tally(0.0)
    for turn in range(100):
        tally.answered(turn, turn, Answer(turn + 0.00123, 3), turn + 0.01234)
    for _ in range(failed):
        tally.lost(99.0, Failed("HTTP 503", "queue is full"), 99.5)
    return Measured([result(Step(Loop.CLOSED, 512, 100.0), tally, Own(0.25, 0.7))], number)


def shown(capsys: pytest.CaptureFixture[str], found: Measured, output: Format, protocol: str) -> str:
    asked = Asked(
        "chat", Target(Endpoint("gpu01", 8001), protocol, 60.0), "the router", "triton 2.51.0", "x", 4
    )
    show(found, asked, output)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("protocol", "header"),
    [
        ("http", "STEP REQUESTS FAILED REQUESTS/S P50 P90 P95 P99 MAX"),
        ("stream", "STEP REQUESTS FAILED REQUESTS/S P50 P99 MAX FIRST ANSWERS/S"),
    ],
)
def test_a_table_has_a_line_for_each_step_and_fits_80_columns(
    capsys: pytest.CaptureFixture[str], protocol: str, header: str
) -> None:
    first, line = shown(capsys, measured(failed=3), Format.TABLE, protocol).splitlines()
    assert first.split() == header.split()
    assert line.split()[:4] == ["512", "clients", "103", "3"]
    assert "12.3" in line.split()
    assert ("1.23" in line.split()) == (protocol == "stream")
    assert max(len(first.rstrip()), len(line.rstrip())) <= 80


def test_a_wide_table_says_what_the_generator_needed(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, measured(), Format.WIDE, "http")
    assert out.splitlines()[1].split()[-2:] == ["25%", "70%"]


def test_a_document_has_every_step_with_its_quantiles(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(capsys, measured(failed=1), Format.JSON, "stream"))
    assert (found["schema_version"], found["kind"], found["exit_code"]) == (1, "bench", 1)
    assert found["target"] == {"what": "the router", "endpoint": "gpu01:8001", "server": "triton 2.51.0"}
    (step,) = found["steps"]
    assert (step["requests"], step["failed"], step["answers"]) == (101, 1, 300)
    assert step["latency_ms"]["p99"] == pytest.approx(12.34)
    assert step["first_answer_ms"]["p50"] == pytest.approx(1.23)
    assert sum(step["histogram_ms"].values()) == 100
    assert step["errors"] == [{"kind": "HTTP 503", "count": 1, "example": "queue is full"}]
    assert step["generator"] == {"cores": 0.25, "waited": 0.7}
    assert len(step["warnings"]) == 1


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (measured(), 0),
        (measured(failed=1), 1),
        (Measured([result(Step(Loop.CLOSED, 1), Tally(0.0), Own(0.0))]), 1),
    ],
)
def test_the_exit_code_says_whether_everything_was_answered(found: Measured, code: int) -> None:
    assert exit_code(found) == code
    with pytest.raises(typer.Exit) as raised:
        end(found)
    assert raised.value.exit_code == code


def test_a_signal_ends_with_its_code() -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with pytest.raises(Interrupted) as raised:
            end(measured(number=number))
        assert raised.value.exit_code == exit_code(measured(number=number)) == code


def test_without_a_terminal_each_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Watch(3) as watch:
        watch(measured().results[0])
        watch(measured(failed=2).results[0])
    lines = capsys.readouterr().err.splitlines()
    assert [line[:20] for line in lines] == ["[1 of 3] 512 clients", "[2 of 3] 512 clients"]
    assert lines[1].endswith("failed 2")
