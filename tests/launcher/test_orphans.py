"""Whose job is it: a queue sorted out against the sessions there and the records here."""

from __future__ import annotations

from launcher.overview.orphans import orphans
from launcher.schedulers.base import Queued

MINE, THEIRS, LOST = "springline-mine-0a1b2c", "springline-theirs-0a1b2c", "springline-lost-0a1b2c"


def test_a_queue_sorted_out() -> None:
    """Sessions with directory and record, and workers of sessions that live, are no orphans; the others say why."""
    queue = [
        Queued("1", MINE, "RUNNING", "node1"),
        Queued("2", "springline-mine-worker", "RUNNING", "node2"),
        Queued("3", THEIRS, "PENDING"),
        Queued("4", "springline-theirs-worker", "PENDING"),
        Queued("5", LOST, "RUNNING", "node1"),
        Queued("6", "springline-over-worker", "RUNNING", "node1"),
        Queued("7", "springline-analysis", "RUNNING", "node1"),
    ]
    found = {orphan.job_id: orphan for orphan in orphans("testbed", queue, {MINE, THEIRS}, {MINE})}
    assert list(found) == ["3", "5", "6"]
    assert "another computer" in found["3"].why
    assert found["3"].hint == (
        "use it: springline attach theirs --platform testbed; end it: springline stop theirs --platform testbed"
    )
    assert "no directory" in found["5"].why
    assert "session over is over" in found["6"].why
    assert [found[job].hint for job in "56"] == ["end it there: scancel 5", "end it there: scancel 6"]


def test_workers_of_an_earlier_run_of_that_name() -> None:
    """Workers belong to one run and not to another of its name; those of an older version say only the name."""
    queue = [
        Queued("1", MINE, "RUNNING"),
        Queued("2", f"{MINE}-worker", "RUNNING"),
        Queued("3", "springline-mine-ffffff-worker", "RUNNING"),
        Queued("4", "springline-mine-worker", "RUNNING"),
    ]
    found = orphans("testbed", queue, {MINE}, {MINE})
    assert [orphan.job_id for orphan in found] == ["3"] and "session mine is over" in found[0].why


def test_names_that_look_alike() -> None:
    """A session may be called `a-worker`; its job is no worker, and its workers are its own."""
    queue = [
        Queued("1", "springline-a-worker-0a1b2c", "RUNNING"),
        Queued("2", "springline-a-worker-worker", "RUNNING"),
        Queued("3", "springline-a-worker", "RUNNING"),
    ]
    here = {"springline-a-worker-0a1b2c"}
    assert [orphan.job_id for orphan in orphans("testbed", queue, here, here)] == ["3"]


def test_runs_and_sessions_of_one_name() -> None:
    """A run's workers are not a session's of the same name, and its job has commands of its own."""
    queue = [
        Queued("1", MINE, "RUNNING"),
        Queued("2", "springline-run_mine-worker", "RUNNING"),
        Queued("3", "springline-run_night-0a1b2c", "RUNNING"),
        Queued("4", "springline-run_night-worker", "RUNNING"),
    ]
    there = {MINE, "springline-run_night-0a1b2c"}
    found = {orphan.job_id: orphan for orphan in orphans("testbed", queue, there, {MINE})}
    assert list(found) == ["2", "3"] and "run mine is over" in found["2"].why
    assert found["3"].hint == (
        "use it: springline watch night --platform testbed; end it: springline cancel night --platform testbed"
    )
