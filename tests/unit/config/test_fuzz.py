"""Whatever is in the file, it loads or it is refused with an InventoryError: never another exception."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from distctl.config import load
from distctl.config.scalars import resolve
from distctl.errors import InventoryError

SAMPLE = (
    (Path(__file__).parents[3] / "inventory" / "prod.yaml").read_text().replace("../model_repo/", "node:/")
)
BARE = "\n".join(
    line.partition("#")[0].rstrip() for line in SAMPLE.splitlines() if line.partition("#")[0].strip()
)
PIECES = [
    "!!int",
    "&a",
    "*a",
    "<<: *a",
    "? ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "|",
    ">",
    "'",
    '"',
    "%",
    "@",
    "`",
]
PIECES += [
    "\t",
    "\n",
    "---\n",
    "...\n",
    "\0",
    "\x85",
    "\u2028",
    "\ufeff",
    "~",
    "null",
    "0123",
    "22:22",
    "yes",
    ".nan",
]
PIECES += [
    '"\\ud800"',
    '"\\U99999999"',
    "1" * 400,
    "[" * 1500,
    "- " * 1500,
    "{a: " * 400,
    "node:",
    "gpu[1-9999]",
]

quick = settings(
    max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def loads_or_is_refused(folder: Path, content: bytes) -> None:
    file = folder / "c.yaml"
    file.write_bytes(content)
    try:
        load(file)
    except InventoryError as refused:
        assert refused.problem


@quick
@given(content=st.binary(max_size=200))
@example(content=b"\x00")
@example(content=b"\xfe\xff\x00a")
@example(content=b"%YAML 9.9\n---\na: b\n")
@example(content=b'"\\xD800": a')
def test_random_bytes(tmp_path: Path, content: bytes) -> None:
    loads_or_is_refused(tmp_path, content)


@quick
@given(content=st.text(st.sampled_from(list("abn:[]{}-,#&*!|>'\"%@` \n\t019?")), max_size=80))
def test_random_yaml(tmp_path: Path, content: str) -> None:
    loads_or_is_refused(tmp_path, content.encode())


@quick
@given(seed=st.integers(0, 1 << 32))
def test_the_sample_with_pieces_put_in_or_cut_out(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    text = BARE
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text))
        cut = chance.choice([0, 0, 1, 5, 40])
        text = text[:at] + chance.choice([*PIECES, ""]) + text[at + cut :]
    loads_or_is_refused(tmp_path, text.encode("utf-8", "surrogatepass"))


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("none"),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("abcdefg", max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)
PLACES = [
    "ssh",
    "runtime",
    "servers",
    "labels",
    "timeouts",
    "directory",
    "groups",
    "nodes",
    "models",
    "routers",
    "store",
]
PLACES += ["version", "cluster", "ssh.become", "ssh.password", "ssh.jump", "servers.per", "runtime.arguments"]
PLACES += [
    "nodes.n",
    "nodes.n.groups",
    "nodes.n.address",
    "groups.g",
    "models.m",
    "models.m.where",
    "models.m.source",
]
PLACES += [
    "routers.r",
    "routers.r.on",
    "routers.r.ports",
    "routers.r.address",
    "store.url",
    "models.m.timeouts",
    "models.m.policy",
    "models.m.prefix",
    "models.m.prefix.key",
]


@quick
@given(place=st.sampled_from(PLACES), value=trees)
def test_any_value_in_any_place(tmp_path: Path, place: str, value: object) -> None:
    tree: dict[str, object] = {
        "version": 1,
        "cluster": "c",
        "groups": {"g": {}},
        "nodes": {"n": {"groups": ["g"]}},
        "models": {"m": {"source": "node:/m"}},
        "routers": {"r": {"on": ["n"]}},
    }
    inner: object = tree
    *path, last = place.split(".")
    for word in path:
        assert isinstance(inner, dict)
        inner = inner.setdefault(word, {})
    assert isinstance(inner, dict)
    inner[last] = value
    loads_or_is_refused(tmp_path, _flow(tree).encode("utf-8", "replace"))


def _flow(value: object) -> str:
    """YAML in flow style, as pyyaml's own dumper would take a hundred times as long."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {_flow(inner)}' for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@given(st.text(max_size=20))
def test_every_word_is_a_value_or_a_trap(word: str) -> None:
    value, trap = resolve(word)
    assert trap is None or value == word
