"""HAProxy's answers, as 2.8.25 gives them."""

from __future__ import annotations

import pytest

from distctl.cluster.router import SlotState
from distctl.commands.haproxy import wire
from distctl.commands.haproxy.place import Candidate, parse_inspect, tidy
from distctl.commands.haproxy.steps import HEALTH_HEADER

PROC = """#<PID>          <type>          <reloads>       <uptime>        <version>
8934            master          3 [failed: 0]   0d00h04m41s     2.8.25-5cf5d0683
# workers
10833           worker          0               0d00h02m01s     2.8.25-5cf5d0683
# old workers
9020            worker          1               0d00h03m00s     2.8.25-5cf5d0683
8937            worker          2               0d00h04m00s     2.8.25-5cf5d0683
# programs

"""
INFO = """Name: HAProxy
Pid: 10833
Uptime: 0d 0h02m01s
description: structure=cceb1130a5a2e280
node: here

"""
STATES = f"""1
{HEALTH_HEADER}
8 m_r 1 n1.0 127.0.0.1 2 0 100 100 1 15 3 3 6 0 0 0 - 22100 - 0 0 - - 0
8 m_r 2 n2.0 127.0.0.1 2 12 100 100 1 15 3 3 6 0 0 0 - 22110 - 0 0 - - 0
8 m_r 3 n3.0 127.0.0.1 0 5 100 100 1 1 0 0 14 0 0 0 - 22120 - 0 0 - - 0
9 m_g 3 n3.0 127.0.0.1 0 2 100 100 1 1 0 0 0 0 0 0 - 22121 - 0 0 - - 0
9 m_g 2 n2.0 127.0.0.1 2 16 100 100 1 1 0 0 0 0 0 0 - 22111 - 0 0 - - 0
9 m_g 1 n1.0 127.0.0.1 2 0 0 0 1 1 0 2 0 0 0 0 - 22101 - 0 0 - - 0
9 m_g 4 n4.0 127.0.0.1 2 4 100 100 1 15 3 3 6 0 0 0 - 22101 - 0 0 - - 0

"""
STAT = """# pxname,svname,qcur,qmax,scur,smax,slim,stot,status,check_status,check_code,
m_r,n1.0,1,0,2,1,,7,UP,L7OK,200,
m_g,n1.0,0,0,1,1,,3,UP,,,

"""


def test_processes_old_ones_too() -> None:
    assert wire.processes(PROC) == wire.Processes(8934, 10833, (9020, 8937))


def test_processes_of_a_master_without_workers() -> None:
    text = PROC.partition("# workers")[0] + "# workers\n# programs\n\n"
    assert wire.processes(text) == wire.Processes(8934, 0, ())
    assert wire.processes("") == wire.Processes()


def test_one_answer_to_all_questions() -> None:
    seen = wire.worker(PROC + INFO + STATES + STAT)
    assert (seen.pid, seen.structure) == (10833, "cceb1130a5a2e280")
    assert {place: line.state for place, line in seen.lines.items()} == {
        ("m_r", "n1.0"): SlotState.READY,
        ("m_r", "n2.0"): SlotState.DRAIN,
        ("m_r", "n3.0"): SlotState.OFF,
        ("m_g", "n1.0"): SlotState.DRAIN,  # weight 0: as the file has it
        ("m_g", "n2.0"): SlotState.DRAIN,  # inherited
        ("m_g", "n3.0"): SlotState.OFF,  # inherited
        ("m_g", "n4.0"): SlotState.READY,  # was off in the file, and is not now
    }
    assert seen.counts["m_r", "n1.0"] == wire.Count(2, 1, 7, "L7OK/200")


def test_workers_are_summed() -> None:
    assert wire.counts(STAT + STAT)["m_r", "n1.0"] == wire.Count(4, 2, 14, "L7OK/200")


def test_answer_that_is_cut_or_empty_is_no_worker() -> None:
    assert wire.worker("").pid == 0
    assert wire.worker("Can't find the target\n").lines == {}


@pytest.mark.parametrize(
    ("answer", "good"),
    [("Success=1\n--\n[NOTICE] ok", True), ("Success=0\n--\n[ALERT] no", False), ("", False)],
)
def test_reload(answer: str, good: bool) -> None:
    assert wire.reloaded(answer) is good


PEERS = "0xcece2b0: [10/Jan/2027:14:27:56] id=self disabled=0 flags=0x{} resync_timeout=3s task_calls=2\n\n"
TABLE = "# table: m_rn, type: string, size:102400, used:{}\n\n"


@pytest.mark.parametrize(
    ("flags", "used", "lost"),
    [("11", 3, True), ("0", 1, True), ("11", 0, False), ("33", 3, False), ("1103", 9, False)],
)
def test_reload_would_forget_sequences_until_the_tables_can_be_handed_over(
    flags: str, used: int, lost: bool
) -> None:
    assert wire.would_forget(PEERS.format(flags) + TABLE.format(0) + TABLE.format(used)) is lost


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ("HAProxy version 2.8.5\nFeature list : +LUA +PROMEX", ""),
        ("HAProxy version 3.2.0\nFeature list : +LUA +PROMEX", ""),
        (
            "HA-Proxy version 2.6.12\nFeature list : +LUA +PROMEX",
            "is version 2.6; 2.8 is the oldest that will do",
        ),
        ("HAProxy version 2.8.5\nFeature list : -LUA +PROMEX", "was built without LUA"),
        ("", "is not there, or does not run"),
    ],
)
def test_executable_that_can_be_a_router(says: str, problem: str) -> None:
    assert Candidate("/usr/sbin/haproxy", "ab", says).problem == problem


def test_inspect_is_read_back() -> None:
    digest = "f" * 64
    found = parse_inspect(
        f"candidate\t/usr/sbin/haproxy\t{digest}  -\nsays\tHAProxy version 2.8.5\nconfig\t{digest}  -\n"
        "file\thaproxy.cfg\nfile\tbin\nfile\tbin/0123/haproxy\n"
    )
    assert found.config == "f" * 16 == found.candidate.digest
    assert found.files == {"haproxy.cfg", "bin"} and found.executables == {"0123"}
    assert parse_inspect("file\t*\nfile\tbin/*/haproxy\n").executables == frozenset()


def test_tidy_removes_only_what_a_configuration_named() -> None:
    old, new = "rest-0123456789abcdef.map", "rest-ffffffffffffffff.map"
    script = tidy("/r/unit", [old, new, "run", "log", "notes.map", "haproxy.cfg"], [new])
    assert script.startswith(
        f"cd /r/unit && rm -f {old} haproxy.cfg.last keys.map.last certificate.pem.last\n"
    )
