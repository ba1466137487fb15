"""A watch through a real /bin/sh, with a stand-in for squeue that counts how often it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.cluster import Cluster
from launcher.model import Known, Platform, Session, SessionStatus
from launcher.schedulers.slurm import SlurmScheduler
from launcher.sessions.watcher import Watcher
from launcher.transports.local import LocalTransport

SQUEUE = """\
#!/bin/sh
echo asked >>{directory}/asked
echo "7|springline-s1-a1b2c3|PENDING|Priority||{start}"
"""
Squeue = Callable[[str], tuple[Watcher, list[SessionStatus], Callable[[], int]]]


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Squeue:
    """A watcher beside a squeue that estimates this start; what it said, and how often squeue was asked."""

    def stand_in(start: str) -> tuple[Watcher, list[SessionStatus], Callable[[], int]]:
        program = tmp_path / "bin" / "squeue"
        program.parent.mkdir()
        program.write_text(SQUEUE.format(directory=tmp_path, start=start))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        session = Session("s1", "here", "springline-s1-a1b2c3", "2026", "7", str(tmp_path))
        cluster = Cluster(Platform(name="here", transport="local"), LocalTransport(), SlurmScheduler())
        said: list[SessionStatus] = []
        watcher = Watcher(cluster, session, said.append, time.sleep, pace=0.2)
        return watcher, said, lambda: len((tmp_path / "asked").read_text().split())

    return stand_in


def test_estimates_that_change_cost_few_questions(squeue: Squeue) -> None:
    """An estimate that is another one each time is passed on, but the scheduler is asked ever more slowly."""
    watcher, said, asked = squeue("$(date +%Y-%m-%dT%H:%M:%S.%N)")
    give_up = time.monotonic() + 6
    while time.monotonic() < give_up:
        watcher.next(max(0.1, give_up - time.monotonic()))
    starts = [current.job.expected_start for current in said if isinstance(current.job, Known)]
    assert len(starts) == len(set(starts)) >= 3
    assert asked() <= 7


def test_pause_carries_over_from_command_to_command(squeue: Squeue) -> None:
    """A second command goes on asking as slowly as the first one ended, not as fast as it began."""
    watcher, _, asked = squeue("N/A")
    watcher.next()
    watcher.next(3)
    before = asked()
    watcher.next(3)
    assert asked() - before <= 2
