"""Which content a tag means, who is believed, and what a plan does about it."""

from __future__ import annotations

import pytest

from distctl.cluster.image import Image, Pinned, parse_image
from distctl.policy.images import Answer, pin, told

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
TAG = parse_image("nvcr.io/nvidia/t:1")
KNOWN = [f"nvcr.io/nvidia/t:1@{A} 100", f"nvcr.io/nvidia/t:1@{B} 200", f"nvcr.io/nvidia/t:2@{C} 300"]
SEEN = [{}, {"nvcr.io/nvidia/t:1": C}]
SILENT = Answer(problem="nvcr.io does not answer here: timed out")


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("nvcr.io/nvidia/t:24.10-py3", Image("nvcr.io", "nvidia/t", "24.10-py3")),
        ("t", Image("docker.io", "library/t", "latest")),
        ("me/t:1", Image("docker.io", "me/t", "1")),
        ("localhost:5000/t", Image("localhost:5000", "t", "latest")),
        ("localhost/t:1", Image("localhost", "t", "1")),
        ("[::1]:5000/t:1", Image("[::1]:5000", "t", "1")),
        (f"10.0.0.1:5000/a/t@{A}", Image("10.0.0.1:5000", "a/t", "", A)),
        (f"nvcr.io/t:1@{A}", Image("nvcr.io", "t", "", A)),
    ],
)
def test_names_are_written_out(text: str, image: Image) -> None:
    assert parse_image(text) == image
    assert parse_image(str(image)) == image


@pytest.mark.parametrize(
    "text", ["", "T", "t:", "a b", "http://x/t", "x.io/t@sha256:1", "x.io//t", "-x/t", "t:1/"]
)
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        parse_image(text)


@pytest.mark.parametrize(
    ("answer", "known", "seen", "digest", "source"),
    [
        (Answer(A), KNOWN, SEEN, A, "registry"),
        (SILENT, KNOWN, SEEN, B, "record"),
        (None, KNOWN, SEEN, B, "record"),
        (SILENT, [f"nvcr.io/nvidia/t:2@{A} 1", "damaged"], SEEN, C, "node"),
        (SILENT, [], [], "", ""),
    ],
    ids=["the registry first", "then the record", "or nobody asked", "then a node", "nobody knows"],
)
def test_who_says_what_a_tag_means(answer, known, seen, digest, source) -> None:
    found = pin(TAG, answer, known, seen)
    assert (found.digest, found.source) == (digest, source)
    assert told(found)


def test_a_digest_in_the_inventory_needs_nobody() -> None:
    assert pin(parse_image(f"x.io/t@{A}"), Answer(B), KNOWN, SEEN) == Pinned(
        parse_image(f"x.io/t@{A}"), A, "inventory"
    )


def test_what_no_registry_has_and_nobody_knows_is_missing() -> None:
    gone = Answer(problem="there is no nvidia/t:1 in nvcr.io", missing=True)
    assert pin(TAG, gone, [], []).missing
    assert not pin(TAG, gone, [], SEEN).missing, "a node has it"
    assert pin(parse_image("localhost/t:1"), None, [], []).missing, "no registry has images built on a node"
    assert not pin(TAG, SILENT, [], []).missing, "a node may reach what we do not"


def test_a_plan_tells_who_said_so_and_why_nobody_better_did() -> None:
    assert told(pin(TAG, Answer(A), [], [])).endswith("says the registry")
    assert "does not answer here" in told(pin(TAG, SILENT, KNOWN, []))
    assert "the first node that pulls it" in told(pin(TAG, None, [], []))
