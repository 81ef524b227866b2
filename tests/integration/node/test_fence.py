"""One change at a time on a node, by its owner, and by nobody whose view of it is out of date."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from node_parts import Place, eventually, make_place, running

from distctl.adapters.local import LocalConnector
from distctl.adapters.node_change import Changes, refused
from distctl.adapters.node_site import NodeSite
from distctl.cluster.snapshot import Owner
from distctl.commands import fence, units
from distctl.commands.files import quote
from distctl.commands.units import Unit
from distctl.errors import ForeignNode, NodeError, NodeLocked, StaleGeneration
from distctl.ports import Result


def another(place: Place) -> Place:
    """A second distctl that knows the same node."""
    site = NodeSite(place.node, LocalConnector(place.node), "suite", lambda version: version)
    return replace(place, site=site)


def test_a_claim_is_read_back_with_who_and_when(place):
    owner = place.site.look().owner
    assert (owner.cluster, owner.record, owner.generation, owner.by) == ("suite", "record-1", 1, "ann@desk")
    assert abs(owner.at - time.time()) < 60


def test_nothing_is_changed_before_the_node_was_claimed(tmp_path):
    unclaimed = make_place(tmp_path, lambda version: version)
    with pytest.raises(NodeError, match="not claimed"):
        unclaimed.site.change("touch /dev/null", tried="trying")
    assert not unclaimed.path().exists()


@pytest.mark.parametrize(
    ("claim", "refusal", "says"),
    [
        ({"record": "record-2"}, ForeignNode, "belongs to cluster suite, record record-1"),
        ({"cluster": "other"}, ForeignNode, "belongs to cluster suite, record record-1"),
        ({"generation": 0}, StaleGeneration, "took the node over: generation 1"),
    ],
)
def test_somebody_else_is_refused_and_told_whose_it_is(place, claim, refusal, says):
    with pytest.raises(refusal, match=says) as raised:
        another(place).claim(**{"generation": 5, **claim})
    assert "ann@desk" in raised.value.message
    assert raised.value.hint
    assert place.site.look().owner.generation == 1


def test_an_older_generation_changes_nothing_any_more(place):
    newer = another(place)
    newer.claim(2)
    with pytest.raises(StaleGeneration):
        place.site.change(f"touch {place.path('trace')}", tried="trying")
    assert not place.path("trace").exists()
    newer.site.change(f"touch {place.path('trace')}", tried="trying")
    assert place.path("trace").exists()


def test_of_two_runs_that_count_alike_only_the_first_goes_on(place):
    """Two copies of one record, as two checkouts have them: both saw generation 1 and count on."""
    first, second = another(place), another(place)
    first.site.claim(Owner("suite", "record-1", 2, "ann@desk", time.time(), run="ann:1"))
    with pytest.raises(StaleGeneration, match="generation 2"):
        second.site.claim(Owner("suite", "record-1", 2, "bob@laptop", time.time(), run="bob:1"))
    first.site.confirm()
    second.site.release(changed=False)
    assert place.site.look().owner.run == "ann:1"


def test_a_run_that_lost_another_node_leaves_this_one_as_if_it_had_not_come(place):
    place.claim(5)
    second = another(place)
    second.site.claim(Owner("suite", "record-1", 6, "bob@laptop", time.time(), time.time() + 9, run="bob:1"))
    second.site.release(changed=False)
    owner = place.site.look().owner
    assert (owner.generation, owner.until) == (5, 0.0)
    with pytest.raises(NodeError, match="not claimed"):
        second.site.change(":", tried="trying")


def test_a_change_waits_for_the_one_before_it_and_says_who_holds_the_node(place):
    script = fence.guarded(place.site.paths, Owner("suite", "record-1", 1), "echo done", wait=1)
    place.path("holding").unlink(missing_ok=True)
    holder = threading.Thread(
        target=place.site.change,
        args=(f"touch {place.path('holding')}; sleep 2.5",),
        kwargs={"tried": "holding"},
    )
    holder.start()
    eventually(place.path("holding").exists)
    busy = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert busy.returncode == fence.LOCK_BUSY
    assert fence.refusal(busy.stdout).by == "ann@desk"
    assert place.site.change("echo done", tried="waiting").stdout == "done\n"
    holder.join()


def test_a_busy_lock_is_an_error_of_its_own(place):
    text = f"{fence.REFUSED}\n{fence.owner_text(Owner('suite', 'r', 1, 'bob@laptop', 1700000000))}"
    error = refused("one", "pushing", Result(fence.LOCK_BUSY, text, ""))
    assert isinstance(error, NodeLocked)
    assert "bob@laptop at 2023-11-14 22:13:20 UTC" in error.message


def test_what_a_change_starts_does_not_hold_the_lock(place):
    place.site.change("setsid sleep 1002.1 >/dev/null 2>&1 &", tried="starting")
    began = time.monotonic()
    place.site.change(":", tried="again")
    assert time.monotonic() - began < 2
    for pid in running("sleep 1002.1"):
        subprocess.run(["kill", str(pid)], check=True)


def test_a_body_that_exits_does_not_skip_the_end_of_the_lock(place):
    assert place.site.change("exit 3", tried="trying").status == 3
    assert place.site.change("exit 0", tried="trying").status == 0


def test_release_ends_the_word_of_whoever_worked(place):
    place.site.claim(Owner("suite", "record-1", 3, "ann@desk", 1.0, until=time.time() + 60))
    place.site.release()
    owner = place.site.look().owner
    assert (owner.generation, owner.until) == (3, 0.0)


def test_remove_leaves_nothing_and_the_node_is_nobodys(place):
    place.site.remove()
    assert not place.path().exists()
    assert not place.path().parent.exists()
    assert place.site.look().owner is None
    place.site.release()
    another(place).claim(record="record-2")


def test_remove_is_refused_while_a_unit_runs(place):
    unit = Unit(place.site.paths.root, "server-x")
    place.site.change(units.install(unit, "#!/bin/sh\nexec sleep 1002.2\n"), tried="making a unit")
    place.site.change(units.start(unit), tried="starting it")
    with pytest.raises(NodeError, match="removing") as raised:
        place.site.remove()
    assert "server-x still runs" in raised.value.output[-1]
    assert place.site.look().owner is not None
    place.site.change(units.stop(unit, 2), tried="stopping it")
    place.site.remove()
    assert not place.path().exists()


def test_a_unit_that_a_reboot_ended_does_not_keep_the_node(place):
    unit = place.path("units", "server-x")
    gone = f"supervisor=another-boot {os.getpid()} 1\nprocess=another-boot {os.getpid()} 1\n"
    place.site.change(f"mkdir -p {unit}; printf %s {quote(gone)} > {unit}/pid", tried="an old pid file")
    place.site.remove()
    assert not place.path().exists()


def test_steps_of_one_run_wait_for_each_other_however_long_one_takes(place):
    changes = Changes("one", place.connector, lambda: place.site.paths, wait=1)
    changes.owner = place.site.look().owner
    slow = threading.Thread(
        target=changes.run, args=(f"touch {place.path('holding')}; sleep 2",), kwargs={"tried": "holding"}
    )
    slow.start()
    eventually(place.path("holding").exists)
    assert changes.run("echo done", tried="waiting").stdout == "done\n"
    slow.join()


def begun(place: Place, generation: int = 2, run: str = "ann:1") -> Place:
    """Another distctl that has claimed the node for a second."""
    found, now = another(place), time.time()
    found.site.claim(Owner("suite", "record-1", generation, "ann@desk", now, now + 1, run=run))
    return found


def test_a_claim_that_is_renewed_lasts_longer_and_says_the_same_otherwise(place):
    ours = begun(place)
    before = ours.site.look().owner
    ours.site.renew(4e9)
    assert ours.site.look().owner == replace(before, until=4e9)
    ours.site.confirm()


def test_whoever_was_followed_renews_nothing(place):
    ours, theirs = begun(place), begun(place, 3, "bob:1")
    with pytest.raises(StaleGeneration):
        ours.site.renew(4e9)
    assert theirs.site.look().owner.until < 4e9


def test_what_was_let_go_or_removed_is_not_brought_back_by_a_late_renewal(place):
    ours = begun(place)
    ours.site.release()
    ours.site.renew(4e9)
    assert ours.site.look().owner.until == 0.0
    shutil.rmtree(begun(place, 3, "bob:1").path())
    ours = begun(place, 4)
    shutil.rmtree(ours.path())
    ours.site.renew(4e9)
    assert not place.path().exists()
