"""Each inventory of bad_documents.txt is refused with exactly the message and the hint that stand there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from distctl.config import load
from distctl.errors import InventoryError

TABLE = Path(__file__).with_name("bad_documents.txt")


def cases() -> Iterator[tuple[str, str, str, str]]:
    for block in TABLE.read_text().split("\n#### ")[1:]:
        name, _, rest = block.partition("\n")
        lines = rest.rstrip("\n").split("\n")
        document = [line for line in lines if not line.startswith((">>>> ", "???? "))]
        message = [line[5:] for line in lines if line.startswith(">>>> ")]
        hint = [line[5:] for line in lines if line.startswith("???? ")]
        yield name, "\n".join([*document, ""]), "\n".join(message), "\n".join(hint)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "digits").mkdir()
    (tmp_path / "file.txt").touch()
    return tmp_path


CASES = list(cases())


@pytest.mark.parametrize(("document", "message", "hint"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_wrong_inventory_is_refused_with_place_and_suggestion(
    folder: Path, document: str, message: str, hint: str
) -> None:
    file = folder / "c.yaml"
    file.write_text(document)
    with pytest.raises(InventoryError) as caught:
        load(file)
    told = str(caught.value).replace(f"{folder}/c.yaml", "c.yaml").replace(str(folder), "DIR")
    assert told == message.replace("DIR/c.yaml", "c.yaml")
    assert caught.value.hint.replace(str(folder), "DIR") == hint
    assert caught.value.exit_code == 2


def test_the_table_is_whole() -> None:
    """Every case has its document, message and hint, and no case stands there twice."""
    assert len(CASES) > 120
    assert len({name for name, *_ in CASES}) == len(CASES)
    assert all(message and hint for _, _, message, hint in CASES)


SECRET = "hunter2"


@pytest.mark.parametrize(
    "place",
    [
        "ssh: {password: hunter2}",
        "ssh: {become: {password: hunter2}}",
        "ssh: {become: hunter2}",
        "ssh: {password: {command: echo hunter2}}",
        "store: {url: 'postgresql://u:hunter2@db/x'}",
        "store: {url: 'postgresql://db/x?user=u&password=hunter2'}",
        "store: {url: 'sqlite:///x', password: hunter2}",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, place: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"version: 1\ncluster: prod\n{place}\nnodes: {{gpu01: }}\n")
    with pytest.raises(InventoryError) as caught:
        load(file)
    assert SECRET not in str(caught.value) + caught.value.hint


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(b"version: 1\ncluster: caf\xe9\n")
    with pytest.raises(InventoryError, match=r"c\.yaml:2: not UTF-8") as caught:
        load(file)
    assert "iconv" in caught.value.hint


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(b"# " + b"x" * (1 << 20))
    with pytest.raises(InventoryError, match="larger than 1 MiB"):
        load(file)


@pytest.mark.parametrize(("name", "told"), [("absent.yaml", "does not exist"), ("", "is no ordinary file")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(InventoryError, match=told):
        load(tmp_path / name)


def test_more_problems_than_fit_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    keys = "".join(f"wrong{number}: 1\n" for number in range(30))
    file.write_text(f"version: 1\ncluster: prod\nnodes: {{gpu01: }}\n{keys}")
    with pytest.raises(InventoryError) as caught:
        load(file)
    assert str(caught.value).count("\n") == 20
    assert str(caught.value).endswith("and 10 more")
    assert caught.value.hint.startswith("30 problems")
