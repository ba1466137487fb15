"""What is said of a run: the bar, notes once each, and the same keys in every state."""

from __future__ import annotations

import pytest

from launcher.kinds import RUN
from launcher.model import Gone, JobState, Known, NodeState, Session, SessionPhase, SessionStatus, Unknown
from launcher.progress import Progress
from launcher.runs.report import bar, document, line, listing, news

SESSION = Session("r1", "hpc", "springline-run_r1-abc123", "2026-01-01", "7", noun=RUN.noun, analysis="map")
HALF = Progress(text="100 done, 85 items/min", total=200, done=90, failed=4, skipped=6, items_per_minute=85.0)


@pytest.mark.parametrize(
    ("fraction", "drawn"), [(0, "    "), (0.5, "██  "), (0.53, "██▏ "), (1, "████"), (2, "████"), (-1, "    ")]
)
def test_bar(fraction: float, drawn: str) -> None:
    """It is filled to an eighth of a character, and never beyond."""
    assert bar(fraction, 4) == drawn


def test_line() -> None:
    """Failed and skipped items are behind us, too; without a terminal there is no bar."""
    assert line("map", HALF) == "map  50 %  100 done, 85 items/min"
    assert line("map", HALF, 16) == f"map  50 % {'█' * 8}{' ' * 8}  100 done, 85 items/min"
    assert line("map", Progress(text="looking at the items"), 16) == "map  looking at the items"
    assert line("map", Progress(), 16) == ""


def test_notes_are_told_once() -> None:
    """Only new ones; how many fell out of the window meanwhile is said."""
    first = Progress(notes=((1, "a"), (2, "b")))
    assert news(first, 0) == (["a", "b"], 2)
    assert news(first, 2) == ([], 2) and news(None, 2) == ([], 2)
    assert news(Progress(notes=((9, "x"), (10, "y"))), 2) == (["… 6 more notes, see analysis.log", "x", "y"], 10)


STATES = [
    SessionStatus(SESSION, Unknown("away")),
    SessionStatus(SESSION, Known(JobState.PENDING, "Priority")),
    SessionStatus(SESSION, Known(JobState.RUNNING), NodeState("running", host="node1"), HALF),
    SessionStatus(SESSION, Gone(JobState.FAILED, ""), NodeState("ending", reason="finished", exit_code=1), HALF),
]


def test_documents_have_the_same_keys() -> None:
    """A script can rely on them."""
    assert len({tuple(document(current)) for current in STATES}) == 1
    assert [document(current)["state"] for current in STATES] == ["unknown", "pending", "running", "ended"]
    assert listing([document(current) for current in STATES]).count("\n") == len(STATES)


def test_numbers_of_a_run() -> None:
    """Counts are there as soon as they are known, rates only while it works, the exit code at its end."""
    running, over = document(STATES[2]), document(STATES[3])
    assert (running["done"], running["failed"], running["items_per_minute"]) == (90, 4, 85.0)
    assert (over["done"], over["items_per_minute"], over["exit_code"]) == (90, None, 1)


@pytest.mark.parametrize(
    ("reason", "code", "phase", "own"),
    [
        ("finished", 0, SessionPhase.ENDED, 0),
        ("finished", 1, SessionPhase.ENDED, 1),
        ("finished", 2, SessionPhase.FAILED, 2),
        ("stopped", 130, SessionPhase.ENDED, None),
        ("time_limit", 130, SessionPhase.FAILED, None),
        ("failed", 1, SessionPhase.FAILED, None),
    ],
)
def test_how_a_run_ended(reason: str, code: int, phase: SessionPhase, own: int | None) -> None:
    """Only an analysis that came to its own end has an exit code of its own; some failed items are a result."""
    node = NodeState("ending", reason=reason, exit_code=code)
    current = SessionStatus(SESSION, Gone(JobState.FAILED, ""), node)
    assert (current.phase, current.own_code) == (phase, own)


def test_state_of_another_job() -> None:
    """A run that went on in another job is followed there; what the first one wrote says nothing of the second."""
    first = NodeState("ending", job_id="7", next_job_id="9", reason="time_limit")
    moved = first.followed(SESSION)
    assert moved.job_id == "9" and first.is_of(SESSION) and not first.is_of(moved) and first.followed(moved) == moved
    third = NodeState("running", job_id="12")
    assert third.followed(SESSION).job_id == "12" and NodeState("running").followed(SESSION) == SESSION
