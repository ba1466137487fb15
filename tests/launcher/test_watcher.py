"""A watch through a real /bin/sh, with a stand-in for squeue that counts how often it is asked."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.cluster import Cluster
from launcher.model import Known, Platform, Session, SessionStatus
from launcher.schedulers.slurm import SlurmScheduler
from launcher.transports.local import LocalTransport
from launcher.watcher import Watcher

SESSION = Session("s1", "here", "springline-s1-a1b2c3", "2026-11-22T00:00:00+00:00", "7")
SQUEUE = """\
#!/bin/sh
echo asked >>{directory}/asked
echo "7|springline-s1-a1b2c3|PENDING|Priority||$(date +%Y-%m-%dT%H:%M:%S.%N)"
"""


def test_estimates_that_change_cost_few_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate that is another one each time is passed on, but the scheduler is asked ever more slowly."""
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(SQUEUE.format(directory=tmp_path))
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:/usr/bin:/bin")
    session = replace(SESSION, directory=str(tmp_path))
    cluster = Cluster(Platform(name="here", transport="local"), LocalTransport(), SlurmScheduler())
    said: list[SessionStatus] = []
    watcher = Watcher(cluster, session, said.append, time.sleep, pace=0.2)
    give_up = time.monotonic() + 6
    while time.monotonic() < give_up:
        watcher.next(max(0.1, give_up - time.monotonic()))
    starts = [current.job.expected_start for current in said if isinstance(current.job, Known)]
    assert len(starts) == len(set(starts)) >= 3
    assert len((tmp_path / "asked").read_text().split()) <= 7
