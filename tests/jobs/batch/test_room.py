"""Waiting for room on a full disk, on a clock of the test's own."""

from __future__ import annotations

from jobs.batch.room import FIRST_HOLD, LONGEST_HOLD, PATIENCE, Room


def test_tries_become_rarer_until_it_is_given_up() -> None:
    """Whatever comes back full meanwhile, one item tries at the end of each pause, which doubles up to a minute."""
    room, now, tried = Room(), 100.0, []
    assert room and not room.is_given_up(1e9)
    assert room.lack(now) and not room
    while not room.is_given_up(now):
        if room.may_try(now):
            tried.append(now)
            assert not room.lack(now)
        assert not room.lack(now + 0.1)  # one that was on its way
        now += 1
    pauses = [later - earlier for earlier, later in zip([100.0, *tried], tried, strict=False)]
    assert pauses[:5] == [FIRST_HOLD, 10, 20, 40, LONGEST_HOLD] and set(pauses[4:]) == {LONGEST_HOLD}
    assert now - 100 > PATIENCE


def test_only_an_item_that_set_out_later_proves_that_there_is_room() -> None:
    """One that was on its way when another found none says nothing; the next trouble begins with the first pause."""
    room = Room()
    room.lack(100.0)
    room.find(sent=99.0)
    assert not room and not room.may_try(101.0) and not room.found_after(100.0)
    room.lack(101.0)
    assert not room.may_try(104.0)
    room.find(sent=105.0)
    assert room and room.may_try(105.0) and room.found_after(101.0)
    assert room.lack(106.0) and not room.may_try(110.0) and room.may_try(111.0)
