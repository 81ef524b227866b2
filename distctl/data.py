"""Where the files that travel with the program are: in a source checkout, or inside the wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """The folder `templates`, `inventory` or `model_repo`, wherever this copy of the program keeps it.

    The wheel carries them in `distctl/_data`; in a checkout they stand beside the package.

    Raises FileNotFoundError when neither place has it: the installation is broken.
    """
    for folder in (PACKAGE / "_data" / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"distctl was installed without its folder {name!r}")
