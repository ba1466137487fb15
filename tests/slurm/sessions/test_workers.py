"""Workers that wait in the queue: `status` says how many, and why."""

from __future__ import annotations

import json
import time

from tests.slurm.laptop import Springline, section


def test_status_says_why_workers_wait(springline: Springline) -> None:
    """Each takes a whole node, and the session itself has one: the second waits, with the scheduler's reason."""
    section(springline, "wide", "worker_cores = 8\nworker_max_jobs = 2")
    assert springline("up", "wide", "--name", "wide", "--detach", "--no-browser").returncode == 0
    assert springline("scale", "wide", "5").stdout == "asked for 5 workers; worker_max_jobs allows 2\n"
    deadline = time.monotonic() + 60
    while (now := json.loads(springline("status", "wide", "--json").stdout)["workers"])["joined"] < 1:
        assert time.monotonic() < deadline, now
        time.sleep(1)
    assert {**now, "reason": ""} == {"asked": 5, "wanted": 2, "joined": 1, "waiting": 1, "reason": ""}
    said = springline("status", "wide").stdout
    (line,) = [line for line in said.splitlines() if line.startswith("workers:")]
    assert line.split(maxsplit=1)[1].startswith(f"1 of 2 (1 waiting: {now['reason']}"), said
    assert now["reason"] and "begun" not in now["reason"], now
