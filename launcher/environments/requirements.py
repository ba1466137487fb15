"""The user's requirements file together with the files it names, which the cluster and the resolver never see.

What `-r` names is put in its place; what `-c` names limits versions and is kept apart. Both in an environment.yml, too.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from launcher.errors import UsageError

_NAMED = re.compile(
    r"(?P<item>\s*(?:-\s+)?)(?P<quote>['\"]?)(?:(?P<put_in>--requirement|-r)|--constraint|-c)(?:\s*=\s*|\s+|(?<=-[rc]))"
    r"(?P<file>\S.*?)(?P=quote)\s*(?:\s#.*)?"
)


@dataclass
class Texts:
    """What is wanted, and what limits it, as lines."""

    wanted: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


def read(file: Path) -> tuple[str, str]:
    """The text of what is wanted and of what limits it. Raises UsageError with the file that cannot be read."""
    texts = _read(file.expanduser(), ())
    return "\n".join(texts.wanted) + "\n", "\n".join(texts.limits)


def _read(file: Path, before: tuple[Path, ...]) -> Texts:
    texts = Texts()
    for line in _lines(file, before):
        match = _NAMED.fullmatch(line)
        if match is None or "://" in match["file"]:
            texts.wanted.append(line)
            continue
        inner = _read(file.parent / match["file"], (*before, file))
        texts.limits += inner.limits
        if match["put_in"]:
            texts.wanted += [_as_item(match["item"], wanted) for wanted in inner.wanted]
        else:
            texts.limits += inner.wanted
    return texts


def _lines(file: Path, before: tuple[Path, ...]) -> list[str]:
    named = f", which {before[-1]} names" if before else ""
    if file in before:
        raise UsageError(f"{before[-1]} names {file}, which is being read already", "take out that line with -r or -c")
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"cannot read {file}{named}: {why}", "give --requirements a text file") from error


def _as_item(item: str, line: str) -> str:
    """The line in place of one that stood in a list of YAML's, which has no line that is empty."""
    plain = line.partition(" #")[0].strip()
    if "-" not in item or not plain or plain.startswith("#"):
        return "" if "-" in item else line
    return item + json.dumps(plain)
