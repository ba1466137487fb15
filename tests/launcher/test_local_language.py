"""The commands of the local scheduler, run for real: every end of a process is told apart, and proven."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from launcher.model import Gone, JobRef, JobState, JobStatus, Known
from launcher.schedulers.base import Submitted
from launcher.schedulers.local import LocalScheduler
from launcher.transports.local import LocalTransport

LOCAL = LocalScheduler()
T = TypeVar("T")
RUNNING = Known(JobState.RUNNING)


@dataclass
class Jobs:
    """Submits scripts in a directory as the launcher does."""

    directory: Path
    ids: list[str] = field(default_factory=list)

    def submit(self, script: str) -> str:
        """Submit; returns the id."""
        (self.directory / "job.sh").write_text(script)
        command = f"cd {shlex.quote(str(self.directory))}\n{LOCAL.submit_command('job.sh', '.')}"
        submission = LOCAL.parse_submission(LocalTransport().run(command))
        assert isinstance(submission, Submitted)
        self.ids.append(submission.job_id)
        return submission.job_id

    def status(self, job_id: str) -> JobStatus:
        """Ask once."""
        return self.statuses(job_id)[0]

    def statuses(self, *job_ids: str) -> list[JobStatus]:
        """Ask for several at once."""
        refs = [JobRef(job_id, "springline-x", str(self.directory)) for job_id in job_ids]
        found = LOCAL.parse_status(LocalTransport().run(LOCAL.status_command(refs)), refs)
        return [found[ref] for ref in refs]

    def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        LocalTransport().run(LOCAL.cancel_command(JobRef(job_id, "springline-x"), "springline-x-worker"))

    def end(self, job_id: str) -> Gone:
        """Wait until it is gone."""

        def gone() -> Gone | None:
            status = self.status(job_id)
            return status if isinstance(status, Gone) else None

        return until(gone)

    def written(self, name: str) -> str:
        """Wait for a file a job writes."""
        file = self.directory / name
        return until(lambda: file.read_text() if file.exists() and file.read_text().endswith("\n") else None)


def until(look: Callable[[], T | None]) -> T:
    """Look until there is something, for 10 s."""
    deadline = time.monotonic() + 10
    while (found := look()) is None:
        assert time.monotonic() < deadline, "nothing happened in 10 s"
        time.sleep(0.05)
    return found


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """Jobs in a directory whose name needs quoting; what still runs afterwards is killed."""
    directory = tmp_path / "it's a $(session)"
    directory.mkdir()
    jobs = Jobs(directory)
    yield jobs
    for job_id in jobs.ids:
        if jobs.status(job_id) == RUNNING:
            with suppress(ProcessLookupError):
                os.killpg(os.getpgid(int(job_id.partition("-")[0])), signal.SIGKILL)


def test_job_runs_and_completes(jobs: Jobs) -> None:
    """A job is running until its script ends, then gone with its exit code as proof; its output is in job.log."""
    job_id = jobs.submit("echo begun; until [ -e go ]; do sleep 0.05; done; echo done\n")
    assert jobs.status(job_id) == RUNNING
    (jobs.directory / "go").touch()
    assert jobs.end(job_id) == Gone(JobState.COMPLETED, "exit code 0")
    assert (jobs.directory / "job.log").read_text() == "begun\ndone\n"


def test_failure_is_known_by_its_code(jobs: Jobs) -> None:
    """A script that fails is a failed job, with the code as proof."""
    assert jobs.end(jobs.submit("exit 3\n")) == Gone(JobState.FAILED, "exit code 3")


def test_cancelled_job_can_clean_up(jobs: Jobs) -> None:
    """Cancelling sends TERM to the program itself; it may finish in its own time, and then counts as cancelled."""
    job_id = jobs.submit("trap 'sleep 0.5; echo clean; exit 143' TERM\necho up >up\nwhile :; do sleep 0.05; done\n")
    jobs.written("up")
    jobs.cancel(job_id)
    assert jobs.status(job_id) == RUNNING
    assert jobs.end(job_id) == Gone(JobState.CANCELLED, "exit code 143")
    assert (jobs.directory / "job.log").read_text() == "clean\n"


def test_supervisor_killed_without_a_mark(jobs: Jobs) -> None:
    """A supervisor killed by force is gone: its pid no longer being there is the proof."""
    job_id = jobs.submit("echo $$ >child; exec sleep 60\n")
    child = int(jobs.written("child"))
    os.kill(int(job_id.partition("-")[0]), signal.SIGKILL)
    ended = jobs.end(job_id)
    os.kill(child, signal.SIGKILL)
    assert ended.state is JobState.CANCELLED
    assert "killed" in ended.proof


def test_program_killed_without_its_supervisor(jobs: Jobs) -> None:
    """A program killed by force, as the kernel does when memory is short, is a failed job with code 137."""
    job_id = jobs.submit("echo $$ >child; exec sleep 60\n")
    os.kill(int(jobs.written("child")), signal.SIGKILL)
    assert jobs.end(job_id) == Gone(JobState.FAILED, "exit code 137")


def test_reused_pid_is_another_process(jobs: Jobs) -> None:
    """A process with the pid of an old job is neither taken for it nor killed in its place."""
    job_id = jobs.submit("until [ -e go ]; do sleep 0.05; done\n")
    other = f"{job_id.partition('-')[0]}-12345"
    assert isinstance(jobs.status(other), Gone)
    jobs.cancel(other)
    time.sleep(0.3)
    assert jobs.status(job_id) == RUNNING
    (jobs.directory / "go").touch()
    assert jobs.end(job_id) == Gone(JobState.COMPLETED, "exit code 0")


def test_several_at_once(jobs: Jobs) -> None:
    """One question answers for a job that runs and for one that never was."""
    job_id = jobs.submit("until [ -e go ]; do sleep 0.05; done\n")
    running, lost = jobs.statuses(job_id, f"{job_id.partition('-')[0]}-12345")
    assert running == RUNNING
    assert isinstance(lost, Gone)
    (jobs.directory / "go").touch()
    jobs.end(job_id)


def test_cancelling_what_is_over_is_harmless(jobs: Jobs) -> None:
    """A cancellation that comes too late changes nothing."""
    job_id = jobs.submit("exit 3\n")
    ended = jobs.end(job_id)
    jobs.cancel(job_id)
    assert jobs.status(job_id) == ended


def test_second_job_in_a_directory_starts_clean(jobs: Jobs) -> None:
    """The end mark of an earlier job is not taken for the end of a new one."""
    jobs.end(jobs.submit("exit 3\n"))
    job_id = jobs.submit("n=0; until [ -e go ] || [ $((n += 1)) -gt 400 ]; do sleep 0.05; done\n")
    assert jobs.status(job_id) == RUNNING
    (jobs.directory / "go").touch()
    assert jobs.end(job_id) == Gone(JobState.COMPLETED, "exit code 0")


def test_job_without_a_script_fails(tmp_path: Path) -> None:
    """A job whose script is not there is a failed job, not one nobody knows about."""
    command = f"cd {tmp_path}\n{LOCAL.submit_command('job.sh', '.')}"
    submission = LOCAL.parse_submission(LocalTransport().run(command))
    assert isinstance(submission, Submitted)
    jobs = Jobs(tmp_path)
    assert jobs.end(submission.job_id) == Gone(JobState.FAILED, "exit code 127")
