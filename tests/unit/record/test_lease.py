"""Who gets the lease."""

import pytest

from distctl.cluster.lease import FREE, check, give_up, grant
from distctl.errors import LeaseHeld

ANN = grant(FREE, "ann@ops:12", "up", seconds=60, now=1000.0)


def test_a_free_lease_goes_to_whoever_asks_with_the_next_token():
    assert (ANN.owner, ANN.token, ANN.since, ANN.expires) == ("ann@ops:12", 1, 1000.0, 1060.0)


def test_somebody_else_is_told_who_holds_it_since_when_why_and_what_to_do():
    with pytest.raises(LeaseHeld) as refused:
        grant(ANN, "bob@ci:7", "scale", seconds=60, now=1014.0)
    assert refused.value.message == (
        "ann@ops:12 has been changing this cluster for 14 s: up"
        " (its lease runs out in 46 s unless it is renewed)"
    )
    assert "--lease-wait" in refused.value.hint
    assert refused.value.exit_code == 5


def test_the_mark_of_a_process_is_not_for_people():
    held = grant(FREE, "ann@ops:12/a1b2c3/boot-1.12.99", "up", seconds=60, now=1000.0)
    with pytest.raises(LeaseHeld, match=r"^ann@ops:12 has been changing"):
        grant(held, "bob@ci:7", "scale", seconds=60, now=1014.0)


def test_the_same_owner_renews_and_keeps_its_token_even_when_late():
    for now in (1030.0, 1200.0):
        renewed = grant(ANN, ANN.owner, "up", seconds=60, now=now)
        assert (renewed.token, renewed.since, renewed.expires) == (1, 1000.0, now + 60)


@pytest.mark.parametrize(("now", "taken"), [(1059.9, False), (1060.0, True), (5000.0, True)])
def test_an_expired_lease_is_taken_over_with_a_newer_token(now, taken):
    if not taken:
        with pytest.raises(LeaseHeld):
            grant(ANN, "bob@ci:7", "scale", seconds=60, now=now)
        return
    bob = grant(ANN, "bob@ci:7", "scale", seconds=60, now=now)
    assert (bob.owner, bob.token) == ("bob@ci:7", 2)
    with pytest.raises(LeaseHeld, match="token is 2 by now and ours was 1; bob@ci:7 holds it: scale"):
        check(bob, ANN.token)


def test_the_newest_token_and_no_token_at_all_pass():
    check(ANN, ANN.token)
    check(ANN, None)


def test_a_lease_given_back_is_free_but_its_token_is_never_used_again():
    free = give_up(ANN, ANN)
    assert (free.owner, free.token) == ("", 1)
    assert grant(free, "bob@ci:7", "scale", seconds=60, now=1001.0).token == 2


def test_giving_back_a_lost_lease_leaves_the_new_holder_alone():
    bob = grant(ANN, "bob@ci:7", "scale", seconds=60, now=1060.0)
    assert give_up(bob, ANN) == bob
