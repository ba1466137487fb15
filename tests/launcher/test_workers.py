"""How many workers a session has, wants and was asked for: in its state, in `status` and in `scale`'s answer."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from launcher.model import Gone, JobState, JobStatus, Known, NodeState, Session, SessionStatus
from launcher.node.workers.counting import counts, granted
from launcher.sessions import report
from tests.launcher.command import Command

SESSION = Session("mine", "spider", "springline-mine-123456", "2026-11-26T10:00:00+00:00")
RUNNING = Known(JobState.RUNNING, node="node1")


def status(*numbers: int | None, job: JobStatus = RUNNING) -> SessionStatus:
    """A session whose node program counts so: asked for, most, planned, joined."""
    dask = {"scheduler": "tls://10.0.0.3:1", "dashboard": "/proxy/9/status"}
    node = NodeState("ready", host="node1", dask=dask, worker_counts=counts(*numbers))  # type: ignore[arg-type]
    return SessionStatus(SESSION, job, node)


@pytest.mark.parametrize(
    ("numbers", "reason", "words"),
    [
        ((2, None, 2, 1), "no node is free", "1 of 2 (1 waiting: no node is free)"),
        ((2, None, 2, 2), "", "2 of 2"),
        ((5, 1, 1, 0), "", "0 of 1 (1 waiting; 5 asked for, no more are allowed)"),
        ((2, None, 0, 0), "", "0 of 2"),  # refused: the message says so
        ((0, None, 0, 0), "", "none asked for"),
        ((None, 8, 3, 2), "", "2 of 3 (1 waiting)"),  # they follow the work
    ],
)
def test_the_line_of_status(numbers: tuple[int | None, ...], reason: str, words: str) -> None:
    """How many are there, how many are to be, and why the others are not there."""
    said = report.document(status(*numbers), waits=reason)
    assert f"workers:         {words}" in report.sheet(said).splitlines()
    assert set(said["workers"]) == {"asked", "wanted", "joined", "waiting", "reason"}


def test_what_is_over_has_no_addresses() -> None:
    """Nor half of one while no tunnel is open here."""
    ready = report.document(status(0, None, 0, 0))
    assert ready["dask"] == {"scheduler": "tls://10.0.0.3:1", "dashboard": None}
    assert "/proxy" not in report.sheet(ready)
    over = report.document(status(0, None, 0, 0, job=Gone(JobState.COMPLETED, "the job has ended")))
    assert over["dask"] is over["workers"] is None and "tls://" not in report.sheet(over)


def test_the_limit_is_told() -> None:
    """Only where it gives fewer than asked for."""
    assert granted(5, 1, "worker_max_jobs") == {"granted": 1, "limit": "worker_max_jobs"}
    assert granted(1, 1, "worker_max_jobs") is granted(5, None, "worker_max_jobs") is None


@pytest.mark.slow
def test_scale_and_status(springline: Command) -> None:
    """`scale` says that fewer are given, and by what; `status` counts those that came."""
    springline.configure("[few]\nplatform = local\nworkers = 0\nworker_max_jobs = 1\n")
    try:
        assert springline("up", "few", "--name", "few", "--detach").code == 0
        assert "workers:         none asked for" in springline("status", "few").output
        assert springline("scale", "few", "5").output == "asked for 5 workers; worker_max_jobs allows 1\n"
        counted = wait_for(lambda: springline("status", "few", "--json").document["workers"], {"joined": 1})
        assert counted == {"asked": 5, "wanted": 1, "joined": 1, "waiting": 0, "reason": None}
        assert springline("scale", "few", "1:8", "--json").document["granted"] == 1
        assert springline("scale", "few", "1").output == "asked for 1 worker\n"
    finally:
        springline("stop", "few")


def wait_for(look: Callable[[], dict[str, object]], wanted: dict[str, object]) -> dict[str, object]:
    """Look until it holds what is wanted, for 30 s."""
    deadline = time.monotonic() + 30
    while not wanted.items() <= (found := look()).items():
        assert time.monotonic() < deadline, found
    return found
