"""Every command that the documentation shows, with its file and line, read from the pages and from the help texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import click
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
OURS = (
    "springline",
    "runJupyterDaskOnSLURM",
    "jupyter-dask-on-slurm",
    "python",
    ".venv/bin/python",
    "make",
    "pip",
    "sbatch",
)
OTHERS = ("cd", "cp", "curl", "export", "git", "ls", "mkdir", "scancel", "scontrol", "ssh", "squeue", "tail")
_OF_OURS = re.compile(rf"(?:^|[\s(;&|])((?:{'|'.join(map(re.escape, OURS))}) .*)")
_INLINE = re.compile(r"(?:\$ )?(?:springline|runJupyterDaskOnSLURM|python -m (?:jobs|tests)[.\w]*|make)(?: |$)")
_NESTED = re.compile(r"\{(note|tip|important|warning|admonition|dropdown|tab-item|tab-set|grid|grid-item-card|card)\}")


@dataclass(frozen=True)
class Shown:
    """A command as it stands in the documentation.

    `block` is one that a reader types, `script` a line of a shell script, `inline` one inside a sentence, which may
    leave things out, and `help` an example of a --help.
    """

    file: str  # relative to the checkout
    line: int
    text: str
    kind: Literal["block", "script", "inline", "help"]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Page:
    """What one page shows."""

    file: str
    commands: tuple[Shown, ...]
    options: tuple[Shown, ...]  # alone in a sentence: `--resubmit`
    files: tuple[tuple[str, str], ...]  # code blocks that begin with "# NAME", to be written before commands run
    strays: tuple[Shown, ...]  # lines of command blocks that are no commands

    def of(self, *kinds: str) -> list[Shown]:
        """Its commands of these kinds, from top to bottom."""
        return [command for command in self.commands if command.kind in kinds]


def sources() -> list[Path]:
    """Every page that people read."""
    tops = [path for name in ("README.md", "CONTRIBUTING.md") if (path := ROOT / name).exists()]
    return [*tops, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docs").rglob("*.sh"))]


@cache
def pages() -> tuple[Page, ...]:
    """All of them, read."""
    return tuple(read(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in sources())


def read(file: str, text: str) -> Page:
    """What a page shows."""
    if file.endswith(".sh"):
        return Page(file, tuple(_script(file, text, 1)), (), (), ())
    commands: list[Shown] = []
    options: list[Shown] = []
    files: list[tuple[str, str]] = []
    strays: list[Shown] = []
    for token, line in _tokens(text):
        if token.type == "inline":
            for found in _spans(file, token, line):
                (options if found.text.startswith("-") else commands).append(found)
        elif token.info in ("", "console", "shell") or (token.info == "bash" and "#SBATCH" not in token.content):
            typed, other = _typed(file, token.content, line)
            commands += typed
            strays += other
        elif token.info in ("bash", "sh"):
            commands += _script(file, token.content, line)
        elif named := re.match(r"# ([\w.-]+\.\w+)\n", token.content):
            files.append((named[1], token.content))
    return Page(file, tuple(commands), tuple(options), tuple(files), tuple(strays))


def _tokens(text: str, offset: int = 0) -> Iterator[tuple[Token, int]]:
    """Code blocks and sentences, each with the line it begins in; those inside of directives, too."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = (token.map or [0])[0] + 1 + offset
        if token.type == "inline":
            yield token, line
        elif token.type == "fence" and _NESTED.match(token.info):
            yield from _tokens(token.content, line)
        elif token.type == "fence":
            token.info = re.sub(r"^\{code(?:-block)?\}\s*", "", token.info.strip())
            yield token, line + 1


def _spans(file: str, token: Token, line: int) -> Iterator[Shown]:
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            line += 1
        elif child.type == "code_inline" and (_INLINE.match(child.content) or re.match(r"--[a-z]", child.content)):
            yield Shown(file, line, child.content.removeprefix("$ "), "inline")


def _typed(file: str, text: str, first: int) -> tuple[list[Shown], list[Shown]]:
    """The commands of a block, and lines that are neither commands nor what commands answer."""
    prompted = any(line.startswith("$ ") for line in text.splitlines())
    typed: list[Shown] = []
    strays: list[Shown] = []
    for number, line in _logical(text, first):
        shown = Shown(file, number, line.removeprefix("$ ").strip(), "block")
        word = shown.text.split(" ")[0]
        if prompted and not line.startswith("$ "):
            continue
        if word in (*OURS, *OTHERS) and not line.startswith("  "):
            typed.append(shown)
        elif (shown.text and not line.startswith(("#", "  "))) or (shown.text and not typed and line[0] != "#"):
            strays.append(shown)
    return typed, strays


def _logical(text: str, first: int) -> Iterator[tuple[int, str]]:
    """Lines with what a backslash at their end joins to them, each with the number of the first."""
    joined, start = "", first
    for number, line in enumerate(text.splitlines(), first):
        joined, start = (joined + line.strip(), start) if joined else (line, number)
        if joined.endswith("\\"):
            joined = joined[:-1].rstrip() + " "
            continue
        yield start, joined
        joined = ""


def _script(file: str, text: str, first: int) -> Iterator[Shown]:
    for number, line in _logical(text, first):
        code = line.lstrip("# ") if re.match(r"#\s+(\w+=\$\()?sbatch|#\s+for ", line) else line
        if not code.startswith("#") and (found := _OF_OURS.search(code)):
            yield Shown(file, number, re.split(r"[;)]", found[1])[0].strip(), "script")


def helped() -> list[Shown]:
    """The examples of every command's --help, and of every job's."""
    from jobs import cli, registry
    from launcher.cli import main

    found = [shown for name, command in commands_of(main, "springline") for shown in _examples(name, command)]
    for name in registry.names():
        command = cli.JobGroup(name="run").get_command(click.Context(cli.cli), name)
        found += _examples(f"python -m jobs run {name}", command) if command else []
    return list({shown.text: shown for shown in found}.values())


def commands_of(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, each with the words that call it."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None, f"{name} {word} is listed and cannot be had"
            yield from commands_of(below, f"{name} {word}")


def _examples(name: str, command: click.Command) -> Iterator[Shown]:
    for number, line in enumerate(f"{command.help or ''}\n{command.epilog or ''}".splitlines(), 1):
        if re.match(r"\s*(springline|python -m jobs|runJupyterDaskOnSLURM) ", line):
            yield Shown(f"{name} --help", number, re.split(r"\s{2,}", line.strip())[0], "help")
