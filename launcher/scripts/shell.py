"""What scripts on a platform are made of: paths, files, guards, and the login shell of a job. Pure."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass
from shlex import quote

from launcher.kinds import SESSION, Kind
from launcher.model import Platform

# What runs images, by whichever of its two names it is there.
APPTAINER = '"$(command -v apptainer || echo singularity)"'

# The beginning of a path that the shell over there fills in.
_EXPANDED = re.compile(r"(~|\$[A-Za-z_]\w*|\$\{[A-Za-z_]\w*\})(/.*)?", re.DOTALL | re.ASCII)

# Whoever owns or may write a directory on the way can put another in the place of the session's. So each of them, as it
# is called and as it is, must be the user's or root's, and nobody else's to write unless sticky. A group may: projects.
_GUARD = """\
set --; for path in "$(cd {parent} && pwd -L)" "$(cd {parent} && pwd -P)"; do
  while set -- "$@" "$path/."; [ -n "$path" ]; do path=${{path%/*}}; done
done
unsafe=$(find "$@" -prune \\( ! -user 0 ! -user "$(id -u)" -o -perm -0002 ! -perm -1000 \\) -print) || exit 3
[ -z "$unsafe" ] || {{ echo "@unsafe $unsafe" | head -n 1; exit 3; }}"""


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


def python_command(platform: Platform) -> str:
    """Python as a shell command: inside the image where there is one."""
    python = RemotePath(platform.python).quoted()
    if platform.image is None:
        return python
    run_dir, image = RemotePath(platform.run_dir).quoted(), RemotePath(platform.image).quoted()
    return f"{APPTAINER} exec --bind {run_dir} {image} {python}"


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


def find_image(image: str) -> str:
    """A shell line that says `@image PATH` and gives up where the image is not there; empty for one of a registry."""
    path = RemotePath(image).quoted()
    return "" if "://" in image else f'[ -e {path} ] || {{ echo "@image "{path}; exit 3; }}\n'
