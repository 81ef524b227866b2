"""Made-up requests to servers: who fails is told, who cannot be asked is spared, and nobody waits."""

from __future__ import annotations

import time
from dataclasses import replace

from polling_parts import eventually

from distctl.cluster.spec import ServerId
from distctl.policy.asking import phase
from distctl.policy.probing import AGAIN, ENOUGH

EARLY = sorted(range(200), key=lambda number: phase(ServerId(f"n{number}", "0")))[
    :3
]  # the first to be probed
INFER, CONFIG = "/v2/models/digits/infer", "/v2/models/digits/config"


def probed(crowd, number, seconds=0.5, model="digits"):
    return replace(crowd.target(number), probes={model: seconds})


def test_who_is_wrong_or_stuck_is_found_out_and_others_are_asked_the_same(crowd, poller, seen):
    one, two, _ = EARLY
    crowd.behave(**{f"n{one}": "wrong", f"n{two}": "stuck"})
    poller.aim([probed(crowd, number) for number in EARLY], {})
    eventually(lambda: all(seen(n).probes["digits"].failures >= ENOUGH for n in (one, two)), 40)
    wrong, stuck, well = (seen(number).probes["digits"] for number in EARLY)
    assert wrong.error == 'HTTP status 500: {"error": "wrong"}'
    assert stuck.error == "no answer within 0.5 s"
    assert well.failures == 0
    assert well.answered >= min(wrong.since, stuck.since)
    assert all(seen(number).live and time.time() - seen(number).at < 2 for number in EARLY)
    asked = crowd.asked(one, INFER)
    time.sleep(AGAIN + 1.5)
    assert crowd.asked(one, INFER) == asked, "one that failed often enough is not pressed further"


def test_one_that_is_healed_is_asked_anew_after_a_pass(crowd, poller, seen):
    one = EARLY[0]
    crowd.behave(**{f"n{one}": "wrong"})
    poller.aim([probed(crowd, one)], {})
    eventually(lambda: seen(one).probes["digits"].failures > 0, 40)
    crowd.behave(**{f"n{one}": "well"})
    poller.hurry()
    eventually(lambda: seen(one).probes["digits"].answered > 0, 5)
    assert seen(one).probes["digits"].failures == 0


def test_what_has_no_data_or_no_probe_is_left_alone(crowd, poller, seen):
    one, two, _ = EARLY
    poller.aim([probed(crowd, one, model="unknown"), crowd.target(two)], {})
    time.sleep(3)
    assert seen(one).probes == {}, "it is not ready there"
    assert (crowd.asked(two, CONFIG), crowd.asked(two, INFER)) == (0, 0)
