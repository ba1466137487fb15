"""How PBS is asked for jobs, and what its answers mean: known, gone with proof, or unknown. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from shlex import quote

from launcher.model import Gone, JobRef, JobState, JobStatus, Known, Unknown
from launcher.schedulers.base import Answer
from launcher.schedulers.pbs_reasons import explain
from launcher.units import parse_walltime

MARK = "SPRINGLINE_JOB"  # the variable of a job that holds its whole name
OVER = ("F", "C", "X")  # finished (PBS Pro), completed (Torque), expired
_PENDING = {"Q": "", "H": "Held", "W": "Waiting", "T": "Moving", "M": "Moved"}
_RUNNING = {"R": "", "B": "", "E": "Exiting", "S": "Suspended", "U": "Suspended"}

# `qstat -f` prints everything, folded, and much of it changes from second to second. One line for each job is left of
# it here, which changes when there is news; below them what PBS complains of. Torque folds with eight spaces, PBS Pro
# with a tab, and SLURM's wrapper begins attributes with one.
_RECORDS = r"""
export TZ=UTC LC_ALL=C
records() { awk '
  function show(  name, list) {
    if (id == "") return
    name = v["Job_Name"]; list = "," v["Variable_List"]
    if (match(list, /,@MARK@=[^,]*/)) name = substr(list, RSTART + @SIZE@, RLENGTH - @SIZE@)
    over = v["job_state"] ~ /^[FCX]$/
    print id "|" name "|" v["job_state"] "|" (over ? v["substate"] : "") "|" v["Exit_status"] v["exit_status"] \
      "|" v["exec_host"] "|" v["Resource_List.walltime"] "|" (over ? v["resources_used.walltime"] : "") \
      "|" v["estimated.start_time"] "|" v["comment"]
    id = ""
  }
  /^Job Id:/ { show(); id = $3; key = ""; split("", v); next }
  /^q[a-z]*: / || id == "" { if (NF) said = said $0 "\n"; next }
  /^(    |\t)[A-Za-z_][A-Za-z_.]* = / {
    line = $0; sub(/^[ \t]+/, "", line); key = substr(line, 1, index(line, " = ") - 1)
    v[key] = substr(line, index(line, " = ") + 3); next
  }
  NF == 0 { next }
  key != "" { line = $0; sub(/^(\t|        )/, "", line); v[key] = v[key] line }
  END { show(); printf "%s", said }'
}
""".replace("@MARK@", MARK).replace("@SIZE@", str(len(MARK) + 2))

_HISTORY = """\
history=; case "$(qstat --version 2>&1)" in *pbs_version*) history=-x;; esac
"""

# Where history is switched off PBS Pro says so, and is asked once more without.
_ASK = """\
ask() {{ answer=$(qstat -f $1 {ids} 2>&1); code=$?; }}
ask $history
case $answer in *'job history'*) ask ;; esac
printf 'qstat %d\\n' "$code"; printf '%s\\n' "$answer" | records
"""

# SLURM's wrapper has no qselect, and its qstat -u cuts the user's name.
_MINE = """\
me=$(id -un)
select_mine() {{
  if command -v qselect >/dev/null 2>&1; then qselect {history} -u "$me" "$@"
  else listed=$(qstat -u "$me") && printf '%s\\n' "$listed" | awk -v me="$me" '$2 && index(me, $2) == 1 {{ print $1 }}'
  fi
}}
mine=$({{ {selections}; }} 2>&1); code=$?
[ "$code" != 0 ] || mine=$(printf '%s\\n' "$mine" | grep '^[0-9]')
if [ "$code" = 0 ] && [ -n "$mine" ]; then
  answer=$(qstat -f {history} $mine 2>&1); code=$?
  mine=$(printf '%s\\n' "$answer" | records)
  case $code in 35|153) code=0;; esac  # some have ended meanwhile
fi
"""

# That a job is not there any more is what was wished for, whatever qdel calls it.
_CANCEL = """\
[ "$code" = 0 ] || {{ printf '%s\\n' "$mine" >&2; exit 1; }}
doomed=$(printf '%s\\n' "$mine" |
  awk -F '|' -v a={job} -v b={workers} 'NF >= 10 && ($2 == a || $2 == b) && $3 !~ /^[FCX]$/ {{ print $1 }}')
[ -n "$doomed" ] || exit 0
said=$(qdel $doomed 2>&1) && exit 0
said=$(printf '%s\\n' "$said" | grep -Eiv '^$|unknown job|has finished|invalid (for )?state')
[ -z "$said" ] || {{ printf '%s\\n' "$said" >&2; exit 1; }}
"""

_NO_SUCH_JOB = re.compile(r"unknown job ?id|has finished", re.IGNORECASE)
NOT_FOUND = (0, 35, 153)  # codes of a qstat that looked; 153 is "unknown job", 35 "has finished"

# What PBS itself ended a job for, as negative exit codes: PBS Pro's and Torque's.
_KILLED = {-29: JobState.TIME_LIMIT, -27: JobState.OUT_OF_MEMORY, -26: JobState.OUT_OF_MEMORY}
_KILLED_BY_TORQUE = {-10: JobState.OUT_OF_MEMORY, -11: JobState.TIME_LIMIT, -12: JobState.TIME_LIMIT}
_LOST = (-5, -6, -20)  # the node went away or came up again
_TERM, _KILL = (143, 256 + 15), (137, 256 + 9)  # PBS counts signals from 256, a shell from 128
_DELETED_BEFORE = "91"  # substate of a job that never ran


@dataclass(frozen=True)
class Record:
    """A job as `qstat -f` shows it."""

    id: str
    name: str
    state: str
    substate: str = ""
    code: str = ""
    hosts: str = ""
    limit: str = ""  # HH:MM:SS
    used: str = ""
    start: str = ""
    comment: str = ""

    @property
    def node(self) -> str:
        """The first node."""
        return self.hosts.partition("/")[0]


def command(jobs: Sequence[JobRef]) -> str:
    """The script that asks for all of these jobs."""
    return _RECORDS + _HISTORY + _ASK.format(ids=" ".join(quote(job.id) for job in jobs))


def listing(*selections: str, ended: bool = False) -> str:
    """The script that puts the records of our jobs into `$mine` and how that went into `$code`."""
    calls = " && ".join(f"select_mine {selection}".strip() for selection in selections or ("",))
    before = _RECORDS + (_HISTORY if ended else "")
    return before + _MINE.format(history="$history" if ended else "", selections=calls)


def cancel(job: str, workers: str) -> str:
    """The script that deletes the jobs of these two names."""
    return listing() + _CANCEL.format(job=quote(job), workers=quote(workers))


def listed(answer: Answer) -> list[Record]:
    """What a listing found. Raises ValueError when it failed or never answered."""
    code, records, said = _taken(answer)
    if code != 0:
        raise ValueError((said or [answer.errors.strip() or "no answer"])[-1])
    return records


def number(job_id: str) -> int:
    """The number of a job, without its server."""
    digits = re.match(r"\d+", job_id)
    return int(digits[0]) if digits else 0


def last_words(answer: Answer) -> str:
    """The line that says most when a command failed; SLURM's wrapper prints on stdout."""
    lines = [line.strip().strip("'") for line in (answer.errors + "\n" + answer.text).splitlines()]
    telling = [line for line in lines if re.match(r"qsub: |.*error: ", line)]
    words = (telling or [line for line in lines if line] or [f"no answer (exit code {answer.exit_code})"])[-1]
    return re.sub(r"^(?:qsub: |sbatch: error: )", "", words)


def parse(answer: Answer, jobs: Sequence[JobRef]) -> dict[JobRef, JobStatus]:
    """What the answer to `command` says of each job."""
    code, records, said = _taken(answer)
    said = said or answer.errors.split("\n")
    return {job: _status_of(job, code, records, [line for line in said if line.strip()]) for job in jobs}


def _taken(answer: Answer) -> tuple[int | None, list[Record], list[str]]:
    """How qstat ended, the records, and the other lines."""
    code, records, said = None, [], []
    for line in answer.text.splitlines():
        head = re.fullmatch(r"qstat (\d+)", line)
        fields = line.split("|", 9)
        if head:
            code = int(head[1])
        elif len(fields) == 10:
            records.append(Record(*(field.strip() for field in fields)))
        elif line.strip():
            said.append(line.strip())
    return code, records, said


def _status_of(job: JobRef, code: int | None, records: Sequence[Record], said: Sequence[str]) -> JobStatus:
    for record in records:
        if number(record.id) == number(job.id) and record.name == job.name:
            return _status(record)
    troubles = [line for line in said if not _NO_SUCH_JOB.search(line)]
    if troubles or code is None or (code not in NOT_FOUND and not said):
        return Unknown(troubles[-1] if troubles else "no answer" if code is None else f"qstat ended with code {code}")
    others = [record.name for record in records if number(record.id) == number(job.id)]
    who = f"; its number is that of '{others[0]}' now" if others else ""
    return Unknown(f"PBS no longer lists job {job.id}{who}", unlisted=True)


def _status(record: Record) -> JobStatus:
    state, comment = record.state, record.comment
    if state in _PENDING:
        reason = comment or _PENDING[state]
        return Known(JobState.PENDING, reason=reason, expected_start=_utc(record.start), why=explain(reason))
    if state in _RUNNING:
        return Known(JobState.RUNNING, reason=_RUNNING[state], node=record.node)
    if state not in OVER:
        return Unknown(f"qstat says {state or 'nothing'}, which springline does not know")
    words = f"qstat: {state}" + (f", exit status {record.code}" if record.code else ", without an exit status")
    return Gone(_end(record), words + (f", {comment}" if comment and record.code != "0" else ""))


def _end(record: Record) -> JobState:
    """How a job ended. Without any exit status it counts as failed, unless the session itself knows better."""
    if not re.fullmatch(r"-?\d+", record.code):
        return JobState.CANCELLED if record.substate == _DELETED_BEFORE else JobState.FAILED
    code = int(record.code)
    if code == 0:
        return JobState.COMPLETED
    if killed := re.search(r"job killed: ([pv]*mem|walltime) .*exceeded", record.comment):
        return JobState.TIME_LIMIT if killed[1] == "walltime" else JobState.OUT_OF_MEMORY
    if code < 0:
        known = _KILLED | _KILLED_BY_TORQUE if record.state == "C" else _KILLED
        return known.get(code) or (JobState.NODE_FAILED if code in _LOST else JobState.NOT_LAUNCHED)
    if code in _TERM + _KILL and _time_was_up(record):
        return JobState.TIME_LIMIT
    return JobState.CANCELLED if code in _TERM else JobState.FAILED


def _time_was_up(record: Record) -> bool:
    try:
        return parse_walltime(record.used) >= parse_walltime(record.limit)
    except ValueError:
        return False


def _utc(text: str) -> str:
    """PBS's date, as the C library writes it, in ISO-8601."""
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").isoformat()  # asked for in UTC
    except ValueError:
        return ""
