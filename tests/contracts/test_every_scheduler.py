"""What every scheduler's language must hold, said to the real commands: SLURM, PBS (SLURM's qsub) and this machine."""

from __future__ import annotations

import itertools
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from launcher.model import Gone, JobRef, JobState, JobStatus, Known, Resources, Unknown
from launcher.schedulers import scheduler_for
from launcher.schedulers.base import Answer, Refused, Scheduler, Submission, Submitted
from launcher.transports.local import LocalTransport
from tests.slurm import requirements
from tests.slurm.cluster import Cluster

T = TypeVar("T")
SMALL = Resources(cores=2, memory=200 * 2**20, walltime=600, partition="normal")
ODD = """a 'place' of "mine" $HOME; äö"""  # a directory
AWAY = """mkdir -p away; for program in squeue sacct scontrol qselect qstat; do
  printf '#!/bin/sh\\necho "cannot connect to server" >&2; exit 1\\n' >away/$program; chmod +x away/$program
done; PATH=$PWD/away:$PATH
"""
_numbers = itertools.count()  # a name is never used twice: SLURM remembers jobs that have ended
WAITS = "echo began; until [ -e go ]; do sleep 0.1; done; exit $(cat go)\n"  # until a file says its exit code


@dataclass
class There:
    """A host with a scheduler, and a directory on it."""

    scheduler: Scheduler
    say: Callable[[str], Answer]  # runs a script over there
    directory: str
    name: str  # of the test's own job
    jobs: list[JobRef] = field(default_factory=list)

    @property
    def is_queue(self) -> bool:
        """False for this machine, which has no queue to wait in."""
        return self.scheduler.name != "local"

    def run(self, script: str) -> Answer:
        """Run a script in the directory."""
        return self.say(f"mkdir -p {shlex.quote(self.directory)} && cd {shlex.quote(self.directory)} || exit\n{script}")

    def submitted(self, name: str = "", script: str = WAITS, resources: Resources = SMALL) -> JobRef:
        """Submit a job that must be taken."""
        name = name or self.name
        outcome = self.submit(name, script, resources)
        assert isinstance(outcome, Submitted), outcome
        self.jobs.append(JobRef(outcome.job_id, name, self.directory))
        return self.jobs[-1]

    def submit(self, name: str, script: str, resources: Resources) -> Submission:
        """Submit as the launcher does; the answer also stays in the directory."""
        log = "job.log" if name == self.name else "other.log"
        lines = ["#!/bin/bash", *self.scheduler.directives(resources, name, log), script]
        written = "cat >job.sh <<'end of job.sh'\n" + "\n".join(lines) + "\nend of job.sh\n"
        command = self.scheduler.submit_command("job.sh", ".")
        answer = self.run(
            f"{written}{command} >submission 2>errors; code=$?; cat submission; cat errors >&2; exit $code"
        )
        return self.scheduler.parse_submission(answer)

    def status(self, job: JobRef, before: str = "") -> JobStatus:
        """Ask once."""
        return self.scheduler.parse_status(self.say(before + self.scheduler.status_command([job])), [job])[job]

    def find(self, before: str = "") -> str | None:
        """Look the job's name up."""
        return self.scheduler.parse_find(self.run(before + self.scheduler.find_command(self.name, ".")))

    def cancel(self, job: JobRef) -> Answer:
        """Cancel a job and its workers."""
        return self.say(self.scheduler.cancel_command(job, f"{self.name}-worker"))

    def queued(self) -> dict[str, str]:
        """Names in the queue with their ids."""
        asked = self.say(self.scheduler.queue_command("springline-"))
        return {job.name: job.id for job in self.scheduler.parse_queue(asked)}

    def until_running(self, job: JobRef) -> Known:
        """Wait until it runs and has begun."""
        self.wait(lambda: "began" in self.run("cat job.log").text)
        status = self.wait(lambda: self.status(job))
        assert isinstance(status, Known) and status.state is JobState.RUNNING, status
        return status

    def until_gone(self, job: JobRef) -> Gone:
        """Wait until there is proof of its end."""
        gone = self.wait(lambda: found if isinstance(found := self.status(job), Gone) else None)
        assert gone.proof
        return gone

    def ends_as(self, *states: JobState) -> tuple[JobState, ...]:
        """What it may say of an end: SLURM's qstat knows no exit status, and then an end counts as a failure."""
        return (JobState.FAILED,) if self.scheduler.name == "pbs" else states

    @staticmethod
    def wait(look: Callable[[], T | None]) -> T:
        """Wait for something."""
        deadline = time.monotonic() + 30
        while not (found := look()):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A small cluster for this module."""
    reason = requirements.reason_to_skip() or requirements.reason_to_skip_pbs()
    if reason is not None:
        pytest.skip(reason)
    up = Cluster.up(nodes=1)
    yield up
    up.down()


@pytest.fixture(params=["slurm", "pbs", "local"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[There]:
    """Each scheduler in turn; no job outlives its test."""
    scheduler, name = scheduler_for(request.param), f"springline-t{next(_numbers)}-0a1b2c"
    if request.param == "local":
        place = There(scheduler, LocalTransport().run, f"{tmp_path}/{ODD}", name)
    else:
        login = request.getfixturevalue("cluster").login

        def say(script: str) -> Answer:
            done = login.run(["sh", "-s"], user="alice", input=script, check=False)
            return Answer(done.stdout, done.stderr, done.returncode)

        place = There(scheduler, say, f"/home/alice/{tmp_path.name}/{ODD}", name)
    yield place
    for job in place.jobs:
        place.cancel(job)
        place.until_gone(job)


def test_from_submission_to_end(there: There) -> None:
    """Odd names of directories do no harm; a job is found by its name, runs, writes its log, and its end is proven."""
    assert there.find() is None
    job = there.submitted()
    assert there.find() == job.id
    there.until_running(job)
    assert not there.is_queue or there.queued() == {there.name: job.id}
    there.run("echo 0 >go")
    assert there.until_gone(job).state in there.ends_as(JobState.COMPLETED)
    assert there.run("cat job.log").text == "began\n"
    assert there.queued() == {} and there.find() == job.id


def test_submitted_again(there: There) -> None:
    """A run submits its own script once more: the newest job of the name is found, and is the one that is believed."""
    if not there.is_queue:
        pytest.skip("on this machine no run ends before its time")
    there.run("echo 0 >go")
    there.until_gone(there.submitted())
    again = there.scheduler.parse_submission(there.run(there.scheduler.submit_command("job.sh", ".")))
    assert isinstance(again, Submitted) and there.find() == again.job_id
    there.jobs.append(JobRef(again.job_id, there.name, there.directory))
    there.until_gone(there.jobs[-1])
    assert there.run("cat job.log").text.count("began") >= 1


def test_failure(there: There) -> None:
    """An exit code is a failure, or at least never a success."""
    job = there.submitted()
    there.run("echo 3 >go")
    assert there.until_gone(job).state is JobState.FAILED


def test_cancel_takes_the_job_and_its_workers_and_no_other(there: There) -> None:
    """By their names; and it succeeds once more when there is nothing left."""
    other = there.submitted(f"{there.name}-workers", "sleep 60\n") if there.is_queue else None
    worker = there.submitted(f"{there.name}-worker", "sleep 60\n") if there.is_queue else None
    job = there.submitted()
    there.until_running(job)
    assert there.cancel(job).exit_code == 0
    assert there.until_gone(job).state in there.ends_as(JobState.CANCELLED)
    assert there.cancel(job).exit_code == 0
    if worker and other:
        there.until_gone(worker)
        assert isinstance(there.status(other), Known)
        there.cancel(JobRef(other.id, other.name))


def test_waiting(there: There) -> None:
    """A job that waits is known as such, says why as far as the scheduler does, and can be cancelled."""
    if not there.is_queue:
        pytest.skip("on this machine a job starts at once")
    job = there.submitted(resources=Resources(partition="down", walltime=600))
    status = there.status(job)
    assert isinstance(status, Known) and status.state is JobState.PENDING and status.why
    assert there.scheduler.explain_pending(status.reason) == status.why
    there.cancel(job)
    assert there.until_gone(job).state in there.ends_as(JobState.CANCELLED)


def test_refusal(there: There) -> None:
    """What cannot be is refused in the scheduler's words, with what to change, and leaves nothing behind."""
    if not there.is_queue:
        pytest.skip("nothing is refused on this machine")
    outcome = there.submit(there.name, WAITS, Resources(partition="nosuch"))
    assert isinstance(outcome, Refused)
    assert "invalid partition" in outcome.reason.lower() and "partition" in outcome.hint
    assert there.find() is None


def test_values_are_quoted(there: There) -> None:
    """Spaces, quotes and what a shell would run come as they are, or are refused; they are never run."""
    odd = """x $(touch ran) `touch ran` "'"""
    outcome = there.submit(there.name, "true\n", Resources(account=odd, walltime=600, partition="normal"))
    if isinstance(outcome, Submitted):
        job = JobRef(outcome.job_id, there.name, there.directory)
        there.jobs.append(job)
        assert there.until_gone(job).state in there.ends_as(JobState.COMPLETED)
    assert "ran" not in there.run("ls").text.split()


def test_job_that_never_was(there: There) -> None:
    """It is not known, and that nobody lists it is said apart from silence."""
    status = there.status(JobRef("999-1" if not there.is_queue else "999", there.name, there.directory))
    assert isinstance(status, Gone) if not there.is_queue else isinstance(status, Unknown) and status.unlisted


def test_silence(there: There) -> None:
    """A scheduler that is away makes nothing known and nothing gone, and no submission a refusal by itself."""
    if not there.is_queue:
        pytest.skip("this machine is not away")
    job = there.submitted(script="sleep 60\n")
    away = f"cd {shlex.quote(there.directory)} && {AWAY}"
    status = there.status(job, away)
    assert isinstance(status, Unknown) and not status.unlisted and status.error
    with pytest.raises(ValueError, match="cannot connect"):
        there.find(before=away)
    assert isinstance(there.status(job), Known)


def test_asking_beforehand(there: There) -> None:
    """It tells that it is there, and whether a queue that nobody has would do."""
    assert isinstance(there.scheduler.parse_version(there.say(there.scheduler.version_command())), str)
    wish = Resources(partition="nosuch", walltime=60)
    verdict = there.scheduler.parse_test(there.say(there.scheduler.test_command(wish)), wish)
    assert isinstance(verdict, Refused) == there.is_queue
