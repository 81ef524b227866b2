"""What is sent to a shell on a node, and when."""

from __future__ import annotations

import pytest

from distctl.adapters.copying import part_name, placing
from distctl.adapters.shell import Dialogue, Tail, wrapped
from distctl.ports import Upload

SCRIPT = wrapped("id")


def test_a_plain_script_is_sent_at_once():
    dialogue = Dialogue("id", "tok")
    assert dialogue.argv == ("sh", "-s", "tok")
    assert dialogue.opening() == SCRIPT
    assert dialogue.stdout(b"out") == b"" and dialogue.stderr(b"err") == b""
    assert (dialogue.out.text(), dialogue.err.text()) == ("out", "err")


def test_sudo_gets_the_script_only_after_the_root_shell_said_the_token():
    dialogue = Dialogue("id", "tok", become=True)
    assert "-n" in dialogue.argv and dialogue.opening() == b""
    assert dialogue.stderr(b"sudo: some lecture\n") == b""
    assert dialogue.stdout(b"banner\nto") == b"" and not dialogue.started
    assert dialogue.stdout(b"k\nfirst") == SCRIPT and dialogue.started
    assert (dialogue.out.text(), dialogue.err.text()) == ("first", "")


def test_a_password_is_sent_when_it_is_asked_for_and_not_before():
    dialogue = Dialogue("id", "tok", become=True, password="pw")
    assert dialogue.opening() == b""
    assert dialogue.stderr(b"ask-t") == b""
    assert dialogue.stderr(b"ok:") == b"pw\n"
    assert dialogue.stdout(b"tok\n") == SCRIPT


def test_a_password_that_nobody_asks_for_is_never_sent():
    dialogue = Dialogue("id", "tok", become=True, password="pw")
    assert dialogue.opening() + dialogue.stdout(b"tok\n") == SCRIPT


def test_a_second_question_ends_it():
    dialogue = Dialogue("id", "tok", become=True, password="pw")
    assert dialogue.stderr(b"ask-tok:") == b"pw\n"
    assert dialogue.stderr(b"Sorry, try again.\nask-tok:") == b""
    assert dialogue.refused and dialogue.refusal() == ("Sorry, try again.",)


def test_no_secret_stands_in_the_command_line_or_its_representation():
    dialogue = Dialogue("echo secret-script", "tok", become=True, password="pw-secret")
    assert "secret" not in dialogue.command
    assert "pw-secret" not in repr(dialogue)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 25, 1000])
def test_a_tail_keeps_the_last_bytes_however_they_come(size):
    text = "".join(chr(97 + number % 26) for number in range(size))
    for step in (1, 3, 1000):
        tail = Tail(10)
        for start in range(0, size, step):
            tail.add(text[start : start + step].encode())
        assert tail.text() == text[-10:]


def test_a_part_is_named_after_content_and_lies_beside_its_target(tmp_path):
    assert part_name(Upload(b"a", "/x/y")) == part_name(Upload(b"a", "/x/y"))
    assert part_name(Upload(b"a", "/x/y")) != part_name(Upload(b"b", "/x/y"))
    assert part_name(Upload(b"a", "/x/y")).startswith("/x/.y.")
    source = tmp_path / "file"
    source.write_bytes(b"a")
    before = part_name(Upload(source, "/x/y"))
    source.write_bytes(b"ab")
    assert part_name(Upload(source, "/x/y")) != before


def test_paths_of_root_are_quoted():
    assert "'/etc/a b; rm -rf x'" in placing([("/home/u/1", Upload(b"", "/etc/a b; rm -rf x", 0o640))])
