"""Jobs that nobody answers for: found, and told what to do about."""

from __future__ import annotations

import json
from typing import Any

from tests.slurm.laptop import Springline
from tests.slurm.upping import live, until


def orphans(springline: Springline) -> dict[str, dict[str, Any]]:
    """What `ls --orphans` lists, by the job's name."""
    listed = springline("ls", "--orphans", "--platform", "testbed", "--json")
    assert listed.returncode == 0, listed.stderr
    return {one["job_name"]: one for one in json.loads(listed.stdout)["orphans"]}


def test_orphans(springline: Springline) -> None:
    """A session with its workers is none; a worker of no session, a lost directory and another laptop's session are."""
    cluster = springline.cluster
    assert springline("up", "testbed", "--name", "good", "--workers", "1", "--detach").returncode == 0
    until(lambda: live(springline) == 2)
    assert orphans(springline) == {}
    for name in ("springline-past-worker", "springline-lost-0a1b2c", "springline", "other"):
        cluster.login.run(["sbatch", "-J", name, "--wrap", "sleep 300"], user="alice")
    found = orphans(springline)
    assert sorted(found) == ["springline-lost-0a1b2c", "springline-past-worker"]
    assert "session past is over" in found["springline-past-worker"]["why"]
    for orphan in found.values():
        cluster.login.run(orphan["hint"].partition(": ")[2], user="alice")
    until(lambda: orphans(springline) == {})
    (springline.home / ".local/state/springline/sessions/good.json").unlink()
    (stranger,) = orphans(springline).values()
    assert "another computer" in stranger["why"]
    assert "springline attach good --platform testbed" in stranger["hint"]


def test_orphans_of_a_platform_that_does_not_answer(springline: Springline) -> None:
    """While the controller is away nobody says that there are none."""
    springline.cluster.stop_slurmctld()
    listed = springline("ls", "--orphans", "--platform", "testbed")
    assert listed.returncode == 10
    assert "no orphans" not in listed.stdout and "does not answer" in listed.stderr
