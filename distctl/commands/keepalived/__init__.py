"""keepalived on one place of a router: its configuration, and the scripts that bring it there."""

from distctl.commands.keepalived.render import WISH, render, settings_of
from distctl.commands.keepalived.scripts import (
    accept,
    give_up,
    look,
    parse_look,
    remove,
    unit,
    unit_name,
)

__all__ = [
    "WISH",
    "accept",
    "give_up",
    "look",
    "parse_look",
    "remove",
    "render",
    "settings_of",
    "unit",
    "unit_name",
]
