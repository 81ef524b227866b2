"""Images: names as engines print them, and the scripts that pull and remove them."""

from __future__ import annotations

import pytest

from distctl.commands.images import (
    Access,
    Watched,
    begin,
    parse_listing,
    parse_watched,
)
from distctl.commands.paths import NodePaths

PATHS = NodePaths("/srv/prod/gpu01")
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


@pytest.mark.parametrize(
    ("engine", "line", "names"),
    [
        (
            "podman",
            f'{A[7:]}\t["nvcr.io/t:1"]\t["nvcr.io/t@{B}"]',
            {"nvcr.io/t:1": B, f"nvcr.io/t@{B}": B},
        ),
        (
            "docker",
            f'{A}\t["triton:dev","nvcr.io/t:1"]\t["nvcr.io/t@{B}"]',
            {
                "docker.io/library/triton:dev": A,
                f"docker.io/library/triton@{A}": A,
                "nvcr.io/t:1": B,
                f"nvcr.io/t@{B}": B,
            },
        ),
        ("podman", f'{A}\t[]\t["nvcr.io/t@{B}","nvcr.io/t@{C}"]', {f"nvcr.io/t@{B}": B, f"nvcr.io/t@{C}": C}),
        ("docker", f"{A}\tnull\tnull", {}),
        ("docker", f"{A}\tError", {}),
    ],
    ids=["pulled", "built and pulled", "by digest, of two architectures", "no name", "cut short"],
)
def test_names_of_images(engine: str, line: str, names: dict[str, str]) -> None:
    assert parse_listing(f'image\t{engine}\t{line}\nimage\tother\t{A}\t["x:1"]\tnull\n', engine) == names


@pytest.mark.parametrize(
    ("said", "watched"),
    [
        ("\n", Watched(None, "")),
        ("0\nabc\n", Watched(0, "abc\n")),
        ("125\nError: x", Watched(125, "Error: x")),
        ("", Watched(None, "")),
    ],
)
def test_how_far_a_pull_is(said: str, watched: Watched) -> None:
    assert parse_watched(said) == watched


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "asking the registry"),
        ("Trying to pull x...\nCopying blob sha256:1\n", "Copying blob sha256:1"),
        (
            "a: Pulling fs layer\nb: Pulling fs layer\na: Pull complete\nb: Verifying Checksum\n",
            "1 of 2 layers",
        ),
    ],
)
def test_what_is_told_of_a_pull(said: str, words: str) -> None:
    assert Watched(None, said).last == words


def test_a_password_is_in_no_argument_and_in_no_repr() -> None:
    access = Access("nvcr.io", "bob", "s3cr'et")
    assert "s3cr" not in repr(access)
    for engine in ("docker", "podman"):
        lines = [line for line in begin(PATHS, engine, "nvcr.io/t:1", access).splitlines() if "s3cr" in line]
        assert [line.split()[0] for line in lines] == ["printf"], "a builtin of the shell, which no ps shows"
        assert "--password-stdin" in begin(PATHS, engine, "nvcr.io/t:1", access)


def test_without_a_login_the_nodes_own_one_is_used() -> None:
    script = begin(PATHS, "docker", "nvcr.io/t:1", None)
    assert "DOCKER_CONFIG" not in script
    assert "docker login" not in script
