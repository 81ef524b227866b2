"""What of a requirements.txt cannot become wheels for another machine is refused, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.adapters.requirements import Requirements, read_requirements
from distctl.errors import InputError


def written(folder: Path, text: str) -> Path:
    (folder / "requirements.txt").write_text(text)
    return folder


def test_a_model_without_requirements_needs_nothing(tmp_path: Path) -> None:
    assert read_requirements(tmp_path) is None
    assert read_requirements(written(tmp_path, "# nothing\n\n--index-url https://packages.example\n")) is None


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt",
        "--requirement=other.txt",
        "-c limits.txt",
        "-e .",
        "./wheels/x-1.0-py3-none-any.whl",
        "../x",
        "/srv/wheels/x-1.0-py3-none-any.whl",
        "x @ file:///srv/x-1.0-py3-none-any.whl",
        "git+https://git.example/x.git",
        "x @ git+https://git.example/x.git",
    ],
)
def test_a_line_that_names_no_package_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"requirements\.txt:2: ") as raised:
        read_requirements(written(tmp_path, f"numpy\n{line}\n"))
    assert line in raised.value.message


@pytest.mark.parametrize(
    "line",
    [
        "regex",
        "requests[socks]>=2 ; python_version < '3.12'",
        "Cython==3.0.0",
        "x @ https://packages.example/x-1.0-py3-none-any.whl",
        "--extra-index-url https://packages.example",
    ],
)
def test_a_line_that_pip_can_fetch_is_left_to_pip(tmp_path: Path, line: str) -> None:
    found = read_requirements(written(tmp_path, f"idna\n{line}\n"))
    assert found is not None
    assert found.text == f"idna\n{line}\n"


def test_another_comment_is_another_text(tmp_path: Path) -> None:
    one = read_requirements(written(tmp_path, "idna\n"))
    two = read_requirements(written(tmp_path, "idna  # once more\n"))
    assert one and two
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("numpy", True),
        ("NumPy<2", True),
        ("numpy==1.26.4 \\", True),
        ("numpy-stl", False),
        ("# numpy", False),
    ],
)
def test_numpy_is_known_by_its_name(line: str, named: bool) -> None:
    assert Requirements(Path("r"), f"idna\n{line}\n").names_numpy is named


def test_the_lines_that_say_where_packages_are_are_kept_for_later() -> None:
    text = "--index-url https://a\nidna\n--extra-index-url=https://b\n--pre\n-f https://c\n"
    assert Requirements(Path("r"), text).sources == [
        "--index-url https://a",
        "--extra-index-url=https://b",
        "-f https://c",
    ]
