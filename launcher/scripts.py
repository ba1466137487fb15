"""The text of every script that runs on a platform. Pure: what is quoted where can be read and tested here."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from launcher.daskkinds import GATEWAY
from launcher.kinds import SESSION, Kind
from launcher.model import Platform
from launcher.needed import MODULES

# Modules the job cannot do without, asked for before anything is submitted. A run's are those of the analyses.
NEEDED_MODULES = {
    "session": MODULES,
    "run": ("jobs", "distributed", "dask_jobqueue"),
}

KEPT_DAYS = 14  # for what is left of a session that ended

# What runs images, by whichever of its two names it is there.
APPTAINER = '"$(command -v apptainer || echo singularity)"'

# The beginning of a path that the shell over there fills in.
_EXPANDED = re.compile(r"(~|\$[A-Za-z_]\w*|\$\{[A-Za-z_]\w*\})(/.*)?", re.DOTALL | re.ASCII)

# Python's own word: a prologue or a program that just ends gives another exit code.
_ANSWERED = 117
_FIND_MODULES = """\
import importlib.metadata, importlib.util, sys
missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
if missing: sys.exit(print("@modules", sys.executable, *missing) or 3)
theirs = [found.version for found in importlib.metadata.distributions(name="springline")]
print("@springline", *theirs[:1], flush=True)
"""
_FIND_ADDRESS = """\
import dask.config
known = [dask.config.get(f"gateway.{key}", None) for key in ("address", "public-address")]
if not any(known): sys.exit(print("@gateway", sys.executable) or 3)
"""

# A batch job starts with the environment of an SSH command, where `module` often is not defined: so a login shell.
_BATCH = """\
#!/bin/bash -l
{directives}
{forget}umask 077
{prologue}
exec {python} {directory}/node run {directory}
"""

_FORGET = "rm -f {directory}/state.json  # of an earlier run, when the job was requeued\n"

# Each step says `@word` before it can fail, so that the launcher knows what did.
_SUBMIT = """\
export SPRINGLINE_UMASK=$(umask)  # for the files that notebooks write; the session's own are private
umask 077
command -v {required} >/dev/null 2>&1 || {{ echo '@missing {required}'; exit 3; }}
{find_python}
echo '@directory'
mkdir -p {parent} && chmod go-w {parent} || exit 3
{guard}
mkdir {directory} || {{ [ ! -e {directory} ] || echo '@exists'; exit 3; }}
cd {directory} && mkdir -p {folders} || exit 3
echo "@created $(pwd -P)"
set -- ${{SSH_CONNECTION:-}}; echo "@login ${{3:-}}"; echo "${{3:-}}" >login || exit 3
{files}
echo '@submit'
{submit} >submission 2>submission.errors; code=$?
cat submission; cat submission.errors >&2
{tidy}
exit $code
"""

# Whoever owns or may write a directory on the way can put another in the place of the session's. So each of them, as it
# is called and as it is, must be the user's or root's, and nobody else's to write unless sticky. A group may: projects.
_GUARD = """\
set --; for path in "$(cd {parent} && pwd -L)" "$(cd {parent} && pwd -P)"; do
  while set -- "$@" "$path/."; [ -n "$path" ]; do path=${{path%/*}}; done
done
unsafe=$(find "$@" -prune \\( ! -user 0 ! -user "$(id -u)" -o -perm -0002 ! -perm -1000 \\) -print) || exit 3
[ -z "$unsafe" ] || {{ echo "@unsafe $unsafe" | head -n 1; exit 3; }}"""

# Beside everything else. Only directories with names that springline gives, and of them only those that were set aside
# or whose session said that it had ended.
_TIDY = """\
(
  cd {parent} || exit
  called() {{ printf '%s\\n' "$name" | grep -Eq "$1"; }}
  ended() {{
    [ -n "$(find "$name/state.json" -type f -mtime +{days})" ] || return 1
    grep -Eq '"phase": *"ending"' "$name/state.json" && grep -Eq '"exit_code": *-?[0-9]' "$name/state.json"
  }}
  find . ! -name . -prune -type d -mtime +{days} | while IFS= read -r path; do
    name=${{path#./}}
    if called '^[a-z0-9][a-z0-9-]*[.][0-9]{{8}}T[0-9]{{6}}$' || {{ called '^[a-z0-9][a-z0-9-]*$' && ended; }}; then
      rm -rf "./$name"
    fi
  done
) </dev/null >/dev/null 2>&1 &"""


@dataclass(frozen=True)
class RemotePath:
    """A path on a platform. A leading ~ or $VARIABLE is expanded there, everything else is taken as it is."""

    text: str

    def quoted(self) -> str:
        """The path for /bin/sh."""
        match = _EXPANDED.fullmatch(self.text)
        if match is None:
            return quote(self.text)
        start, rest = match.groups()
        return f'"{start.replace("~", "$HOME")}"' + (quote(rest) if rest else "")

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self.text}/{name}")


def sessions_directory(platform: Platform, kind: Kind = SESSION) -> RemotePath:
    """Where all sessions, or all runs, of a platform lie."""
    return RemotePath(platform.run_dir.rstrip("/")) / kind.directory


def session_directory(platform: Platform, name: str, kind: Kind = SESSION) -> RemotePath:
    """Where everything of a session or run lies on its platform."""
    return sessions_directory(platform, kind) / name


def needed_modules(noun: str, platform: Platform) -> tuple[str, ...]:
    """The modules that a session, or a run, cannot do without on a platform."""
    gateway = ("dask_gateway",) if noun == SESSION.noun and platform.dask.kind == GATEWAY else ()
    return (*NEEDED_MODULES[noun], *gateway)


def python_command(platform: Platform) -> str:
    """Python as a shell command: inside the image where there is one."""
    python = RemotePath(platform.python).quoted()
    if platform.image is None:
        return python
    run_dir, image = RemotePath(platform.run_dir).quoted(), RemotePath(platform.image).quoted()
    return f"{APPTAINER} exec --bind {run_dir} {image} {python}"


def batch_script(
    platform: Platform, directives: Iterable[str], directory: RemotePath, *, keep_state: bool = False
) -> str:
    """The script the scheduler runs. A run keeps the state of the job before, which says in which job it goes on."""
    return _BATCH.format(
        forget="" if keep_state else _FORGET.format(directory=directory.quoted()),
        directives="\n".join(directives),
        prologue="\n".join(platform.prologue),
        python=python_command(platform),
        directory=directory.quoted(),
    )


def submit_script(
    platform: Platform,
    *,
    required: str,
    directory: RemotePath,
    files: Mapping[str, str],
    submit: str,
    modules: Sequence[str] = NEEDED_MODULES[SESSION.noun],
) -> str:
    """Check, make the directory, write the files and submit from inside it: one remote command.

    `files` maps paths in the directory to texts; `submit` is the scheduler's command; Python must have the `modules`.
    """
    parent = RemotePath(directory.text.rpartition("/")[0])
    return _SUBMIT.format(
        required=required,
        find_python=_check_python(platform, modules),
        parent=parent.quoted(),
        guard=guard(parent),
        folders=" ".join(sorted({"node/springline_node", *(path.rpartition("/")[0] or "." for path in files)})),
        directory=directory.quoted(),
        files="\n".join(write_file(path, text) for path, text in files.items()),
        submit=submit,
        tidy=tidy_script(parent),
    )


def guard(directory: RemotePath) -> str:
    """Shell lines that say `@unsafe PATH` and give up where others could put another directory in this one's place."""
    return _GUARD.format(parent=directory.quoted())


def as_in_job(platform: Platform, *lines: str) -> str:
    """Run lines as a job of the platform does: in a login shell, after the prologue, with nothing on its stdin."""
    text = "\n".join((*platform.prologue, *lines))
    end = end_mark(text)
    # The braces make the shell read everything first, so that no command of the prologue reads the rest as its input.
    return (
        "if command -v bash >/dev/null; then shell='bash -l'; else shell=sh; fi\n"
        f"$shell <<'{end}'\n{{\n{text}\n}} </dev/null\n{end}"
    )


def tidy_script(sessions: RemotePath) -> str:
    """Remove, in the background, directories of sessions that ended long ago."""
    return _TIDY.format(parent=sessions.quoted(), days=KEPT_DAYS)


def write_file(path: str, text: str) -> str:
    """Shell lines that write a text file."""
    end = end_mark(text)
    body = text if text.endswith("\n") or not text else text + "\n"
    return f"cat >{quote(path)} <<'{end}' || exit 3\n{body}{end}"


def end_mark(text: str) -> str:
    """A random line to end a here-document with.

    Where a line begins as the mark does and goes on beyond ASCII, dash loses a byte: so no line may begin so.
    """
    marks = (f"{letter}-{secrets.token_hex(8)}" for letter in string.ascii_letters)
    lines = text.split("\n")
    return next(mark for mark in marks if not any(_begins_alike(line, mark) for line in lines))


def _begins_alike(line: str, mark: str) -> bool:
    return any(line[:size] == mark[:size] and not line[size : size + 1].isascii() for size in range(1, len(mark) + 1))


def _check_python(platform: Platform, modules: Sequence[str]) -> str:
    """Look for Python's modules without importing them, or for apptainer; the prologue runs first, as in the job."""
    python, unsaid = python_command(platform), "dask_gateway" in modules and platform.dask.gateway_address is None
    find = f"{_FIND_MODULES}{_FIND_ADDRESS if unsaid else ''}sys.exit({_ANSWERED})"
    look = (f"command -v {python} >/dev/null || exit 127", f"exec {python} -c {quote(find)} {' '.join(modules)}")
    if platform.image is not None:
        look = (f"command -v {APPTAINER} >/dev/null || exit 127", f"{find_image(platform.image)}exit {_ANSWERED}")
    return (
        "echo '@python'\n"
        f"{as_in_job(platform, *look)}\ncode=$?\n"
        f'[ $code = {_ANSWERED} ] || {{ echo "@ended $code"; exit 3; }}'
    )


def find_image(image: str) -> str:
    """A shell line that says `@image PATH` and gives up where the image is not there; empty for one of a registry."""
    path = RemotePath(image).quoted()
    return "" if "://" in image else f'[ -e {path} ] || {{ echo "@image "{path}; exit 3; }}\n'
