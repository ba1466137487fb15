"""docs/performance.md: a section for each bench, with what it says of itself, the day, the machine and its output.

`make bench` replaces the section of every bench that ran to its end and leaves the rest of the page as it is.
`python -m tests.bench.page LOG` does so from what an earlier run printed.
"""

from __future__ import annotations

import ast
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/performance.md"
_MARK = re.compile(r"^<!-- bench: (\w+) -->\n", re.MULTILINE)
_BEGIN = re.compile(r"^## (\w+)\n", re.MULTILINE)  # as `python -m tests.bench` begins each
_END = re.compile(r"^real\t", re.MULTILINE)  # where the shell's `time` has the word


def put(page: Path, name: str, output: str, day: str, machine: str) -> None:
    """Write the section of one bench into the page, in place of the one it has."""
    head, *found = _MARK.split(page.read_text(encoding="utf-8"))
    sections = dict(zip(found[::2], found[1::2], strict=True))
    sections[name] = _section(Path(__file__).with_name(f"{name}.py"), output, day, machine)
    page.write_text(_joined(head, sections), encoding="utf-8")


def outputs(log: str) -> Iterator[tuple[str, str]]:
    """Name and output of each bench in a log that ran to its end."""
    _, *found = _BEGIN.split(log)
    for name, output in zip(found[::2], found[1::2], strict=True):
        if "Traceback (most recent" not in output:
            yield name, _END.split(output)[0]


def _joined(head: str, sections: Mapping[str, str]) -> str:
    parts = [f"<!-- bench: {name} -->\n{sections[name].strip()}\n" for name in sorted(sections)]
    return "\n".join([head.rstrip() + "\n", *parts])


def _section(module: Path, output: str, day: str, machine: str) -> str:
    about = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or module.stem
    title, rest = re.split(r"[:.]\s+", about, maxsplit=1)  # the heading, and what it does not say
    told = output.replace(machine, "").strip()  # some benches name the machine themselves
    told = re.sub(r"^(\|.*)\n(?!\||\n)", r"\1\n\n", told, flags=re.MULTILINE)  # a table ends with an empty line
    when = f"`python -m tests.bench {module.stem}`, {day}: {machine}"
    return f"## {title}\n\n{rest[:1].upper()}{rest[1:]}\n\n{when}\n\n{told}"


def take_over(log: Path) -> None:
    """Take over what a log holds, as of the day it was written."""
    from tests.bench.report import machine

    day = time.strftime("%Y-%m-%d", time.gmtime(log.stat().st_mtime))
    for name, output in outputs(log.read_text(encoding="utf-8")):
        put(PAGE, name, output, day, machine())


if __name__ == "__main__":
    take_over(Path(sys.argv[1]))
