"""Several questions to the login host in one script, each with a time limit, in the plain shell of `up`. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from launcher.scripts.shell import end_mark

SECONDS = 45  # for a question: a controller that is gone lets SLURM's commands wait for half a minute

_HEAD = """\
printf '\\n%s probes %s\\n' {mark} '{names}'
command -v timeout >/dev/null 2>&1 && limit='timeout -k 2 {seconds}' || limit=
"""
_ONE = """\
printf '\\n%s begin %s\\n' {mark} {name}
$limit sh <<'{end}'
{{
{text}
}} </dev/null
{end}
printf '\\n%s end %s %s\\n' {mark} {name} $?
"""


def script(questions: Mapping[str, str], seconds: int = SECONDS) -> str:
    """Ask all of these; the answers are read by `launcher.discovery.probes.sections`."""
    mark = f"springline-{secrets.token_hex(8)}"
    head = _HEAD.format(mark=mark, names=" ".join(questions), seconds=seconds)
    ones = [_ONE.format(mark=mark, name=name, text=text, end=end_mark(text)) for name, text in questions.items()]
    return head + "".join(ones)
