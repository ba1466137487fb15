"""From another laptop account with an empty home: the truth about sessions is on the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.slurm.laptop import Springline
from tests.slurm.upping import live, start, until


@pytest.fixture
def colleague(springline: Springline) -> Iterator[Springline]:
    """The command of the laptop's other account, after `scientist` started a session called `mine`."""
    up = springline("up", "testbed", "--name", "mine", "--detach")
    assert up.returncode == 0, up.stderr
    other = Springline(springline.cluster, fresh=False, user="colleague")
    assert not (other.home / ".local/state/springline").exists()
    try:
        yield other
    finally:
        other.close()


def test_everything_works_from_there(springline: Springline, colleague: Springline) -> None:
    """`ls --platform`, status, logs, attach and stop find a session this account never heard of."""
    assert json.loads(colleague("ls", "--json").stdout)["sessions"] == []
    listed = json.loads(colleague("ls", "--platform", "testbed", "--json").stdout)["sessions"]
    assert [(one["session"], one["state"]) for one in listed] == [("mine", "ready")]
    status = json.loads(colleague("status", "mine", "--json").stdout)
    known = json.loads(springline("status", "mine", "--json").stdout)
    assert {**status, "message": ""} == {**known, "message": ""}  # which counts seconds
    assert "jupyter.log" in colleague("logs", "mine", "--platform", "testbed").stdout
    attached = start(colleague, command="attach", what="mine")
    assert attached.ask("/api/status", attached.token).stdout.endswith("200")
    attached.process.kill()
    attached.process.wait()
    stopped = colleague("stop", "mine")
    assert stopped.returncode == 0, stopped.stderr
    until(lambda: live(springline) == 0)
    ended = springline("status", "mine", "--json")
    assert json.loads(ended.stdout)["state"] == "ended"


def test_what_is_nowhere_is_said(colleague: Springline) -> None:
    """A name that no platform has ends with 60 and names the platforms that were asked."""
    missing = colleague("status", "nobody")
    assert missing.returncode == 60
    assert "no session 'nobody' here, nor on" in missing.stderr and "testbed" in missing.stderr


def test_a_lost_answer_to_the_submission(springline: Springline, colleague: Springline) -> None:
    """Without the file that holds sbatch's answer the job is found by its unique name."""
    (springline.cluster.cluster_home() / ".springline/sessions/mine/submission").unlink()
    found = colleague("status", "mine", "--platform", "testbed", "--json")
    assert json.loads(found.stdout)["state"] == "ready", found.stderr
