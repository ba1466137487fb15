"""The text of every script that runs on a platform. Pure: what is quoted where can be read and tested here."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shlex import quote

from launcher.model import Platform

# Modules the session cannot do without, asked for before anything is submitted.
NEEDED_MODULES = ("jupyterlab", "dask_labextension", "distributed", "dask_jobqueue")

_LOOK = """\
import importlib.util, sys
missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
if missing: sys.exit(print("@modules", sys.executable, *missing) or 3)"""

# A batch job starts with the environment of an SSH command, where `module` often is not defined: so a login shell.
_BATCH = """\
#!/bin/bash -l
{directives}
umask 077
{prologue}
exec {python} {directory}/node run {directory}
"""

# Each step says `@word` before it can fail, so that the launcher knows what did.
_SUBMIT = """\
export SPRINGLINE_UMASK=$(umask)  # for the files that notebooks write; the session's own are private
umask 077
command -v {required} >/dev/null 2>&1 || {{ echo '@missing {required}'; exit 3; }}
{find_python}
echo '@directory'
mkdir -p {parent} || exit 3
[ ! -e {directory} ] || {{ echo '@exists'; exit 3; }}
mkdir {directory} && cd {directory} && mkdir -p node/springline_node || exit 3
echo "@created $(pwd -P)"
{files}
echo '@submit'
{submit} >submission 2>submission.errors; code=$?
cat submission; cat submission.errors >&2
exit $code
"""

# One line per change: the node program's state, or the scheduler's word. `read` and `[` fork nothing.
_WATCH = """\
known_state={known_state}
known_job={known_job}
waited=0 pace={pace} next=0
while :; do
  state=
  [ -r {directory}/state.json ] && IFS= read -r state <{directory}/state.json
  if [ "$state" != "$known_state" ]; then ask=yes
  elif [ $waited -ge $next ]; then ask=yes; next=$((waited + pace)); [ $pace -ge {slowest} ] || pace=$((pace * 2))
  else ask=
  fi
  if [ -n "$ask" ]; then
    job=$({ask})
    if [ "$state" != "$known_state" ] || [ "$job" != "$known_job" ]; then break; fi
  fi
  [ $waited -lt {limit} ] || break
  sleep 0.2 2>/dev/null || sleep 1; waited=$((waited + 2))
done
printf '%s\\n%s\\n' "$state" "$job"
"""


@dataclass(frozen=True)
class RemotePath:
    """A path on a platform. A leading ~ or $VARIABLE is expanded there, everything else is taken as it is."""

    text: str

    def quoted(self) -> str:
        """The path for /bin/sh."""
        if self.text == "~" or self.text.startswith("~/"):
            return '"$HOME"' + quote(self.text[1:]) if self.text != "~" else '"$HOME"'
        return quote(self.text)

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self.text}/{name}")


def session_directory(platform: Platform, name: str) -> RemotePath:
    """Where everything of a session lies on its platform."""
    return RemotePath(platform.run_dir.rstrip("/")) / "sessions" / name


def python_command(platform: Platform) -> str:
    """Python as a shell command: inside the image where there is one."""
    python = RemotePath(platform.python).quoted()
    if platform.image is None:
        return python
    return (
        f"apptainer exec --bind {RemotePath(platform.run_dir).quoted()} {RemotePath(platform.image).quoted()} {python}"
    )


def batch_script(platform: Platform, directives: Iterable[str], directory: RemotePath) -> str:
    """The script the scheduler runs."""
    return _BATCH.format(
        directives="\n".join(directives),
        prologue="\n".join(platform.prologue),
        python=python_command(platform),
        directory=directory.quoted(),
    )


def submit_script(
    platform: Platform, *, required: str, directory: RemotePath, files: Mapping[str, str], submit: str
) -> str:
    """Check, make the directory, write the files and submit from inside it: one remote command.

    `files` maps paths in the directory to texts; `submit` is the scheduler's command.
    """
    parent = RemotePath(directory.text.rpartition("/")[0])
    return _SUBMIT.format(
        required=required,
        find_python="" if platform.image else _check_python(platform),
        parent=parent.quoted(),
        directory=directory.quoted(),
        files="\n".join(write_file(path, text) for path, text in files.items()),
        submit=submit,
    )


def watch_script(
    directory: RemotePath,
    ask: str,
    *,
    known_state: str,
    known_job: str,
    pace: float = 2,
    slowest: float = 30,
    limit: float = 60,
) -> str:
    """Return when the session's state file or the scheduler's answer differs from what is known, or after `limit` s.

    `pace` and `slowest` are the first and the longest pause between two questions to the scheduler, in seconds.
    """
    return _WATCH.format(
        known_state=quote(known_state),
        known_job=quote(known_job),
        directory=directory.quoted(),
        ask="\n" + ask + "\n",
        pace=int(pace * 10),
        slowest=int(slowest * 10),
        limit=int(limit * 10),
    )


def write_file(path: str, text: str) -> str:
    """Shell lines that write a text file; the end mark is random, so no text can contain it."""
    end = f"end-{secrets.token_hex(8)}"
    body = text if text.endswith("\n") or not text else text + "\n"
    return f"cat >{quote(path)} <<'{end}' || exit 3\n{body}{end}"


def _check_python(platform: Platform) -> str:
    """Look for the modules without importing them; the prologue runs first, as it will in the job."""
    python, end = python_command(platform), f"end-{secrets.token_hex(8)}"
    prologue = "\n".join((*platform.prologue, f"command -v {python} >/dev/null || exit 127"))
    return (
        "echo '@python'\n"
        "if command -v bash >/dev/null; then shell='bash -l'; else shell=sh; fi\n"
        f"$shell <<'{end}' || exit 3\n{prologue}\n"
        f"exec {python} -c {quote(_LOOK)} {' '.join(NEEDED_MODULES)} </dev/null\n{end}"
    )
