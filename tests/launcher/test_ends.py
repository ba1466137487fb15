"""What is said about ends and queues: the proof, the last lines, the way on, and the exit code for each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from launcher.cluster import Cluster
from launcher.model import (
    Gone,
    JobState,
    JobStatus,
    Known,
    NodeState,
    Platform,
    Session,
    SessionPhase,
    SessionStatus,
    Unknown,
    settled,
)
from launcher.schedulers.base import Answer
from launcher.schedulers.slurm import SlurmScheduler
from launcher.sessions import ends
from launcher.sessions.report import sentence
from tests.launcher.host import CREATED, JOB_NAME, Clock, Host

SESSION = Session("s1", "testbed", JOB_NAME, "2026-11-22T00:00:00+00:00", "7", CREATED)
UNLISTED = Unknown("SLURM no longer lists job 7", unlisted=True)
KILLED = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some of the step tasks have been OOM Killed."


def cluster(log: str = "") -> Cluster:
    """A cluster on which every log has these lines."""
    return Cluster(
        Platform(name="testbed", host="login"), Host(Clock(), replies={"tail": [Answer(log)]}), SlurmScheduler()
    )


def ended(state: JobState, reason: str | None = None, *, proof: str = "squeue: X", message: str = "") -> SessionStatus:
    """A session that ended so."""
    node = NodeState("ending", reason=reason, message=message or None, exit_code=1) if reason else None
    return SessionStatus(SESSION, Gone(state, proof), node)


@pytest.mark.parametrize(
    ("current", "code", "hint"),
    [
        (ended(JobState.FAILED), 40, "springline logs s1"),
        (ended(JobState.OUT_OF_MEMORY), 41, "--memory"),
        (ended(JobState.TIME_LIMIT, "time_limit"), 42, "--walltime"),
        (ended(JobState.COMPLETED, "time_limit"), 42, "--walltime"),
        (ended(JobState.CANCELLED, "terminated"), 43, "start again"),
        (ended(JobState.FAILED, "terminated"), 43, "start again"),
        (ended(JobState.CANCELLED, "time_limit"), 43, "start again"),
        (ended(JobState.PREEMPTED, "terminated"), 43, "--partition"),
        (ended(JobState.NODE_FAILED), 40, "the node broke"),
        (ended(JobState.NOT_LAUNCHED), 40, CREATED),
    ],
)
def test_bad_ends(current: SessionStatus, code: int, hint: str) -> None:
    """Each bad end has its exit code and says what to do, and which session it is about."""
    error = ends.end_error(cluster(), current)
    assert ends.ended_badly(current)
    assert error.exit_code == code
    assert hint in error.hint
    assert "session s1 ended (squeue: X)" in error.message


@pytest.mark.parametrize(
    "current",
    [
        ended(JobState.COMPLETED),
        ended(JobState.COMPLETED, "shut_down"),
        ended(JobState.FAILED, "idle"),
        ended(JobState.CANCELLED, "shut_down"),
        SessionStatus(SESSION, Known(JobState.RUNNING)),
        SessionStatus(SESSION, UNLISTED),
    ],
)
def test_good_ends(current: SessionStatus) -> None:
    """A shut down JupyterLab, an idle one, and whatever is not proven to be over, are no bad ends."""
    assert not ends.ended_badly(current)


@pytest.mark.parametrize(
    "line",
    [KILLED, "slurmstepd: error: Exceeded job memory limit", "slurmstepd: error: JOB 7 exceeded memory limit (2 > 1)"],
)
def test_memory_is_found_in_the_log(line: str) -> None:
    """Where SLURM says only FAILED, what slurmstepd wrote about memory tells why."""
    error = ends.end_error(cluster(f"begun\n{line}\n"), ended(JobState.FAILED))
    assert error.exit_code == 41
    assert line in error.message


def test_launch_failure_that_is_none() -> None:
    """SLURM says `JobLaunchFailure` of a job it killed for its memory, too: what it left behind tells them apart."""
    line = "slurmstepd-node1: error: Exceeded job memory limit"
    ready = replace(ended(JobState.NOT_LAUNCHED), node=NodeState("ready"))
    assert ends.end_error(cluster(line), ready).exit_code == 41
    assert CREATED not in ends.end_error(cluster(), ready).hint


def test_five_telling_lines() -> None:
    """The last five lines that tell something are shown, progress is not."""
    log = "".join(f"2026 INFO springline: {n}\nline {n}\n\n" for n in range(9))
    message = ends.end_error(cluster(log), ended(JobState.FAILED)).message
    assert message.splitlines()[1:] == [f"  | line {n}" for n in range(4, 9)]


def test_node_programs_word_comes_first() -> None:
    """What the session itself said of its end stands before the lines of the log, once."""
    current = ended(JobState.FAILED, "failed", message="Jupyter ended with exit code 1: no such option")
    message = ends.end_error(cluster("ERROR no such option\nno such option\n"), current).message
    assert message.splitlines() == [
        "session s1 ended (squeue: X): Jupyter ended with exit code 1: no such option",
        "  | ERROR no such option",
    ]


@pytest.mark.parametrize(
    ("reason", "code", "state", "phase"),
    [
        ("time_limit", 143, JobState.TIME_LIMIT, SessionPhase.FAILED),
        ("shut_down", 0, JobState.COMPLETED, SessionPhase.ENDED),
        ("idle", 0, JobState.COMPLETED, SessionPhase.ENDED),
        ("terminated", 143, JobState.CANCELLED, SessionPhase.ENDED),
        ("failed", 1, JobState.FAILED, SessionPhase.FAILED),
    ],
)
def test_end_marker_is_a_proof(reason: str, code: int, state: JobState, phase: SessionPhase) -> None:
    """When nobody has a record of the job any more, the session's own end marker proves how it ended."""
    node = NodeState("ending", reason=reason, exit_code=code)
    job = settled(UNLISTED, node)
    assert isinstance(job, Gone)
    assert job.state is state
    assert "its own end marker" in job.proof
    assert SessionStatus(SESSION, job, node).phase is phase


@pytest.mark.parametrize(
    ("job", "node"),
    [
        (UNLISTED, None),
        (UNLISTED, NodeState("ready")),
        (UNLISTED, NodeState("ending", reason="shut_down")),
        (Unknown("munge is down"), NodeState("ending", reason="shut_down", exit_code=0)),
    ],
)
def test_no_proof(job: JobStatus, node: NodeState | None) -> None:
    """Without an end marker, or with a scheduler that does not answer, it stays unknown."""
    assert isinstance(settled(job, node), Unknown)


def test_unlisted_job_in_words() -> None:
    """What nobody lists and nothing proves is said, with the way out."""
    words = sentence(SessionStatus(SESSION, settled(UNLISTED, None)))
    assert "SLURM no longer lists job 7, and the session left no end marker" in words
    assert "springline stop s1" in words


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("", ""),
        ("2026-11-22T10:00:00", ""),
        ("nonsense", ""),
        ("2026-11-22T13:05:00", "; expected about 14:05"),
        ("2026-11-23T13:05:00", "; expected about 14:05 on 23 November"),
    ],
)
def test_expected_start(start: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler's estimate is shown on this computer's clock, with the day if it is another; a past one is not."""
    monkeypatch.setenv("TZ", "UTC-1")
    import time

    time.tzset()
    try:
        pending = SessionStatus(SESSION, Known(JobState.PENDING, "Priority", expected_start=start))
        said = ends.pending_words(cluster(), pending, NOW)
    finally:
        monkeypatch.undo()
        time.tzset()
    reason = SlurmScheduler().explain_pending("Priority")
    assert said == reason + (f"{words}, the scheduler estimates" if words else "")


def test_requeued_in_words() -> None:
    """A job that waits for its second run says so, wherever it is listed."""
    pending = SessionStatus(SESSION, Known(JobState.PENDING, "BeginTime"), NodeState("ready"))
    assert "put back in the queue" in ends.pending_words(cluster(), pending)
    assert "put back in the queue" in sentence(pending)
    assert datetime.now(UTC)


@pytest.mark.parametrize("resubmit", [False, True])
def test_time_limit_of_a_run(resubmit: bool) -> None:
    """--resubmit is advised where it was not given."""
    current = ended(JobState.TIME_LIMIT, "time_limit")
    assert current.node
    node = replace(current.node, resubmit=resubmit)
    error = ends.end_error(cluster(), replace(current, session=replace(SESSION, noun="run"), node=node))
    assert error.exit_code == 42 and "--walltime" in error.hint and ("--resubmit" in error.hint) is not resubmit
