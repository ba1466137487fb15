"""PBS's language: PBS Professional and OpenPBS 12 to 2024, and Torque: qsub, qselect, qstat, qdel.

The two families cannot be told apart before somebody asks over there, so the scripts do: `qsub --version` of PBS Pro
says `pbs_version`. Torque wants `nodes=1:ppn=4` for `select=1:ncpus=4`, and its `qstat -x` is XML, not history.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote

from launcher.model import JobRef, JobStatus, Resources
from launcher.schedulers import pbs_reasons, pbs_status, pbs_tests
from launcher.schedulers.base import Answer, Doubt, Queued, Refused, Submission, Submitted, Verdict, directive_value
from launcher.units import format_hours

_JOB_ID = re.compile(r"\d+(?:\.[\w.-]+)?")

# qsub failed, but the request may have reached the server (or SLURM, where qsub is its wrapper).
_DOUBTFUL = re.compile(
    r"timed? ?out|cannot connect|communication|connection (?:refused|reset|closed)|end of file|temporarily|interrupted|"
    r"unable to contact|zero bytes|protocol authentication|slurm_receive_msg|message sent",
    re.IGNORECASE,
)

# The job starts in the home directory, and PBS brings its output only when it has ended, if the site set that up: so it
# goes to its directory and writes there by itself. What PBS adds about an end, and only that, is in pbs.log.
_BEGIN = '# {mark}={name}\ncd "${{PBS_O_WORKDIR:-.}}" && exec >>{log} 2>&1 || exit 1'

# Where names of jobs are limited to 15 letters, qsub refuses a longer one before it sends anything: so it is called
# once more with the unique end of the name. The whole name is among the job's variables, where qstat shows it.
# SPRINGLINE_UMASK is what the session must know of the login host (see launcher/scripts/batch.py).
_SUBMIT = """\
(
script={script}
case "$(qsub --version 2>&1)" in *pbs_version*) ;; *)
  sed -e 's/^#PBS -l select=1:ncpus=\\([0-9]*\\):mem=/#PBS -l nodes=1:ppn=\\1,mem=/' \\
    -e 's/^#PBS -l select=1:ncpus=\\([0-9]*\\)$/#PBS -l nodes=1:ppn=\\1/' "$script" >"$script.torque" &&
  cat "$script.torque" >"$script" && rm -f "$script.torque" || exit 1
esac
variables="SPRINGLINE_UMASK=${{SPRINGLINE_UMASK:-}},{mark}=$(sed -n 's/^# {mark}=//p' "$script")"
submit() {{ qsub -j oe -o pbs.log -v "$variables" "$script"; }}
{{ said=$(submit 2>&1 >&3); }} 3>&1; code=$?
case $said in *[Ii]llegal*-N*)
  sed 's/^#PBS -N .*\\(-[^-]*\\)$/#PBS -N {short}\\1/' "$script" >"$script.short" &&
  cat "$script.short" >"$script" && rm -f "$script.short" || exit 1
  submit; exit
esac
[ -z "$said" ] || printf '%s\\n' "$said" >&2
exit $code
)"""
SHORT = "spring"


class PbsScheduler:
    """PBS. A job id is as qsub prints it, with its server."""

    name = "pbs"
    required_command = "qsub"
    logs: tuple[str, ...] = ("job.log", "pbs.log")  # the job's own, and what PBS adds to an end
    cancel_program = "qdel"

    def directives(self, resources: Resources, job_name: str, log: str, *, requeue: bool = False) -> list[str]:
        """The #PBS lines, and the first line of the job itself. A reservation of PBS is a queue."""
        options = {
            "-N": job_name,
            "-S": "/bin/bash",
            "-r": "y" if requeue else "n",
            "-q": resources.reservation or resources.partition,
            "-A": resources.account,
        }
        limits = {
            "": resources.resource_spec or _select(resources),
            "walltime=": format_hours(resources.walltime) if resources.walltime else None,
            "qos=": resources.qos,
        }
        lines = [f"{option} {directive_value(value)}" for option, value in options.items() if value]
        begin = _BEGIN.format(mark=pbs_status.MARK, name=job_name, log=quote(log))
        lines += [f"-l {directive_value(name + value)}" for name, value in limits.items() if value]
        return [*(f"#PBS {line}" for line in (*lines, *resources.directives)), begin]

    def version_command(self) -> str:
        """Ask for the version, and for the queues."""
        return pbs_tests.VERSION

    def parse_version(self, answer: Answer) -> str:
        """The version, if the server answers."""
        return pbs_tests.version(answer)

    def test_command(self, resources: Resources) -> str:
        """Ask for the limits of the queue: PBS has no way to test a job."""
        return pbs_tests.command(resources)

    def parse_test(self, answer: Answer, resources: Resources) -> Verdict:
        """Refused where the queue says no, else Doubt."""
        return pbs_tests.verdict(answer, resources)

    def submit_command(self, script: str, directory: str) -> str:
        """Call qsub with the script, in the words of the PBS that is there."""
        return _SUBMIT.format(script=quote(script), mark=pbs_status.MARK, short=SHORT)

    def parse_submission(self, answer: Answer) -> Submission:
        """Take the id from qsub's last line that is one."""
        ids = [line.strip() for line in answer.text.splitlines() if _JOB_ID.fullmatch(line.strip())]
        if ids and answer.exit_code == 0:
            return Submitted(ids[-1])
        said = pbs_status.last_words(answer)
        all_said = (answer.errors + answer.text).lower()
        killed = 128 < answer.exit_code < 150  # by a signal; PBS's own codes begin at 150
        if ids or answer.exit_code == 0 or killed or not all_said.strip() or _DOUBTFUL.search(all_said):
            return Doubt(said)
        return Refused(said, pbs_reasons.hint(all_said))

    def status_command(self, jobs: Sequence[JobRef]) -> str:
        """Ask qstat for all of them, with those that have ended, as far as it remembers them."""
        return pbs_status.command(jobs)

    def parse_status(self, answer: Answer, jobs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus]:
        """A listed state is known, a terminal one is proof, the rest is unknown."""
        return pbs_status.parse(answer, jobs)

    def find_command(self, job_name: str, directory: str) -> str:
        """Look for our job of that name, ended or not."""
        short = f"{SHORT}-{job_name.rpartition('-')[2]}"
        return pbs_status.listing(f"-N {quote(job_name)}", f"-N {quote(short)}", ended=True) + _only(f"|{job_name}|")

    def parse_find(self, answer: Answer) -> str | None:
        """The newest id of that name."""
        found = [record.id for record in pbs_status.listed(answer)]
        return max(found, key=pbs_status.number, default=None)

    def queue_command(self, prefix: str) -> str:
        """List our jobs of such names."""
        return pbs_status.listing() + _only(f"|{prefix}")

    def parse_queue(self, answer: Answer) -> list[Queued]:
        """One job a line; those that have ended are not in the queue."""
        living = [record for record in pbs_status.listed(answer) if record.state not in pbs_status.OVER]
        return [Queued(record.id, record.name, record.state, record.node) for record in living]

    def cancel_command(self, job: JobRef, worker_name: str) -> str:
        """Delete by name, which is unique: the id may be another job's by now. No such job is no error."""
        return pbs_status.cancel(job.name, worker_name)

    def explain_pending(self, reason: str) -> str:
        """PBS's comment in words; an unknown one as PBS wrote it."""
        return pbs_reasons.explain(reason)

    def never_starts(self, reason: str) -> bool:
        """No node can ever give what the job asks for."""
        return pbs_reasons.is_hopeless(reason)

    def by_hand(self, job_name: str) -> str:
        """PBS has no question for a name that may have been shortened."""
        return f'qstat -f $(qselect -u "$USER") | grep -B 3 {job_name}'


def _only(part: str) -> str:
    """Lines that print those records that hold a text, or what went wrong."""
    mine = f"mine=$(printf '%s\\n' \"$mine\" | grep -F {quote(part)})"
    return f'[ "$code" != 0 ] || {mine}\n' + 'printf \'qstat %d\\n%s\\n\' "$code" "$mine"\n'


def _select(resources: Resources) -> str:
    """One piece of one node."""
    memory = f":mem={-(-resources.memory // 1024**2)}mb" if resources.memory else ""
    return f"select=1:ncpus={resources.cores}{memory}"
