"""keepalived's configuration from its view: the same view always gives the same bytes."""

from __future__ import annotations

import hashlib
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from distctl.cluster.shared import DRAWN_BACK, AddressView
from distctl.commands.files import template
from distctl.data import data_folder

CONFIG = "keepalived.conf"
WISH = "wish"  # the file whose number is added to the priority, as soon as it changes
PRIORITY = 100  # VRRP's own default
LESS = -50  # less than any place that does not draw back
DOORS = "/run/distctl"  # where an account without rights reaches what it is to run


def render(view: AddressView, folder: str) -> str:
    """The configuration of a unit whose files are in `folder`."""
    return (
        _environment()
        .get_template(f"{CONFIG}.j2")
        .render(
            view=view, shared=view.shared, folder=folder, check=check_path(), WISH=WISH, PRIORITY=PRIORITY
        )
    )


def settings_of(view: AddressView) -> str:
    """What a running keepalived was told, wherever its folder is: one word."""
    digest = hashlib.sha256(render(view, "").encode()).hexdigest()[:16]
    return f"{digest}{DRAWN_BACK}" if view.yields else digest


def wish_of(view: AddressView) -> str:
    """What the file `wish` says."""
    return f"{LESS if view.yields else 0}\n"


def check_text() -> str:
    """The script that asks whether the router is alive."""
    return template("keepalived/check.sh")


def check_path() -> str:
    """Where it stands: named by its content, and outside of our folder, which nobody else may enter."""
    return f"{DOORS}/check-{hashlib.sha256(check_text().encode()).hexdigest()[:16]}"


@cache
def _environment() -> Environment:
    folder = data_folder("templates") / "keepalived"
    return Environment(  # noqa: S701 - no HTML
        loader=FileSystemLoader(folder),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
