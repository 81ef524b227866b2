"""keepalived on one place of a router: its configuration, and the scripts that bring it there."""

from distctl.commands.keepalived.handover import UNRELAYED, relay
from distctl.commands.keepalived.render import WISH, render, settings_of
from distctl.commands.keepalived.scripts import (
    KEPT,
    accept,
    give_up,
    look,
    parse_look,
    remove,
    unit,
    unit_name,
)

__all__ = [
    "KEPT",
    "UNRELAYED",
    "WISH",
    "accept",
    "give_up",
    "look",
    "parse_look",
    "relay",
    "remove",
    "render",
    "settings_of",
    "unit",
    "unit_name",
]
