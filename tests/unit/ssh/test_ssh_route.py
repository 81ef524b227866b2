"""Routes by table: inventory over ssh_config over OpenSSH's defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.adapters.ssh.config import SshConfig, load
from distctl.adapters.ssh.route import Account, expand, parse_jump, resolve
from distctl.cluster.spec import Connection, Node, SecretRef, SshSettings
from distctl.errors import InputError

ME = Account("me", Path("/home/me"))


def read(tmp_path: Path, text: str, warnings: list[str] | None = None) -> SshConfig:
    path = tmp_path / "config"
    path.write_text(text)
    warn = [].append if warnings is None else warnings.append
    return load([path], home=tmp_path, warn=warn)


def route(tmp_path, text="", address="gpu", **ssh):
    node = Node("n", Connection.SSH, address, address, ssh=SshSettings(**ssh))
    return resolve(node, read(tmp_path, text), ME)


def hop(tmp_path, text="", **ssh):
    (only,) = route(tmp_path, text, **ssh).hops
    return only


def test_without_any_setting_openssh_defaults_hold(tmp_path):
    found = hop(tmp_path)
    assert str(found) == "me@gpu:22"
    assert found.keys == ()
    assert [path.name for path in found.default_keys] == ["id_ed25519", "id_ecdsa", "id_rsa"]
    assert [str(path) for path in found.known_hosts] == [
        "/home/me/.ssh/known_hosts",
        "/home/me/.ssh/known_hosts2",
    ]
    assert (found.agent, found.only_named, found.proxy_command, found.accept_new) == ("", False, None, False)


@pytest.mark.parametrize(
    ("text", "ssh", "expected"),
    [
        ("Host gpu\n User a\n Port 2222\n HostName 10.0.0.1\n", {}, "a@10.0.0.1:2222"),
        ("host=gpu\nUSER = a\n", {}, "a@gpu:22"),
        ("Host gpu\n User a\n", {"user": "b"}, "b@gpu:22"),
        ("Host gpu\n Port 2222\n", {"port": 2200}, "me@gpu:2200"),
        ("User first\nHost gpu\n User second\n", {}, "first@gpu:22"),
        ("Host gpu\n User a\nHost *\n User b\n Port 9\n", {}, "a@gpu:9"),
        ("Host other g?u\n User a\n", {}, "a@gpu:22"),
        ("Host * !gpu\n User a\n", {}, "me@gpu:22"),
        ("Host g[p]u\n User a\n", {}, "me@gpu:22"),
        ("Host gpu\n HostName %h.example.com\n", {}, "me@gpu.example.com:22"),
        ('Host "gpu"\n User "a"  # why\n', {}, "a@gpu:22"),
        ("Match all\n User a\nHost gpu\n Port 2\n", {}, "me@gpu:2"),
    ],
)
def test_user_host_and_port(tmp_path, text, ssh, expected):
    assert str(hop(tmp_path, text, **ssh)) == expected


@pytest.mark.parametrize(
    ("text", "keys", "agent", "only"),
    [
        (
            "IdentityFile ~/.ssh/a\nHost gpu\n IdentityFile %d/b-%r-%%\n",
            ["/home/me/.ssh/a", "/home/me/b-me-%"],
            "",
            False,
        ),
        ("IdentityFile none\n", [], "", False),
        ("IdentitiesOnly yes\nIdentityFile /a\n", ["/a"], "", True),
        ("IdentityAgent none\n", [], None, False),
        ("IdentityAgent ~/agent\n", [], "/home/me/agent", False),
    ],
)
def test_keys_and_agent(tmp_path, text, keys, agent, only):
    found = hop(tmp_path, text)
    assert ([str(path) for path in found.keys], found.agent, found.only_named) == (keys, agent, only)


def test_the_inventorys_key_comes_before_those_of_ssh_config(tmp_path):
    assert hop(tmp_path, "IdentityFile /b\n", key=Path("/a")).keys == (Path("/a"), Path("/b"))


def test_known_hosts_several_none_and_the_inventorys(tmp_path):
    text = 'UserKnownHostsFile "/a b" ~/c none\nGlobalKnownHostsFile /g\nHostKeyAlias alias\n'
    found = hop(tmp_path, text)
    assert [str(path) for path in found.known_hosts] == ["/a b", "/home/me/c"]
    assert found.global_known_hosts == (Path("/g"),) and found.known_as == "alias"
    own = hop(tmp_path, text, known_hosts=Path("/own"))
    assert own.known_hosts == (Path("/own"),) and own.global_known_hosts == ()
    assert hop(tmp_path, port=2222).known_as == "[gpu]:2222"


CHAIN = (
    "Host gpu\n ProxyJump b,c\nHost b\n ProxyJump a\n User ub\nHost c\n ProxyJump never\n ProxyCommand x\n"
)


@pytest.mark.parametrize(
    ("text", "ssh", "names"),
    [
        ("ProxyJump none\n", {}, ["gpu"]),
        ("Host gpu\n ProxyJump a\n", {}, ["a", "gpu"]),
        ("Host gpu\n ProxyJump a\n", {"jump": ()}, ["gpu"]),
        ("Host gpu\n ProxyJump a\n", {"jump": ("x", "y")}, ["x", "y", "gpu"]),
        (CHAIN, {}, ["a", "b", "c", "gpu"]),
        (CHAIN, {"jump": ("c", "b")}, ["never", "c", "b", "gpu"]),
        ("Host gpu\n ProxyCommand nc\n ProxyJump a\n", {}, ["gpu"]),
        ("Host gpu\n ProxyJump none\n ProxyCommand nc\n", {}, ["gpu"]),
        ("Host gpu\n ProxyJump ssh://u@a:2222\n", {}, ["a", "gpu"]),
    ],
)
def test_the_hops_and_their_order(tmp_path, text, ssh, names):
    assert [found.name for found in route(tmp_path, text, **ssh).hops] == names


def test_the_first_of_proxyjump_and_proxycommand_counts(tmp_path):
    assert (
        hop(tmp_path, "Host gpu\n ProxyCommand nc %h %p '%r'\n ProxyJump a\n").proxy_command
        == "nc gpu 22 'me'"
    )
    assert hop(tmp_path, "Host gpu\n ProxyJump none\n ProxyCommand nc\n").proxy_command is None
    assert hop(tmp_path, "Host gpu\n ProxyCommand nc\n", jump=()).proxy_command is None


def test_jumps_of_the_inventory_share_its_user_and_key_and_those_of_ssh_config_do_not(tmp_path):
    key = Path("/team")
    first, last = route(tmp_path, user="ops", key=key, jump=("jump",)).hops
    assert (first.user, first.keys) == ("ops", (key,)) and last.user == "ops"
    first, _ = route(tmp_path, "Host jump\n User own\n", user="ops", jump=("jump",)).hops
    assert first.user == "own"
    first, _ = route(tmp_path, "Host gpu\n ProxyJump jump\n", user="ops", key=key).hops
    assert (first.user, first.keys) == ("me", ())


def test_no_password_of_a_node_is_ever_offered_to_a_jump_host(tmp_path):
    first, last = route(tmp_path, password=SecretRef("env", ("X",)), jump=("jump",)).hops
    assert first.password is None and last.password is not None


def test_host_key_settings_of_the_inventory_hold_for_every_hop(tmp_path):
    ssh = {"known_hosts": Path("/own"), "host_keys": "accept-new"}
    for found in route(tmp_path, "Host gpu\n ProxyJump a\n", **ssh).hops:
        assert (found.known_hosts, found.accept_new) == ((Path("/own"),), True)


@pytest.mark.parametrize(
    ("text", "ssh"),
    [
        ("Host gpu\n ProxyJump a\nHost a\n ProxyJump gpu\n", {}),
        ("Host *\n ProxyJump a\n", {}),
        ("", {"jump": ("gpu",)}),
    ],
)
def test_a_circle_is_refused(tmp_path, text, ssh):
    with pytest.raises(InputError, match="jumps go in a circle: gpu -> "):
        route(tmp_path, text, **ssh)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", (None, "a", None)),
        ("u@a:22", ("u", "a", 22)),
        ("u@x@a", ("u@x", "a", None)),
        ("[::1]:2222", (None, "::1", 2222)),
        ("u@[fe80::1]", ("u", "fe80::1", None)),
        ("ssh://u@a:22", ("u", "a", 22)),
    ],
)
def test_a_jump_is_user_host_and_port(text, expected):
    assert parse_jump(text) == expected


@pytest.mark.parametrize("text", ["", "u@", "a:x", "a:99999", "a b", "::1", ":22"])
def test_what_is_no_jump_is_refused(text):
    with pytest.raises(InputError, match="not a jump host"):
        parse_jump(text)


def test_tokens_that_are_not_known_stay():
    assert expand("%h %% %x %%h", {"h": "host"}) == "host % %x %h"


def test_include_counts_only_inside_its_block_and_the_block_goes_on_after_it(tmp_path):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/more").write_text("User a\nHost gpu\n Port 7\nHost other\n Port 8\n")
    text = "Host gpu\n Include more\n HostName 10.0.0.1\n"
    assert str(hop(tmp_path, text)) == "a@10.0.0.1:7"
    assert str(route(tmp_path, text, address="other").hops[-1]) == "me@other:22"


def test_an_include_of_itself_ends(tmp_path):
    with pytest.raises(InputError, match="nested too deeply"):
        read(tmp_path, f"Include {tmp_path}/config\n")


@pytest.mark.parametrize("text", ["Host\n", "User 'a\n", "???\n"])
def test_a_line_that_is_wrong_is_named_with_its_file(tmp_path, text):
    with pytest.raises(InputError, match="config:1"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["Port x\n", "Port 0\n", "Port 70000\n"])
def test_a_port_that_is_none_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="Port"):
        hop(tmp_path, text)


def test_each_match_is_reported_with_its_line(tmp_path):
    warnings: list[str] = []
    read(tmp_path, "User a\n\nMatch exec true\n User b\n", warnings)
    assert warnings == [
        f"{tmp_path}/config:3: Match is not supported and was ignored with the lines under it"
    ]
