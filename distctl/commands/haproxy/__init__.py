"""HAProxy's configuration and socket as text: pure, so that what a router is told can be shown and tested."""

from distctl.commands.haproxy.groups import Group, groups_of
from distctl.commands.haproxy.render import CONFIG, HEALTH, Rendered, render

__all__ = ["CONFIG", "HEALTH", "Group", "Rendered", "groups_of", "render"]
