"""The batch script, and the script that sends and submits it. Pure: what is quoted where can be read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from shlex import quote

from launcher.daskkinds import GATEWAY
from launcher.kinds import SESSION
from launcher.model import Platform
from launcher.needed import MODULES
from launcher.scripts.shell import (
    APPTAINER,
    RemotePath,
    as_in_job,
    find_image,
    guard,
    python_command,
    write_file,
)

# Modules the job cannot do without, asked for before anything is submitted. A run's are those of the analyses.
NEEDED_MODULES = {
    "session": MODULES,
    "run": ("jobs", "distributed", "dask_jobqueue"),
}

KEPT_DAYS = 14  # for what is left of a session that ended

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


def needed_modules(noun: str, platform: Platform) -> tuple[str, ...]:
    """The modules that a session, or a run, cannot do without on a platform."""
    gateway = ("dask_gateway",) if noun == SESSION.noun and platform.dask.kind == GATEWAY else ()
    return (*NEEDED_MODULES[noun], *gateway)


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


def tidy_script(sessions: RemotePath) -> str:
    """Remove, in the background, directories of sessions that ended long ago."""
    return _TIDY.format(parent=sessions.quoted(), days=KEPT_DAYS)


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
