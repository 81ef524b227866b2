"""An answer over HTTP is the same however its bytes are cut, bounded, and nothing else passes for one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.adapters.polling.answer import LARGEST, LONGEST_HEAD, Answer, Reading
from distctl.errors import TritonError

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WHOLE = {
    JSON + b"content-length: 5\r\n\r\nhello": Answer(200, "application/json", b"hello"),
    JSON + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n": Answer(
        200, "application/json", b"hello"
    ),
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n": Answer(
        503, "", b""
    ),
    b"HTTP/1.1 204 Nothing\r\n\r\n": Answer(204, "", b""),
    b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Type: b\r\n\r\n": Answer(
        400, "", b""
    ),
}


@given(st.sampled_from(sorted(WHOLE)), st.lists(st.integers(0, 200)))
def test_however_it_is_cut(text: bytes, cuts: list[int]) -> None:
    reading, places = Reading(), [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parts = [text[a:b] for a, b in pairwise(places)]
    found = [answer for part in parts if (answer := reading.more(part)) is not None]
    assert found[0] == WHOLE[text]


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(noise: bytes) -> None:
    for text in (noise, JSON + b"\r\n\r\n" + noise, JSON + b"Transfer-Encoding: chunked\r\n\r\n" + noise):
        try:
            Reading().more(text)
        except (ValueError, TritonError):
            continue


def test_what_has_no_length_ends_with_its_connection() -> None:
    reading = Reading()
    assert reading.more(b"HTTP/1.1 200 OK\r\n\r\nab") is None
    assert reading.more(b"c") is None
    assert reading.end() == Answer(200, "", b"abc")
    broken = Reading()
    broken.more(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    assert broken.end() is None


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 1) + b" " * (LARGEST + 1),
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (LARGEST + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n" + b" " * (LARGEST + 1),
    ],
)
def test_what_is_too_long_is_refused(text: bytes) -> None:
    with pytest.raises(TritonError, match="more than 1 MiB"):
        Reading().more(text)


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"x" * (LONGEST_HEAD + 1),
    ],
)
def test_what_is_no_answer_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"this is no|no end"):
        Reading().more(text)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive", False),
        (b"HTTP/1.1 200 OK", True),
    ],
)
def test_who_keeps_the_connection(text: bytes, last: bool) -> None:
    reading = Reading()
    reading.more(text + b"\r\n\r\n")
    assert reading.head is not None
    assert reading.head.last is last
