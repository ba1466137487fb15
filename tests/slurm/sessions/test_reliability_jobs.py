"""What happens to the controller and to the job: said in words, with the right exit code, nothing lost or doubled."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

import pytest

from tests.slurm.hosts import HostProcess
from tests.slurm.laptop import Springline, section
from tests.slurm.page import Page
from tests.slurm.processes import wait_until
from tests.slurm.story import Book
from tests.slurm.upping import Up, begin, live, start, until


def status(springline: Springline, name: str) -> dict[str, Any]:
    """What `status --json` says."""
    answer = springline("status", name, "--json")
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def answers(up: Up, token: str) -> bool:
    """Whether JupyterLab answers through the tunnel."""
    return up.ask("/api/status", token, seconds=5).stdout.endswith("200")


def ends(process: HostProcess, code: int, *words: str, timeout: float = 60) -> str:
    """The command ends by itself with this code, these words, a hint, and no traceback; returns what it said."""
    ended = process.wait(timeout=timeout)
    said = process.stderr.read() if process.stderr else ""
    assert ended == code, (ended, said)
    assert all(word in said.lower() for word in words), said
    assert "→" in said and "Traceback" not in said, said
    return str(said)


def last_words(said: str) -> str:
    """What was said from the moment it went wrong: everything below the last line of the start."""
    return said.partition("Ctrl-C asks")[2].partition("\n")[2] or said


def on_the_way(said: str) -> str:
    """What was said until the session was open."""
    return said.partition("open it with")[0]


def gist(status_text: str) -> str:
    """The lines of `status` that say how it is."""
    lines = (" ".join(line.split()) for line in status_text.splitlines())
    return "\n".join(line for line in lines if line.startswith(("state:", "message:")))


def wait_to_be_pending(springline: Springline, name: str) -> None:
    """Wait until the session's job waits for room."""

    def pending() -> bool:
        return any(job["state"] == "PENDING" and name in job["name"] for job in springline.cluster.jobs())

    until(pending)


def up_in_a_queue(springline: Springline, name: str) -> Up:
    """A `springline up` whose job waits because mallory has all nodes."""
    springline.cluster.fill_nodes()
    wait_until(
        lambda: any(job["state"] == "RUNNING" for job in springline.cluster.jobs("mallory")),
        what="mallory's job",
        timeout=20,
        every=0.1,
    )
    up = begin(springline, "--name", name)
    wait_to_be_pending(springline, name)
    return up


def test_a_controller_that_dies_while_the_job_waits(springline: Springline, book: Book) -> None:
    """The wait goes on, and ends with a session."""
    cluster = springline.cluster
    up = up_in_a_queue(springline, "queue")
    springline.cluster.save_state()
    before = len(up.said())
    cluster.stop_slurmctld("KILL")
    time.sleep(3)
    cluster.start_slurmctld()
    cluster.empty_nodes()
    since = time.monotonic()
    assert up.wait().line["state"] == "ready"
    seconds = time.monotonic() - since
    assert live(springline) == 1
    book.tell("ctld-pending", on_the_way(up.said()[before:]), seconds)


def test_a_controller_that_dies_under_a_session(springline: Springline, book: Book) -> None:
    """The page does not notice; `status` says that nobody knows, until somebody does."""
    up = start(springline, "--name", "used")
    page = Page.open(up)
    page.run("kept = 41")
    springline.cluster.save_state()
    springline.cluster.stop_slurmctld("KILL")
    assert answers(up, page.token)
    unknown = springline("status", "used")
    assert "unknown" in unknown.stdout and unknown.returncode == 0, unknown
    springline.cluster.start_slurmctld()
    since = time.monotonic()
    assert status(springline, "used")["state"] == "ready"
    assert page.run("print(kept + 1)") == "42\n" and up.process.poll() is None
    book.tell("ctld-ready", gist(unknown.stdout), time.monotonic() - since)


def test_a_controller_that_is_dead_when_up_begins(springline: Springline, book: Book) -> None:
    """Either the session comes, or it is said that it does not; never two jobs, never one that nobody knows."""
    springline.cluster.save_state()  # else it may come back with the session of an earlier test
    springline.cluster.stop_slurmctld("KILL")
    up = begin(springline, "--name", "early")
    time.sleep(3)
    springline.cluster.start_slurmctld()
    since = time.monotonic()
    assert up.process.stdout is not None
    if '"state": "ready"' in up.process.stdout.readline():
        seconds = time.monotonic() - since
        assert live(springline) == 1
        book.tell("ctld-up", on_the_way(up.said()), seconds)
    else:
        assert up.process.wait(timeout=30) in (20, 21) and "→" in up.said(), up.said()
        assert live(springline) == 0
        book.tell("ctld-up", up.said(), None)


def test_munge_down_on_login(springline: Springline, book: Book) -> None:
    """The page does not notice; `status` says that nobody knows; nothing is cancelled."""
    up = start(springline, "--name", "munge")
    token = up.token
    springline.cluster.stop_munge(springline.cluster.login)
    assert answers(up, token)
    unknown = springline("status", "munge")
    assert "unknown" in unknown.stdout and unknown.returncode == 0, unknown
    springline.cluster.start_munge(springline.cluster.login)
    since = time.monotonic()
    assert status(springline, "munge")["state"] == "ready"
    assert answers(up, token) and live(springline) == 1
    book.tell("munge", gist(unknown.stdout), time.monotonic() - since)


def test_a_connection_lost_in_the_middle_of_sbatch(springline: Springline, book: Book) -> None:
    """The job is found and adopted: one job only."""
    springline.cluster.lose_answer()
    since = time.monotonic()
    up = start(springline, "--name", "adopted")
    seconds = time.monotonic() - since
    assert live(springline) == 1
    assert [job["id"] for job in springline.cluster.jobs() if job["state"] == "RUNNING"] == [up.line["job_id"]]
    assert answers(up, up.token)
    book.tell("answer", on_the_way(up.said()), seconds)


def test_a_requeued_job_is_followed_to_its_new_node(springline: Springline, book: Book) -> None:
    """The page's address leads to the new JupyterLab by itself; the kernels of the old one are gone."""
    cluster = springline.cluster
    up = start(springline, "--name", "moved")
    token, before = up.token, len(up.said())
    node = up.line["node"]
    cluster.login.run(f"scontrol update nodename={node} state=drain reason=test")
    try:
        cluster.requeue(up.line["job_id"])
        until(lambda: live(springline) == 1 and not answers(up, token), 20)
        until(lambda: any(job["state"] == "RUNNING" for job in cluster.jobs()), 60)
        seconds = up.seconds_until_answered(token, time.monotonic())
    finally:
        cluster.login.run(f"scontrol update nodename={node} state=resume")
    now = status(springline, "moved")
    assert now["node"] != node and now["url"] == up.line["url"] and up.process.poll() is None
    book.tell("requeue", up.said()[before:], seconds, "the kernels, as in any restart")


def test_a_preempted_job(springline: Springline, book: Book) -> None:
    """`up` ends with 43 and says why."""
    section(springline, "cheap", "partition = preempt-cancel")
    up = start(springline, "--name", "cheap", what="cheap")
    springline.cluster.fill_nodes()
    said = ends(up.process, 43, "preempt")
    assert springline("status", "cheap").returncode == 43
    book.tell("preempted", last_words(said), None, "the session: its room was needed")


def test_a_job_that_somebody_cancels(springline: Springline, book: Book) -> None:
    """`up` ends with 43 and says why."""
    up = start(springline, "--name", "gone")
    springline.cluster.login.run(["scancel", up.line["job_id"]])
    said = ends(up.process, 43, "cancel")
    assert springline("status", "gone").returncode == 43
    book.tell("scancel", last_words(said), None, "the session, as was asked for")


def test_a_notebook_that_takes_too_much_memory(springline: Springline, book: Book) -> None:
    """`up` ends with 41 and says why."""
    up = start(springline, "--name", "hungry")
    page = Page.open(up)
    eat = "import threading; threading.Timer(1, lambda: globals().update(x=b'x' * 1_500_000_000)).start()"
    page.run(eat)
    said = ends(up.process, 41, "memory", timeout=90)
    assert springline("status", "hungry").returncode == 41
    book.tell("memory", last_words(said), None, "the session: SLURM killed it")


def test_a_directory_that_is_gone_when_the_job_starts(springline: Springline, book: Book) -> None:
    """`up` ends with 40 and says why, though there is no log."""
    up = up_in_a_queue(springline, "lost")
    before = len(up.said())
    shutil.rmtree(springline.cluster.cluster_home() / ".springline/sessions/lost")
    springline.cluster.empty_nodes()
    said = ends(up.process, 40, "director", timeout=90)
    book.tell("no-directory", said[before:], None, "the session")


@pytest.fixture(autouse=True)
def room(springline: Springline) -> object:
    """Leave no job of mallory's."""
    yield
    springline.cluster.empty_nodes()
