"""Everything on a node lies below one folder per cluster, user and node."""

import pytest

from distctl.commands import look
from distctl.commands.paths import NodePaths, default_root


@pytest.mark.parametrize(
    ("directory", "become", "root"),
    [
        (None, False, "/home/ops/.local/share/distctl/prod/gpu01"),
        (None, True, "/var/lib/distctl/prod/gpu01"),
        ("/srv/distctl", False, "/srv/distctl/prod/gpu01"),
        ("/srv/distctl/", True, "/srv/distctl/prod/gpu01"),
        ("~/here", False, "/home/ops/here/prod/gpu01"),
    ],
)
def test_the_root_follows_directory_then_become_then_home(directory, become, root):
    assert default_root("prod", "gpu01", home="/home/ops/", directory=directory, become=become) == root


def test_two_nodes_of_one_machine_share_no_folder():
    roots = {default_root("prod", node, home="/root") for node in ("a", "b")}
    assert len({NodePaths(root).units for root in roots}) == 2


def test_a_root_with_a_quote_or_a_space_stays_one_word_of_the_shell():
    word = look.root_expression("it's", "a b", directory="/srv/x y", become=False)
    assert word == "'/srv/x y'/'it'\"'\"'s'/'a b'"
