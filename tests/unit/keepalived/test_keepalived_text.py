"""What is written for keepalived: the same bytes for the same view."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distctl.cluster.shared import AddressView, SharedAddress
from distctl.cluster.spec import RouterId
from distctl.commands import keepalived, units

SHARED = SharedAddress("10.0.1.10", 51)
VIEW = AddressView(
    id=RouterId("main", "lb01"),
    cluster="prod",
    shared=SHARED,
    interface="eth0",
    source="10.0.1.11",
    peers=("10.0.1.12", "10.0.1.13"),
    check_port=8002,
    client_ports=(8000, 8001),
)
UNIT = keepalived.unit("/var/lib/distctl/prod/lb01", "main")


def test_the_configuration_names_each_peer_and_carries_no_password() -> None:
    text = keepalived.render(VIEW, "/r")
    assert text == keepalived.render(replace(VIEW), "/r")
    assert "    unicast_peer {\n        10.0.1.12\n        10.0.1.13\n    }\n" in text
    assert "    unicast_src_ip 10.0.1.11\n" in text
    assert "        10.0.1.10/32 dev eth0\n" in text
    assert "    advert_int 0.30\n" in text
    assert '    file "/r/wish"\n' in text
    assert "script_user nobody" in text
    assert "auth_pass" not in text


def test_multicast_names_nobody() -> None:
    text = keepalived.render(replace(VIEW, shared=replace(SHARED, multicast=True)), "/r")
    assert "unicast" not in text


def test_every_place_has_the_same_priority_so_that_none_takes_the_address_back() -> None:
    other = replace(VIEW, id=RouterId("main", "lb02"), source="10.0.1.12", peers=("10.0.1.11",))
    priorities = {
        line.strip()
        for view in (VIEW, other)
        for line in keepalived.render(view, "/r").splitlines()
        if line.strip().startswith(("priority", "state"))
    }
    assert priorities == {"priority 100", "state BACKUP"}


def test_drawing_back_is_no_other_configuration_and_yet_another_word() -> None:
    back = replace(VIEW, yields=True)
    assert keepalived.render(back, "/r") == keepalived.render(VIEW, "/r")
    assert keepalived.settings_of(back) == f"{keepalived.settings_of(VIEW)}-drawn-back"
    assert "printf %s '-50\n'" in keepalived.accept(UNIT, back)
    assert "printf %s '0\n'" in keepalived.accept(UNIT, VIEW)


def test_only_a_changed_configuration_is_read_anew_and_a_new_start_takes_old_addresses_away() -> None:
    script = keepalived.accept(UNIT, VIEW)
    assert 'if [ "$changed" ]; then kill -HUP "$pid"; fi' in script
    assert script.index("--config-test") < script.index("mv -f keepalived.conf.checked keepalived.conf")
    assert "ip -o -4 addr show to 10.0.1.10" in script
    assert "ip -o -4 addr show to 10.0.1.10" in keepalived.remove(UNIT, "10.0.1.10", units.Manager.SYSTEM)


def test_what_a_look_says() -> None:
    boot = "0b0b"
    text = (
        f"holds\nunit\tkeepalived-main\tabc\tyes\tword\t{boot} 12 34\t0\nunit\trouter-main\tabc\tyes\t\t\t0\n"
    )
    sight = keepalived.parse_look(VIEW.id, text)
    assert (sight.running, sight.settings, sight.holds, sight.error) == (True, "word", True, "")
    assert keepalived.parse_look(VIEW.id, "") == replace(sight, running=False, settings="", holds=False)


def test_what_is_open_is_sent_on_and_nothing_that_this_place_knows() -> None:
    script = keepalived.relay(UNIT, VIEW, "10.0.1.12")
    assert "ip daddr @given tcp dport { 8000, 8001 } jump given_up" in script
    rules = ("tcp flags & syn != 0 accept", "socket wildcard 0 accept", "tcp sport @opened accept", "dup to ")
    assert sorted(rules, key=script.index) == list(rules), "what is its own is let by first"
    assert 'dup to 10.0.1.12 device "eth0" drop' in script
    assert "elements = { 10.0.1.10 }" in script
    assert script.index("delete table") < script.index("set given")


@pytest.mark.parametrize("chained", [True, False])
def test_the_giver_answers_for_the_address_no_more_before_it_is_on_loopback(chained: bool) -> None:
    script = keepalived.give_up(UNIT, VIEW, 2.2, chained=chained)
    quiet = script.index("echo 2 > /proc/sys/net/ipv4/conf/eth0/arp_announce; then")
    assert script.index("/arp_ignore &&") < quiet < script.index("ip addr add 10.0.1.10/32 dev lo")
    assert script.index("dev lo") < script.index("printf %s '-50\n'"), "it is kept before it is given up"
    assert ("nft delete table" in script) is not chained


def test_a_loan_ends_once_nothing_is_open_and_the_place_takes_part_again() -> None:
    assert "ss -Htn state established src 10.0.1.10" in keepalived.accept(UNIT, VIEW)
    assert "ss -Htn" not in keepalived.accept(UNIT, replace(VIEW, yields=True))


def test_an_address_of_ipv6_needs_no_word_about_arp_and_rules_of_its_own() -> None:
    shared = SharedAddress("fd00::10", 51, prefix=128)
    view = replace(VIEW, shared=shared, source="fd00::11", peers=("fd00::12",))
    assert "        fd00::10/128 dev eth0\n" in keepalived.render(view, "/r")
    given = keepalived.give_up(UNIT, view, 2.2, chained=False)
    assert "ip addr add fd00::10/128 dev lo nodad" in given and "arp" not in given
    assert "ip -o -6 addr show to fd00::10" in given
    relayed = keepalived.relay(UNIT, view, "fd00::12")
    assert "table ip6 distctl_" in relayed and "type ipv6_addr" in relayed
    assert "ip6 daddr @given tcp dport" in relayed and "dup to fd00::12" in relayed
    assert "src '[fd00::10]'" in keepalived.accept(UNIT, view)
    assert "ip addr del fd00::10/128 dev lo" in keepalived.remove(UNIT, "fd00::10", units.Manager.SYSTEM)
