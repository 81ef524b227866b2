"""What a node says of its units is read strictly; who keeps units running follows from its facts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.snapshot import Identity, UnitSight
from distctl.commands import systemd, units
from distctl.commands.files import write
from distctl.commands.units import Manager, Unit

TEXT = (
    "unit\tserver-default\tab12\tyes\t93a0c134e380123b\tboot-1 4711 90210\t4\n"
    "unit\trouter-main\tcd34\tno\t\t\t0\n"
)


def test_a_running_and_a_stopped_unit():
    assert units.parse_states(TEXT) == {
        "server-default": UnitSight(
            "server-default",
            run_digest="ab12",
            settings="93a0c134e380123b",
            process=Identity("boot-1", 4711, 90210),
            wanted_up=True,
            restarts=4,
        ),
        "router-main": UnitSight("router-main", run_digest="cd34"),
    }


@given(st.integers(0, len(TEXT)))
def test_a_line_that_was_cut_short_never_becomes_another_process(length):
    for name, sight in units.parse_states(TEXT[:length]).items():
        whole = units.parse_states(TEXT)[name]
        assert sight.process in (None, whole.process) or str(whole.process.started).startswith(
            str(sight.process.started)
        )
        assert sight.wanted_up == whole.wanted_up


@given(st.text())
def test_any_text_is_units_or_none(text):
    units.parse_states(text)


@pytest.mark.parametrize("text", ["", "boot", "boot x 1", "boot 1 -1", "boot 1 2 3"])
def test_what_is_no_identity_is_none(text):
    assert units.parse_identity(text) is None


@pytest.mark.parametrize(
    ("facts", "become", "manager"),
    [
        ({"systemd": "yes", "uid": "1000"}, True, Manager.SYSTEM),
        ({"systemd": "yes", "uid": "0"}, False, Manager.SYSTEM),
        ({"systemd": "yes", "systemd.user": "yes", "systemd.linger": "yes"}, False, Manager.USER),
        ({"systemd": "yes", "systemd.user": "yes", "systemd.linger": "no"}, False, Manager.DETACHED),
        ({"systemd": "no", "uid": "0"}, True, Manager.DETACHED),
        ({}, False, Manager.DETACHED),
    ],
)
def test_systemd_keeps_units_where_it_survives_logins(facts, become, manager):
    assert units.manager_for(facts, become=become) is manager


def test_services_carry_cluster_node_and_root():
    names = {
        systemd.service("/a/prod/gpu01", "server-default"),
        systemd.service("/b/prod/gpu01", "server-default"),
        systemd.service("/a/prod/gpu01", "router-main"),
    }
    assert len(names) == 3
    assert all(name.startswith("distctl-prod-gpu01-") and name.endswith(".service") for name in names)


def test_a_percent_or_dollar_in_a_path_is_not_expanded_by_systemd():
    unit = Unit("/srv/100%/a$b/c", "server-x", shm_prefix="p_")
    script = units.start(unit, Manager.SYSTEM)
    assert "/srv/100%%/a$$b/c/units/server-x" in script


def test_a_unit_of_the_account_is_never_written_to_the_system():
    script = units.start(Unit("/r/c/n", "server-x"), Manager.USER)
    assert systemd.SYSTEM_UNITS not in script
    assert "systemctl --user" in script


def test_a_file_is_written_beside_and_renamed():
    assert "> '/a b/run.new'" in write("/a b/run", "x", 0o700)
