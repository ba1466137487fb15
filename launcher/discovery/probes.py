"""Questions to a host, many over one connection: each runs by itself with a time limit, and noise is told apart. Pure.

`script(["system", "tools"])` is for a transport's `run`, with `timeout=longest([...])`; `sections` reads its output.
Lines of an answer are fields between `|`, except where a probe hands on the words of the program it asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from launcher.discovery.fragments import FRAGMENTS
from launcher.scripts.shell import RemotePath, end_mark

LIMITS = {"slurm": 45, "pbs": 45, "scheduler": 45, "modules": 25, "pythons": 25}
LIMIT = 15  # seconds of every other probe
STARTING = 30  # seconds for the login shell's files and the prologue
NOT_ENDED = 124  # the code of what took too long, as `timeout` gives it

# One login shell, because `module` and much of the path are made there; it may print what it likes before `begin`.
_ALL = """\
printf '\\n%s probes %s\\n' {mark} {names}
if command -v bash >/dev/null 2>&1; then shell='bash -l'; else shell=sh; fi
if command -v timeout >/dev/null 2>&1; then limit='timeout -k 2'; else limit=; fi
${{limit:+$limit {total}}} $shell <<'{end}'
{{
export LC_ALL=C SPRINGLINE_LIMIT="$(command -v timeout >/dev/null 2>&1 && echo 'timeout -k 2')"
{prologue}
{probes}
}} </dev/null
{end}
exit 0
"""
_ONE = """\
${{SPRINGLINE_LIMIT:+$SPRINGLINE_LIMIT {limit}}} ${{BASH:-sh}} <<'{end}'
{{
printf '\\n%s begin %s\\n' {mark} {name}
(
{directories}
{fragment}
)
printf '\\n%s end %s %s\\n' {mark} {name} $?
}} </dev/null
{end}
printf '\\n%s left %s %s\\n' {mark} {name} $?"""


@dataclass(frozen=True)
class Section:
    """What one probe said: its exit code, 124 where it took too long, and its lines without blank ones."""

    code: int
    lines: tuple[str, ...]

    def rows(self, first: str) -> list[list[str]]:
        """The fields of the lines that begin with this word, without it."""
        return [line.split("|")[1:] for line in self.lines if line.startswith(f"{first}|")]


def script(names: Sequence[str], prologue: Sequence[str] = (), directories: Sequence[str] = ()) -> str:
    """A /bin/sh script that runs these probes in this order; `directories` are further ones `room` looks at."""
    mark = f"springline-{secrets.token_hex(8)}"
    places = "set -- " + " ".join(RemotePath(directory).quoted() for directory in directories)
    ones = []
    for name in names:
        text = FRAGMENTS[name]
        limit = LIMITS.get(name, LIMIT)
        ones.append(
            _ONE.format(mark=mark, name=name, fragment=text, limit=limit, directories=places, end=end_mark(text))
        )
    body = "\n".join((*prologue, *ones))
    return _ALL.format(
        mark=mark,
        names=f"'{' '.join(names)}'",
        total=round(longest(names)),
        prologue="\n".join(prologue),
        probes="\n".join(ones),
        end=end_mark(body),
    )


def longest(names: Sequence[str]) -> float:
    """The seconds after which even the slowest host has answered, or never will."""
    return STARTING + sum(LIMITS.get(name, LIMIT) + 2 for name in names)


def sections(text: str) -> Mapping[str, Section]:
    """Every probe's answer; one that was never reached, because what came before it hung or ended, has code 124."""
    lines = text.splitlines()
    head = next((line for line in lines if " probes " in line), "")
    mark, _, names = head.partition(" probes ")
    found = {name: Section(NOT_ENDED, ()) for name in names.split()}
    said: list[str] | None = None
    for line in lines[lines.index(head) + 1 :] if mark else ():
        word, _, rest = line.removeprefix(mark).strip().partition(" ") if line.startswith(mark) else ("", "", "")
        name, _, code = rest.partition(" ")
        if word == "begin":
            said = []
        elif word in ("end", "left") and said is not None:
            found[name] = Section(int(code), tuple(said))
            said = None
        elif word == "left" and found[name] == Section(NOT_ENDED, ()):
            found[name] = Section(int(code), ())
        elif said is not None and line.strip():
            said.append(line)
    return found
