"""Going on in another job: submitted once, whatever the scheduler says of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from launcher.node.again import NotSubmitted, submit
from launcher.node.request import Queue, SessionDir
from tests.launcher.node_session import slurm_words

NAME = "springline-run_r1-abc123"


@dataclass
class Slurm:
    """sbatch and squeue as scripts; `sbatch` says what the n-th submission does, in shell."""

    directory: Path
    told: list[str] = field(default_factory=list)  # while it is tried

    def answers(self, sbatch: str, squeue: str = "true") -> None:
        """Let the commands do so; each call of sbatch is counted, with its environment."""
        count = f"echo x >>{self.directory}/calls; env >{self.directory}/env"
        for name, body in (("sbatch", f"{count}\n{sbatch}"), ("squeue", squeue)):
            file = self.directory / name
            file.write_text(f"#!/bin/sh\n{body}\n")
            file.chmod(0o755)

    def submit(self) -> str:
        """Submit as a job of that name would."""
        path = f"{self.directory}{os.pathsep}{os.environ['PATH']}"
        environ = {"PATH": path, "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": NAME, "SLURM_MEM_PER_NODE": "9", "KEPT": "yes"}
        words = Queue(**slurm_words(NAME))
        return submit(SessionDir(self.directory), words, environ, self.told.append, pauses=(0, 0.01, 0.01))

    @property
    def calls(self) -> int:
        """How often sbatch was called."""
        calls = self.directory / "calls"
        return len(calls.read_text().split()) if calls.exists() else 0


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    """A directory with both commands in it."""
    return Slurm(tmp_path)


def test_submits_once_and_says_so(slurm: Slurm) -> None:
    """The new id stands where every laptop looks; the job's own variables are not handed on."""
    slurm.answers("[ $1 = --parsable ] && echo '8;cluster'")
    assert slurm.submit() == "8" and slurm.calls == 1
    assert (slurm.directory / "submission").read_text() == "8\n"
    environ = (slurm.directory / "env").read_text()
    assert "SLURM_" not in environ and "KEPT=yes" in environ


def test_answer_that_is_lost(slurm: Slurm) -> None:
    """A job that was taken without an answer is found by its name, and not submitted a second time."""
    slurm.answers(
        f"echo 9 >{slurm.directory}/queue; echo timed out >&2; exit 1",
        f'echo 7; [ "$7" = {NAME} ] && cat {slurm.directory}/queue 2>/dev/null; true',
    )
    assert slurm.submit() == "9" and slurm.calls == 1


def test_scheduler_that_is_away_for_a_moment(slurm: Slurm) -> None:
    """While nobody can say what is in the queue nothing is submitted; then it is."""
    slurm.answers("echo 8", f"[ -e {slurm.directory}/asked ] || {{ touch {slurm.directory}/asked; exit 1; }}; echo 7")
    assert slurm.submit() == "8" and slurm.calls == 1


def test_refusal(slurm: Slurm) -> None:
    """What sbatch says in the end is told."""
    slurm.answers("echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1", "echo 7")
    with pytest.raises(NotSubmitted, match="QOSMaxSubmitJobPerUserLimit"):
        slurm.submit()
    assert not (slurm.directory / "submission").exists()


def test_scheduler_that_is_away_for_long(slurm: Slurm) -> None:
    """A controller that cannot be reached is waited for as long as the job lives, and how it stands is told."""
    away = f"echo x >>{slurm.directory}/asked; [ $(wc -l <{slurm.directory}/asked) -gt 9 ] && exit 0"
    slurm.answers("echo 8", f"{away}; echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1")
    assert slurm.submit() == "8" and slurm.calls == 1
    assert len(slurm.told) == 9 and "Unable to contact" in slurm.told[0]


def test_run_that_is_cancelled_meanwhile(slurm: Slurm) -> None:
    """While the controller is away the user may give the run up."""
    stop = f"[ -e {slurm.directory}/asked ] && touch {slurm.directory}/stop; touch {slurm.directory}/asked"
    slurm.answers("echo 8", f"{stop}; echo 'Socket timed out' >&2; exit 1")
    with pytest.raises(NotSubmitted, match="cancelled"):
        slurm.submit()
    assert slurm.calls == 0
