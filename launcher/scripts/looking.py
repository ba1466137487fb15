"""The text of the scripts that look at sessions and runs over there, and wait for news of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from shlex import quote
from typing import Any

from launcher.model import Gone, JobState, JobStatus, NodeState, Unknown
from launcher.progress import Progress
from launcher.scripts.shell import RemotePath

# One line for each session, empty where there is no state yet; then what the scheduler says of all of them. A run has a
# second line: a mark of its progress, which tells whether there is news, and the progress itself.
_LOOK = """\
set -- {pairs}
while [ $# -gt 0 ]; do
  directory=$1 name=$2 state=; shift 2
  [ -r "$directory/state.json" ] && IFS= read -r state <"$directory/state.json"
{owner}  printf '%s\\n' "$state"{progress}
done
{ask}"""
# Whose directory it is: a name may be used again, and then what lies there says nothing of the one that is asked about.
_OWNER = """\
  owner=
  [ -r {directory}/session.json ] && IFS= read -r owner <{directory}/session.json
  case $owner in ""|*{name}*) ;; *) state={another};; esac
"""
ANOTHER = "another"  # in place of a state: the directory is another session's or run's of that name
_MARK = "$(cksum <{directory}/progress.json 2>/dev/null)"
_PROGRESS = f"""
printf '%s|' "{_MARK}"; head -c 100000 {{directory}}/progress.json 2>/dev/null | tr '\\n' ' '; echo"""

# Two lines: the node program's state and the scheduler's word. Between two questions `read` and `[` fork nothing. A
# question may take long (a busy slurmctld), so its seconds count; all times are in tenths of a second.
_WATCH = """\
known_state={known_state}
known_job={known_job}
job=$known_job waited=0 pace={pace} next={first}
while :; do
  state=
  [ -r {directory}/state.json ] && IFS= read -r state <{directory}/state.json
  if [ "$state" != "$known_state" ] && {job_is_known}; then job=$known_job; break; fi{news}
  if [ "$state" != "$known_state" ] || [ $waited -ge $next ]; then
    asked=$(date +%s)
    job=$({ask})
    waited=$((waited + 10 * ($(date +%s) - asked)))
    if [ "$state" != "$known_state" ] || [ "$job" != "$known_job" ]; then break; fi
    next=$((waited + pace)); pace=$((pace * 3)); [ $pace -le {slowest} ] || pace={slowest}
  fi
  [ $waited -lt {limit} ] || break
  sleep {glance_seconds} 2>/dev/null || sleep 1; waited=$((waited + {glance}))
done
{owner}printf '%s\\n' "$state"{progress}
printf '%s\\n' "$job"
"""
_NEWS = """
  if [ $waited -ge {rate} ] && [ "{mark}" != {known} ]; then break; fi"""


def watch_script(
    directory: RemotePath,
    name: str,
    ask: str,
    *,
    known_state: str,
    known_job: str,
    pace: float = 3,
    slowest: float = 30,
    limit: float = 60,
    first: float = 0,
    glance: float = 0.2,
    job_is_known: bool = False,
    known_progress: str | None = None,
    rate: float = 2,
) -> str:
    """Return when the session's state file or the scheduler's answer differs from what is known, or after `limit` s.

    `name` is that of the session's job. `pace` and `slowest` are the first and the longest pause between two questions
    to the scheduler, and `first` is the one before the first of them, `glance` the one between two looks at the state
    file; all in seconds. Where the job is known (to run), a new state comes at once, without asking the scheduler.
    Where the mark of a run's progress is given, new progress is news too, but not before `rate` seconds.
    """
    follows = known_progress is not None
    mark = _MARK.format(directory=directory.quoted())
    return _WATCH.format(
        news=_NEWS.format(rate=int(rate * 10), mark=mark, known=quote(known_progress or "")) if follows else "",
        progress=_PROGRESS.format(directory=directory.quoted()) if follows else "",
        known_state=quote(known_state),
        known_job=quote(known_job),
        owner=_OWNER.format(directory=directory.quoted(), name=quote(name), another=ANOTHER),
        directory=directory.quoted(),
        ask="\n" + ask + "\n",
        pace=int(pace * 10),
        slowest=int(slowest * 10),
        limit=int(limit * 10),
        first=int(first * 10),
        glance=max(1, round(glance * 10)),
        glance_seconds=round(glance, 1),
        job_is_known="true" if job_is_known else "false",
    )


def look_script(sessions: Iterable[tuple[RemotePath, str]], ask: str, *, progress: bool = False) -> str:
    """Print each session's state file as a line, a run's progress as another, then the scheduler's answer about all.

    `sessions` are their directories and the names of their jobs.
    """
    return _LOOK.format(
        pairs=" ".join(f"{directory.quoted()} {quote(name)}" for directory, name in sessions),
        owner=_OWNER.format(directory='"$directory"', name='"$name"', another=ANOTHER),
        ask=ask,
        progress=_PROGRESS.format(directory='"$directory"') if progress else "",
    )


def replaced(job: JobStatus) -> JobStatus:
    """Say of a job whose directory is another's by now that it is over, unless the scheduler lists it or is silent."""
    proof = "another of that name is there"
    if isinstance(job, Gone):
        return Gone(job.state, f"{job.proof}; {proof}", replaced=True)
    return Gone(JobState.COMPLETED, proof, replaced=True) if isinstance(job, Unknown) and job.unlisted else job


def state_of(words: str) -> NodeState | None:
    """A line of state.json; None where there is none yet."""
    try:
        document: dict[str, Any] = json.loads(words)
    except ValueError:
        return None
    return NodeState.parse(document)


def progress_of(lines: Sequence[str]) -> tuple[str, Progress | None]:
    """A run's line of progress, `MARK|JSON`; nothing for a session, which has none."""
    mark, _, words = lines[0].partition("|") if lines else ("", "", "")
    try:
        return mark, Progress.parse(json.loads(words))
    except (ValueError, TypeError, KeyError, AttributeError):  # not there yet, or not the engine's
        return mark, None
