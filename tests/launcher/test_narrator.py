"""What is said of a session, as it changes: once, in words, with what is left of its time seen here and now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from launcher.cluster import Cluster
from launcher.console.console import Console
from launcher.model import JobState, JobStatus, Known, NodeState, Platform, Session, SessionStatus, Unknown
from launcher.progress import Progress
from launcher.schedulers.slurm import SlurmScheduler
from launcher.terminal.following import RunNarrator
from launcher.terminal.narrator import Narrator
from launcher.transports.local import LocalTransport

SESSION = Session("s1", "testbed", "springline-s1-abc", "2026-11-22T00:00:00+00:00", job_id="7")
RUNNING = Known(JobState.RUNNING, node="node1")


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at zero."""
    return Clock()


@pytest.fixture
def narrator(clock: Clock) -> Narrator:
    """A narrator that speaks to the real stderr."""
    return Narrator(Cluster(Platform("testbed"), LocalTransport(), SlurmScheduler()), Console(), clock)


def status(job: JobStatus = RUNNING, **node: object) -> SessionStatus:
    """A look at the session; without a phase the node program has not spoken yet."""
    return SessionStatus(SESSION, job, NodeState.parse(node) if node else None)


def in_minutes(minutes: float) -> str:
    """A moment to come as state.json writes it."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_warning_is_said_once_with_what_is_left_now(narrator: Narrator, capsys: pytest.CaptureFixture[str]) -> None:
    """What the session wrote minutes ago is no news, but the reason to speak; one from before it was ready, too."""
    early = status(phase="starting", ends=in_minutes(1.3), warning="2 min left")
    late = status(phase="ready", ends=in_minutes(1.3), warning="2 min left")
    for current in (early, late, late):
        narrator(current)
    said = capsys.readouterr().err
    assert said.count("save your work") == 1
    assert "session s1: 1 min 1" in said


def test_silence_and_its_end(narrator: Narrator, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """A lost connection is said once, the live line counts, and the return is said with how long it took."""
    narrator(status(phase="ready"))
    for clock.now in (10.0, 20.0):
        narrator(status(Unknown("login does not answer")))
    clock.now = 52.0
    assert "no answer for 42 s" in narrator.holding(0)
    narrator(status(phase="ready"))
    said = capsys.readouterr().err
    assert said.count("login does not answer; trying again") == 1
    assert "answered again after 42 s" in said


def test_requeue_is_said(narrator: Narrator, capsys: pytest.CaptureFixture[str]) -> None:
    """A ready session that waits again was put back in the queue."""
    narrator(status(phase="ready"))
    narrator(status(Known(JobState.PENDING, reason="BeginTime")))
    assert "put back in" in capsys.readouterr().err


def test_live_lines_fit_where_it_matters(narrator: Narrator) -> None:
    """The time waited stands first, where a narrow terminal cuts nothing off; a ready session shows what is left."""
    narrator(status(Known(JobState.PENDING, reason="Resources")))
    assert narrator.waiting(125).startswith("  2 min 05 s  waiting: next in line")
    narrator(status(phase="ready", ends=in_minutes(30)))
    assert narrator.holding(0).startswith("  ready, 2") or narrator.holding(0).startswith("  ready, 30")


def test_failures_after_a_new_start_are_told(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was put back in the queue counts its notes anew; what the earlier start left is not told again."""
    tells = RunNarrator(Cluster(Platform("testbed"), LocalTransport(), SlurmScheduler()), Console(), clock)

    def look(minute: int, *texts: str, wrote: int) -> SessionStatus:
        began = datetime(2026, 11, 22, 0, minute, tzinfo=UTC)
        node = NodeState("running", host="node1", started=f"{began:%Y-%m-%dT%H:%M:%SZ}")
        updated = (began + timedelta(minutes=wrote - minute, seconds=1)).timestamp()
        notes = tuple(enumerate((f"{text} failed" for text in texts), start=1))
        return SessionStatus(SESSION, RUNNING, node, Progress(notes=notes, updated=updated))

    tells(look(1, "a", "b", wrote=1))
    tells(look(5, "a", "b", wrote=1))
    tells(look(5, "c", wrote=5))
    tells(look(5, "c", "d", "e", wrote=6))
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "failed" in line] == [f"{text} failed" for text in "abcde"]
