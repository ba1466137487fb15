"""Private directories on a node's own disk: below names others could foresee, they could lay files in wait."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from .request import SessionDir

LONGEST_TMP = 40  # letters of the temporary directory that leave room for a socket's name
DEFAULT = '"${TMPDIR:-/tmp}"'
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)
_BEGIN = re.compile(r"/|~(/|$)|\$[A-Za-z_{]")


def new_runtime(directory: SessionDir) -> Path:
    """Make a session's own directory, 0700, on the node: a socket's path has 107 bytes, and not every file system that
    nodes share knows sockets. The session's directory points at it."""
    base = tempfile.gettempdir()
    runtime = Path(tempfile.mkdtemp(prefix="springline-", dir=base if len(base) <= LONGEST_TMP else "/tmp"))
    directory.runtime.unlink(missing_ok=True)
    directory.runtime.symlink_to(runtime)
    return runtime


def empty(directory: Path) -> None:
    """Remove what is in a directory, as far as that works, but not the directory itself.

    Its name stands in the node's list of sockets for everybody. While it is there, in a temporary directory where
    nobody may remove it but its owner, nobody else can make one of that name and wait in it for those who come late.
    """
    with suppress(OSError):
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


def quoted(path: str) -> str:
    """Return a path for a shell, which expands ``$VARIABLES`` and a leading ``~`` in it and nothing else."""
    if not _BEGIN.match(path):
        raise ValueError("it must begin with /, ~/ or $VARIABLE")
    start, rest = ('"$HOME"', path[1:]) if path[0] == "~" else ("", path)
    words, end = [start], 0
    for match in _VARIABLE.finditer(rest):
        words += [_literal(rest[end : match.start()]), f'"${{{match[1] or match[2]}:?}}"']
        end = match.end()
    return "".join([*words, _literal(rest[end:])])


def _literal(text: str) -> str:
    if "$" in text or "`" in text:
        raise ValueError("of the shell's language it may hold $VARIABLE and ${VARIABLE} only")
    return shlex.quote(text) if text else ""


def job_lines(base: str | None) -> list[str]:
    """Return lines for a worker's job: Dask gets a new private directory, which the job removes when it ends."""
    parent = quoted(base) if base else DEFAULT
    make = f"mkdir -p -- {parent} && mktemp -d -- {parent}/springline-XXXXXXXX"
    return [
        f"DASK_TEMPORARY_DIRECTORY=$({make}) || exit 1",
        "export DASK_TEMPORARY_DIRECTORY",
        # A trap of the prologue stays. Caught, SIGTERM reaches the shell only when the worker has ended of it.
        """[ -n "$(trap -p EXIT)" ] || trap 'rm -rf -- "$DASK_TEMPORARY_DIRECTORY"' EXIT; trap : TERM""",
    ]


def users_own() -> str | None:
    """Return where the user's Dask configuration wants workers to keep files; ask before ``keep_to``."""
    get = import_module("dask").config.get
    names = (*(f"jobqueue.{scheduler}.local-directory" for scheduler in ("slurm", "pbs")), "temporary-directory")
    base = next((found for name in names if (found := get(name, None))), None)
    return None if base is None else str(base)


def keep_to(directory: Path) -> None:
    """Let this program's scheduler and its own workers keep their files in a private directory.

    Dask's default, /tmp/dask-scratch-space, may be somebody else's, who could then change what is run from there.
    """
    import_module("dask").config.set(
        {
            "temporary-directory": str(directory),
            "jobqueue.slurm.local-directory": None,
            "jobqueue.pbs.local-directory": None,
        }
    )
