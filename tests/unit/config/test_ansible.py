"""Ansible's inventories, INI and YAML, are read as Ansible reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.config.ansible import AnsibleHost, expand, read
from distctl.errors import InputError

INI = """\
# the machines
lone ansible_host=10.0.0.9   # a comment
[gpu]
gpu[01:03] ansible_user=ops
gpu09:2222 http_port=80 motd="two words"
[gpu:vars]
ansible_user = everybody
ansible_port=22
note='quoted'
[edge]
shop.example.com
[site:children]
gpu
edge
[site:vars]
ansible_user=site
rack=r1
[all:vars]
zone=hall
"""
YAML = """\
all:
  vars: {zone: hall}
  hosts:
    lone: {ansible_host: 10.0.0.9}
  children:
    site:
      vars: {ansible_user: site, rack: r1}
      children:
        gpu:
          vars: {ansible_user: everybody, ansible_port: 22, note: quoted}
          hosts:
            gpu[01:03]: {ansible_user: ops}
            gpu09: {ansible_port: 2222, http_port: 80, motd: two words}
        edge:
          hosts: {shop.example.com: }
"""


@pytest.mark.parametrize(("text", "name"), [(INI, "hosts"), (YAML, "hosts"), (YAML, "hosts.yml")])
def test_hosts_have_their_groups_and_the_nearest_value_of_each_variable(text: str, name: str) -> None:
    found = {host.name: host for host in read(text, name)}
    assert list(found) == ["lone", "gpu01", "gpu02", "gpu03", "gpu09", "shop.example.com"]
    assert found["lone"] == AnsibleHost("lone", (), {"zone": "hall", "ansible_host": "10.0.0.9"})
    assert found["gpu02"].groups == ("site", "gpu")
    assert found["gpu02"].variables["ansible_user"] == "ops"
    assert found["gpu09"].variables == {
        "zone": "hall",
        "rack": "r1",
        "ansible_user": "everybody",
        "note": "quoted",
        "ansible_port": "2222",
        "http_port": "80",
        "motd": "two words",
    }
    assert found["shop.example.com"].variables["ansible_user"] == "site"


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("web[01:03].example.com", ["web01.example.com", "web02.example.com", "web03.example.com"]),
        ("web[8:11]", ["web8", "web9", "web10", "web11"]),
        ("web[1:6:2]", ["web1", "web3", "web5"]),
        ("db-[a:c]", ["db-a", "db-b", "db-c"]),
        ("r[1:2]n[1:2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("[fd00::1]", ["[fd00::1]"]),
        ("plain", ["plain"]),
    ],
)
def test_ranges_include_their_ends(pattern: str, hosts: list[str]) -> None:
    assert expand(pattern) == hosts


@pytest.mark.parametrize(
    "pattern", ["a[3:1]", "a[1:99999999]", "a[a:3]", "a[01-16]", "a[", "[1:9999]x[1:9999]"]
)
def test_a_range_that_cannot_be_counted_is_refused(pattern: str) -> None:
    with pytest.raises(InputError):
        expand(pattern)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gpu]\ngpu01 alone\n", "hosts:2: `alone` is no NAME=VALUE"),
        ("[gpu]\ngpu01 a='x\n", "hosts:2: No closing quotation"),
        ("[gpu:vars]\nuser\n", "hosts:2: this is no NAME=VALUE"),
        ("[a:children]\nb\n[b:children]\na\n", "hosts: groups go in a circle"),
        ("all:\n  hosts: [a, b]\n", "all.hosts is no mapping"),
        ("all:\n  hosts: {a: [}\n", "hosts: while parsing"),
        ("all: 3\n---\n", "hosts"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text, "hosts")
        read(text, "hosts.yml")
    assert words in refused.value.message


@given(st.text(st.sampled_from("[]:=ab01 \n#'\"{}-"), max_size=60), st.sampled_from(["hosts", "hosts.yml"]))
def test_no_text_at_all_ends_in_anything_but_hosts_or_a_message(text: str, name: str) -> None:
    try:
        assert all(host.name for host in read(text, name))
    except InputError as error:
        assert error.message
