"""What pip is asked for fits the node, whatever runs here; what it says is told in one line."""

from __future__ import annotations

import json
from pathlib import Path

from distctl.adapters.pip import command, platforms, refusal
from distctl.cluster.needs import Target

THERE = Target("3.9", "aarch64", (2, 17))


def test_the_platforms_are_those_of_the_nodes_glibc_and_older() -> None:
    assert platforms(Target("3.9", "x86_64", (2, 6))) == [
        "manylinux_2_6_x86_64",
        "manylinux_2_5_x86_64",
        "manylinux1_x86_64",
        "linux_x86_64",
    ]
    found = platforms(THERE)
    assert found[:2] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64"]
    assert not any("_18_" in tag or "x86_64" in tag for tag in found)


def test_markers_hold_as_they_do_on_the_node() -> None:
    words = command(THERE, Path("into"), ["idna"])
    there = json.loads(words[3])
    assert (there["python_version"], there["platform_machine"]) == ("3.9", "aarch64")
    assert there["sys_platform"] == "linux"
    assert words[-1] == "idna"
    assert words[words.index("--python-version") + 1] == "3.9"


def test_a_refusal_is_pips_last_error_with_the_conflict_that_it_found() -> None:
    out = (
        "Collecting numpy\n\nThe conflict is caused by:\n    The user requested numpy==2.0.0\n"
        "    The user requested (constraint) numpy<2\n\nTo fix this you could try to:\n"
    )
    err = (
        "WARNING: something\nERROR: Cannot install numpy==2.0.0 because of conflicts.\n"
        "ERROR: ResolutionImpossible: for help visit a page\n"
    )
    found = refusal(out, err)
    assert found.problem == (
        "Cannot install numpy==2.0.0 because of conflicts.; The user requested numpy==2.0.0; "
        "The user requested (constraint) numpy<2"
    )
    assert not found.offline


def test_a_pip_that_says_nothing_is_told_as_such() -> None:
    assert refusal("", "").problem == "pip said nothing"


def test_a_broken_connection_is_no_network() -> None:
    err = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'Refused()': /simple/x/\n"
        "ERROR: No matching distribution found for x\n"
    )
    assert refusal("", err).offline
    assert refusal("", err).problem == "x: pip could not reach its package index"


def test_what_stands_below_an_error_belongs_to_it() -> None:
    err = (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES.\n    numpy==1.26.4 from a file:\n"
        "        Expected sha256 1\nWARNING: more\n"
    )
    assert refusal("", err).problem == (
        "THESE PACKAGES DO NOT MATCH THE HASHES.; numpy==1.26.4 from a file:; Expected sha256 1"
    )
