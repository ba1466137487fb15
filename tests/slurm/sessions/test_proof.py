"""What proves an end when SLURM has forgotten, and what does not."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.slurm.laptop import Springline
from tests.slurm.upping import live, start, until

FORGET = "rm -rf /var/spool/slurmctld/*"


def forget(springline: Springline) -> None:
    """Let the controller lose every job record, and begin to count from one again."""
    cluster = springline.cluster
    cluster.stop_slurmctld()
    cluster.login.run(FORGET)
    cluster.start_slurmctld()


def reuse(springline: Springline, job_id: str, user: str = "alice") -> str:
    """Submit other jobs of a user until one has that id; the ones before it end at once."""
    login, given = springline.cluster.login, 0
    while given < int(job_id):
        seconds = 300 if given == int(job_id) - 1 else 0
        given = int(login.run(f"sbatch --parsable -J other --wrap 'sleep {seconds}'", user=user).stdout)
    return str(given)


def status(springline: Springline, name: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, document and errors of `status`."""
    said = springline("status", name, "--json")
    return said.returncode, json.loads(said.stdout), said.stderr


def marker(springline: Springline, name: str) -> dict[str, Any]:
    """The session's own state."""
    file = springline.cluster.cluster_home() / f".springline/sessions/{name}/state.json"
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_a_purged_record_and_an_end_marker(springline: Springline) -> None:
    """The session's own marker proves its end, and how it ended, when no record of the job is left."""
    assert springline("up", "testbed", "--name", "marked", "--detach").returncode == 0
    job_id = status(springline, "marked")[1]["job_id"]
    springline.cluster.login.run(["scancel", job_id], user="alice")
    until(lambda: marker(springline, "marked")["exit_code"] is not None)
    until(lambda: live(springline) == 0)
    forget(springline)
    code, document, errors = status(springline, "marked")
    assert (code, document["state"]) == (43, "ended"), errors
    assert "its own end marker: terminated" in errors


def test_a_purged_record_without_a_marker_and_a_reused_id(springline: Springline) -> None:
    """Without a marker it stays unknown, and `stop` closes it without touching the stranger's job that has its id."""
    assert springline("up", "testbed", "--name", "unmarked", "--detach").returncode == 0
    cluster = springline.cluster
    job_id = status(springline, "unmarked")[1]["job_id"]
    node = next(one for one in cluster.nodes if one.name == status(springline, "unmarked")[1]["node"])
    node.run(["pkill", "-KILL", "-u", "alice"], check=False)
    until(lambda: live(springline) == 0)
    forget(springline)
    code, document, _ = status(springline, "unmarked")
    assert (code, document["state"]) == (0, "unknown")
    assert f"SLURM no longer lists job {job_id}, and the session left no end marker" in document["message"]
    assert reuse(springline, job_id, "mallory") == job_id
    assert status(springline, "unmarked")[1]["state"] == "unknown"
    stopped = springline("stop", "unmarked", "--json")
    assert stopped.returncode == 0, stopped.stderr
    assert "neither job" in json.loads(stopped.stdout)["message"]
    strangers = cluster.jobs("mallory")
    assert job_id in {job["id"] for job in strangers if job["state"] in ("RUNNING", "PENDING")}
    cluster.cancel_jobs("mallory")
    assert json.loads(springline("ls", "--json").stdout)["sessions"] == []


def test_a_session_whose_job_was_given_another_name(springline: Springline) -> None:
    """It may still be the session's: neither `status` nor `stop` says that it is over, and `stop` says what to do."""
    assert springline("up", "testbed", "--name", "renamed", "--detach").returncode == 0
    job_id, login = status(springline, "renamed")[1]["job_id"], springline.cluster.login
    login.run(["scontrol", "update", f"jobid={job_id}", "name=mine"], user="alice")
    assert status(springline, "renamed")[1]["state"] == "unknown"
    stopped = springline("stop", "renamed", timeout=90)
    assert stopped.returncode == 10, stopped.stdout
    assert f"scancel {job_id}" in stopped.stderr
    assert live(springline) == 1
    login.run(["scancel", job_id], user="alice")


def test_accounting_knows_a_job_whose_id_was_used_again(accounting_springline: Springline) -> None:
    """With the same id under two names in the accounts, the right one is believed, and who cancelled it is said."""
    springline, cluster = accounting_springline, accounting_springline.cluster
    assert springline("up", "testbed", "--name", "booked", "--detach").returncode == 0
    job_id = status(springline, "booked")[1]["job_id"]
    names = f"sacct -n -P -X -j {job_id} -o JobName"  # it learns them a moment after the job has started
    until(lambda: "springline-booked" in cluster.login.run(names, user="alice").stdout)
    cluster.login.run(["scancel", job_id], user="alice")
    accounts = f"sacct -n -P -X -j {job_id} -o State"
    until(lambda: "CANCELLED by" in cluster.login.run(accounts, user="alice").stdout)
    forget(springline)
    assert reuse(springline, job_id) == job_id
    until(lambda: "RUNNING" in cluster.login.run(accounts, user="alice").stdout)
    code, document, errors = status(springline, "booked")
    assert (code, document["state"]) == (43, "ended"), document["message"] + errors
    assert "sacct: CANCELLED by" in errors


def test_ls_asks_once(springline: Springline) -> None:
    """Two sessions cost `ls` one squeue, and a cut cable one short wait for both."""
    for name in ("one", "two"):
        assert springline("up", "testbed", "--name", name, "--detach").returncode == 0
    cluster = springline.cluster

    def queries() -> int:
        text = cluster.login.run("sdiag").stdout
        return sum(int(line.split("count:")[1].split()[0]) for line in text.splitlines() if "REQUEST_JOB_INFO" in line)

    before = queries()
    assert {one["state"] for one in json.loads(springline("ls", "--json").stdout)["sessions"]} == {"ready"}
    assert queries() - before == 1
    cluster.drop_link()
    began = time.monotonic()
    rows = json.loads(springline("ls", "--json").stdout)["sessions"]
    assert {one["state"] for one in rows} == {"unknown"}
    assert time.monotonic() - began < 25


def test_a_silent_scheduler_takes_no_cancellation(springline: Springline) -> None:
    """`stop` while the controller is away is no stop: it says so, and the session lives on."""
    assert springline("up", "testbed", "--name", "kept", "--detach").returncode == 0
    springline.cluster.stop_slurmctld()
    stopped = springline("stop", "kept")
    assert stopped.returncode in (10, 21), stopped.stderr
    springline.cluster.start_slurmctld()
    assert status(springline, "kept")[1]["state"] == "ready"


def test_a_node_program_killed_from_outside(springline: Springline) -> None:
    """`up` ends by itself with 40, the scheduler's word, and the lines of the log that tell something."""
    running = start(springline, "--name", "killed")
    node = next(one for one in springline.cluster.nodes if one.name == running.line["node"])
    log = springline.cluster.cluster_home() / ".springline/sessions/killed/job.log"
    with log.open("a", encoding="utf-8") as lines:
        lines.write("the last words\n")
    node.run(["pkill", "-KILL", "-u", "alice", "-f", "node run"], check=False)
    assert running.process.wait(timeout=60) == 40
    assert "session killed ended (squeue: FAILED" in running.said()
    assert "  | the last words" in running.said()
