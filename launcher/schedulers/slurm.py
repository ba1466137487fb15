"""SLURM's language, 20.11 to 25: sbatch, squeue, sacct, scontrol, scancel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote

from launcher.model import JobRef, JobStatus, Resources
from launcher.schedulers import slurm_reasons, slurm_status, slurm_tests
from launcher.schedulers.base import Answer, Doubt, Queued, Refused, Submission, Submitted, Verdict, directive_value
from launcher.units import format_walltime

_JOB_ID = re.compile(r"(?:Submitted batch job )?(\d+)(?:;\S+)?")

_FIND = """\
answer=$(squeue -h -t all -u "$(id -un)" -n {name} -o '%i' 2>&1); code=$?
printf 'squeue %d\\n%s\\n' "$code" "$answer"
"""

# The names are sorted out over there, because squeue takes no patterns.
_QUEUE = """\
answer=$(squeue -h -u "$(id -un)" -o '%i|%j|%T|%N' 2>&1); code=$?
[ "$code" != 0 ] || answer=$(printf '%s\\n' "$answer" | grep -F {name})
printf 'squeue %d\\n%s\\n' "$code" "$answer"
"""


class SlurmScheduler:
    """SLURM."""

    name = "slurm"
    required_command = "sbatch"
    logs: tuple[str, ...] = ("job.log",)
    cancel_program = "scancel"

    def directives(self, resources: Resources, job_name: str, log: str, *, requeue: bool = False) -> list[str]:
        """The #SBATCH lines. A job that starts again adds to its log."""
        again = ("--requeue", "--open-mode=append") if requeue else ("--no-requeue",)
        options = {
            "--job-name": job_name,
            "--comment": job_name,
            "--output": log.replace("%", "%%"),
            "--nodes": "1",
            "--ntasks": "1",
            "--cpus-per-task": str(resources.cores),
            "--mem": f"{-(-resources.memory // 1024**2)}M" if resources.memory else None,
            "--time": format_walltime(resources.walltime) if resources.walltime else None,
            "--partition": resources.partition,
            "--account": resources.account,
            "--qos": resources.qos,
            "--reservation": resources.reservation,
        }
        lines = [f"{option}={directive_value(value)}" for option, value in options.items() if value]
        return [f"#SBATCH {line}" for line in (*lines, *again, *resources.directives)]

    def version_command(self) -> str:
        """Ask sbatch for its version, and for the controllers."""
        return slurm_tests.VERSION

    def parse_version(self, answer: Answer) -> str:
        """The version, if a controller is up."""
        return slurm_tests.version(answer)

    def test_command(self, resources: Resources) -> str:
        """Let sbatch test the directives, and ask for the partitions, whose limits it does not test."""
        return slurm_tests.command(self.directives(resources, "springline-check", "/dev/null"))

    def parse_test(self, answer: Answer, resources: Resources) -> Verdict:
        """Put both answers together."""
        return slurm_tests.verdict(answer, resources)

    def submit_command(self, script: str, directory: str) -> str:
        """Call sbatch with the script."""
        return f"sbatch --parsable {quote(script)}"

    def parse_submission(self, answer: Answer) -> Submission:
        """Take the id from sbatch's last line that is one; wrappers may print before it."""
        ids = [match[1] for line in answer.text.splitlines() if (match := _JOB_ID.fullmatch(line.strip()))]
        if ids and answer.exit_code == 0:
            return Submitted(ids[-1])
        said = slurm_status.last_words(answer)
        all_said = (answer.errors + answer.text).lower()
        killed = 128 < answer.exit_code < 255  # by a signal, perhaps after the request was sent
        if ids or answer.exit_code == 0 or killed or not all_said.strip() or slurm_reasons.DOUBTFUL.search(all_said):
            return Doubt(said)
        return Refused(said, slurm_reasons.refusal_hint(all_said))

    def status_command(self, jobs: Sequence[JobRef]) -> str:
        """Ask squeue for all of them, then sacct for those it no longer lists, then scontrol for each still missing."""
        return slurm_status.command(jobs)

    def parse_status(self, answer: Answer, jobs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus]:
        """Put the answers together: a listed state is known, a terminal one is proof, the rest is unknown."""
        return slurm_status.parse(answer, jobs)

    def find_command(self, job_name: str, directory: str) -> str:
        """Look for our job of that name, in whatever state."""
        return _FIND.format(name=quote(job_name))

    def parse_find(self, answer: Answer) -> str | None:
        """The newest id of that name."""
        ids = [line.strip() for line in _squeue_lines(answer) if line.strip().isdecimal()]
        return ids[-1] if ids else None

    def queue_command(self, prefix: str) -> str:
        """List our jobs of such names."""
        return _QUEUE.format(name=quote(f"|{prefix}"))

    def parse_queue(self, answer: Answer) -> list[Queued]:
        """One job a line."""
        fields = [line.split("|") for line in _squeue_lines(answer)]
        return [Queued(one[0], "|".join(one[1:-2]), *one[-2:]) for one in fields if one[0][:1].isdecimal() and one[3:]]

    def cancel_command(self, job: JobRef, worker_name: str) -> str:
        """Cancel by name, which is unique: the id may be somebody else's by now. No such job is no error."""
        mine = 'scancel -u "$(id -un)" -n'
        return f"{mine} {quote(job.name)} && {mine} {quote(worker_name)}"

    def explain_pending(self, reason: str) -> str:
        """SLURM's reason in words; an unknown one as SLURM wrote it."""
        return slurm_reasons.explain(reason)

    def never_starts(self, reason: str) -> bool:
        """The job asks for what its partition does not give."""
        return slurm_reasons.is_hopeless(reason)

    def by_hand(self, job_name: str) -> str:
        """Ask squeue for the name."""
        return f"squeue --me --name {job_name}"


def _squeue_lines(answer: Answer) -> list[str]:
    """What squeue listed. Raises ValueError when it failed or never answered."""
    code, lines = slurm_status.sections(answer.text).get("squeue", (1, [answer.errors]))
    if code:
        raise ValueError(lines[-1] if lines else "squeue failed")
    return lines
