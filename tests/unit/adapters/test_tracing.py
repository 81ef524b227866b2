"""What is told of remote steps: each with its time and its end, and no secret that was read."""

from __future__ import annotations

import shlex

import pytest

from distctl.adapters.tracing import REDACTED, Secrets, Trace, TracedConnector
from distctl.cluster.spec import SecretRef
from distctl.errors import Unreachable
from distctl.ports import Result, Upload
from distctl.testing import FakeConnector

REF = SecretRef("env", ("WORD",))


def traced(fake: FakeConnector, word: str = "hunter2") -> tuple[TracedConnector, list[Trace], Secrets]:
    told: list[Trace] = []
    secrets = Secrets(lambda _: word)
    return TracedConnector("gpu01", fake, told.append, secrets.redact), told, secrets


def test_scripts_and_copies_are_told_once_they_ended() -> None:
    connector, told, _ = traced(FakeConnector([("bad", Result(3, "", ""))]))
    assert connector.run("true", tried="looking", deadline=1).status == 0
    assert connector.run("exit 3", tried="bad step", deadline=1).status == 3
    connector.put([Upload(b"x", "/a"), Upload(b"y", "/b")], deadline=1)
    assert [(t.node, t.tried, t.script, t.problem) for t in told] == [
        ("gpu01", "looking", "true", ""),
        ("gpu01", "bad step", "exit 3", "status 3"),
        ("gpu01", "copying 2 files", "", ""),
    ]
    assert all(0 <= t.seconds < 5 for t in told)


def test_a_step_that_failed_is_told_with_its_error_and_raises_it() -> None:
    lost = Unreachable("gpu01", "looking", "no route, and hunter2 in it")
    connector, told, secrets = traced(FakeConnector([("look", lost)]))
    secrets(REF)
    with pytest.raises(Unreachable):
        connector.run("true", tried="looking", deadline=1)
    assert "no route" in told[0].problem
    assert "hunter2" not in told[0].problem


@pytest.mark.parametrize("word", ["hunter2", 'it\'s "two" words', "a'b'c", "$x`y`"])
def test_a_secret_that_was_read_is_in_no_text_however_it_is_quoted(word: str) -> None:
    _, _, secrets = traced(FakeConnector(), word)
    inner = f"login {shlex.quote(word)}"
    script = f"printf %s {shlex.quote(inner)} > run; echo {word}"
    assert secrets.redact(script) == script, "not read yet"
    assert secrets(REF) == word
    shown = secrets.redact(script)
    assert shown.count(REDACTED) == 2
    assert not any(len(part) > 3 and part in shown for part in word.split())


@pytest.mark.parametrize(
    "text",
    [
        "AWS_SECRET_ACCESS_KEY=hunter2",
        "API_TOKEN='hunter2 x'",
        'password="hunter2"',
        shlex.quote("MY_TOKEN='hunter2 x' run"),
    ],
)
def test_values_of_variables_that_look_secret_are_taken_out(text: str) -> None:
    _, _, secrets = traced(FakeConnector())
    assert "hunter2" not in secrets.redact(f"exec env -i {text} LANG=C")
    assert "LANG=C" in secrets.redact(f"exec env -i {text} LANG=C")


def test_a_private_key_is_taken_out_of_a_script_although_nobody_said_that_it_is_a_secret() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"
    shown = Secrets(lambda ref: "").redact(f"printf %s '{key}\n' > certificate.pem")
    assert "MHcCAQEE" not in shown
    assert "> certificate.pem" in shown
