"""`init` writes inventories that load, out of names, Ansible's or ssh_config, and never over one."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.app.beginning import first_inventory
from distctl.cluster.spec import Connection, Spec
from distctl.config import load
from distctl.errors import InputError

ANSIBLE = """\
[gpu]
gpu[01:02].example.com ansible_user=ops
gpu03.example.com ansible_host=10.0.0.13 ansible_port=2222 ansible_user=ops ansible_private_key_file=keys/id
deep ansible_host=10.9.0.4 ansible_ssh_extra_args='-J ann@bastion:22,in -o "StrictHostKeyChecking no"'
old ansible_ssh_common_args='-o ProxyCommand="ssh -q -W %h:%p -p 2200 bob@hop"'
odd ansible_ssh_common_args='-o ProxyCommand="nc %h %p" -C' ansible_become=yes
[rest]
here ansible_connection=local
windows ansible_connection=winrm
gpu03.other.org ansible_password=hunter2 http_port=80
[rest:vars]
ansible_user="{{ somebody }}"
"""


def begun(folder: Path, text: str, *nodes: str) -> tuple[Spec, str]:
    source = folder / "hosts.ini"
    source.write_text(text)
    notes = first_inventory(folder / "cluster.yaml", "prod", nodes, source=f"ansible:{source}")
    return load(folder / "cluster.yaml").spec, "\n".join(notes)


def test_what_ansible_knows_of_its_hosts_is_taken_over(tmp_path: Path) -> None:
    spec, _ = begun(tmp_path, ANSIBLE)
    assert [node.name for node in spec.nodes] == [
        *("gpu01", "gpu02", "gpu03-example-com", "deep", "old", "odd", "here", "gpu03-other-org")
    ]
    assert (spec.node("gpu01").address, spec.node("gpu01").ssh.user) == ("gpu01.example.com", "ops")
    third = spec.node("gpu03-example-com")
    assert (third.address, third.ssh.port, third.ssh.key) == ("10.0.0.13", 2222, tmp_path / "keys/id")
    assert spec.node("deep").ssh.jump == ("ann@bastion:22", "in")
    assert spec.node("deep").ssh.host_keys == "accept-new"
    assert spec.node("old").ssh.jump == ("bob@hop:2200",)
    assert spec.node("odd").ssh.jump is None
    assert spec.node("odd").ssh.become is not None
    assert spec.node("here").connection is Connection.LOCAL
    assert spec.node("here").labels == {"rest": "member"}
    assert spec.router("main").on == ("local",), "no other machine reaches the node on this one"


def test_what_cannot_be_taken_over_is_told_and_no_secret_is_copied(tmp_path: Path) -> None:
    _, notes = begun(tmp_path, ANSIBLE)
    assert "windows: it is reached by winrm" in notes
    assert "odd: the ssh argument proxycommand nc %h %p was left out" in notes
    assert "odd: the ssh argument -C was left out" in notes
    assert "the variable http_port means nothing here and was left out" in notes
    assert "here and 2 more: ansible_user is a template of Ansible's and was left out" in notes
    assert "gpu03.other.org: ansible_password was left out" in notes
    assert "hunter2" not in (tmp_path / "cluster.yaml").read_text() + notes


def test_names_ranges_globs_and_groups_choose_hosts(tmp_path: Path) -> None:
    spec, _ = begun(tmp_path, ANSIBLE, "rest", "gpu0[1-2].example.com", "o*d")
    assert [node.name for node in spec.nodes] == ["gpu01", "gpu02", "old", "odd", "here", "gpu03"]


def test_what_all_hosts_say_of_ssh_is_said_once(tmp_path: Path) -> None:
    begun(tmp_path, "a\nb\n[all:vars]\nansible_user=ops\nansible_ssh_common_args=-J hop\n")
    text = (tmp_path / "cluster.yaml").read_text()
    assert "ssh:\n  user: ops\n  jump: [hop]\n" in text
    assert "nodes:\n  a: {}\n  b: {}\n" in text


@pytest.mark.parametrize("value", ["0123", "1e3", "yes", "12:30", "null", "a: b", "x #y", "ünï", "'"])
def test_words_that_yaml_takes_for_something_else_are_quoted(tmp_path: Path, value: str) -> None:
    source = tmp_path / "hosts.yml"
    source.write_text(f'all: {{hosts: {{a: {{ansible_ssh_private_key_file: "/k/{value}"}}}}}}')
    first_inventory(tmp_path / "c.yaml", "prod", [], source=f"ansible:{source}")
    assert str(load(tmp_path / "c.yaml").spec.node("a").ssh.key) == f"/k/{value}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a ansible_port=http\n", "http"),
        ("a ansible_host=10.0.0\n", "10.0.0"),
        ("a ansible_user=a/b\n", "a/b"),
        ("a ansible_ssh_common_args='-J a@b@c'\n", "a@b@c"),
        ("windows ansible_connection=winrm\n", "no node in it"),
    ],
)
def test_what_would_not_be_valid_is_refused_and_not_written(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        begun(tmp_path, text)
    assert words in refused.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.ini"]


def test_a_range_of_names_is_every_name_of_it(tmp_path: Path) -> None:
    assert first_inventory(tmp_path / "c.yaml", "prod", ["gpu[01-03]", "lb"]) == ()
    spec = load(tmp_path / "c.yaml").spec
    assert [node.name for node in spec.nodes] == ["gpu01", "gpu02", "gpu03", "lb"]
    assert spec.router("main").on == ("gpu01",)


def test_an_inventory_that_is_there_is_kept_unless_told(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        first_inventory(file, "prod", ["a"])
    assert file.read_text() == "mine"
    assert first_inventory(file, "prod", ["a"], overwrite=True) == ()
    assert [node.name for node in load(file).spec.nodes] == ["a"]


SSH_CONFIG = """\
Host github.com
  User git
Host bastion
  HostName 192.0.2.1
Host gpu01 gpu02
  HostName %h.example.com
  ProxyJump ann@bastion:22
Host GPU.three
  HostName 10.0.0.3
Host *.example.com !no
  User ops
Include more
Match all
  User nobody
"""


def test_hosts_of_ssh_config_become_nodes_that_ssh_config_goes_on_describing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(SSH_CONFIG)
    (tmp_path / ".ssh" / "more").write_text("Host plain\n")
    notes = "\n".join(first_inventory(tmp_path / "c.yaml", "prod", [], source="ssh-config"))
    spec = load(tmp_path / "c.yaml").spec
    assert [(n.name, n.address, n.serve_address) for n in spec.nodes] == [
        ("gpu01", "gpu01", "gpu01.example.com"),
        ("gpu02", "gpu02", "gpu02.example.com"),
        ("gpu", "GPU.three", "10.0.0.3"),
        ("plain", "plain", "plain"),
    ]
    for words in ("github.com: its user is git", "bastion: a jump host of others", "Match is not supported"):
        assert words in notes
    first_inventory(tmp_path / "d.yaml", "prod", ["bastion", "gpu0[1-2]"], source="ssh-config")
    assert [n.name for n in load(tmp_path / "d.yaml").spec.nodes] == ["bastion", "gpu01", "gpu02"]
