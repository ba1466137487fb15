"""Whether a command could be run as it stands: the real commands read its words, and nothing is run."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import re
import shlex
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import click
from packaging.requirements import Requirement

from tests.docs.commands import OTHERS, ROOT

PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*(:[A-Z]+)?|…|\.\.\.")
OLD = ("runJupyterDaskOnSLURM", "jupyter-dask-on-slurm", "runJupyterDaskOnSLURM.py")
OPERATORS = {"|", "||", "&&", ";", "&", ">", ">>", "<"}


class WrongError(Exception):
    """What is wrong with a command, in words."""


def check(text: str) -> None:
    """Read a command as its program would, in the current directory; raises WrongError."""
    for words in _simple_commands(text):
        _check(words)


def problem(text: str) -> str:
    """What is wrong with a command; empty if nothing is."""
    try:
        check(text)
    except WrongError as error:
        return str(error)
    return ""


def _simple_commands(text: str) -> Iterator[list[str]]:
    """Words between the shell's operators, without comments and assignments."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for word in [*lexer, ";"]:
            if word not in OPERATORS:
                words.append(word)
                continue
            while words and re.match(r"[A-Za-z_]\w*=", words[0]):
                words.pop(0)
            if words:
                yield words
            words = [":"] if word in (">", ">>", "<") else []
    except ValueError as error:
        raise WrongError(f"the shell cannot read it: {error}") from error


def _check(words: list[str]) -> None:
    program, *rest = words
    if program.endswith("python"):
        program, *rest = _of_python(rest)
    if program == "springline":
        _springline(rest)
    elif program == "jobs":
        _jobs(rest)
    elif Path(program).name in OLD:
        from launcher.legacy import command

        _argparse(command._parser(), rest)
    elif program in _PROGRAMS:
        _PROGRAMS[program](rest)
    elif program not in (*OTHERS, ":"):
        raise WrongError(f"{program} is no program that these tests know: add it to commands.py or correct it")


def _of_python(rest: list[str]) -> list[str]:
    if rest[:1] == ["-m"]:
        return rest[1:]
    if not rest or rest[0].startswith("-") or not (ROOT / rest[0]).is_file():
        raise WrongError(f"python {' '.join(rest[:1])}: there is no such script")
    return rest


def _springline(words: list[str]) -> None:
    from launcher.cli import main
    from launcher.commands.run import run_elsewhere

    if words[:1] == ["jobs"]:
        _jobs(["list", *words[1:]])
    elif words[:1] != ["run"]:
        click_reads(main, words)
    elif any(word.split("=")[0] == "--on" for word in words):
        _jobs(["run", *click_reads(run_elsewhere, words[1:]).params["arguments"]])
    else:
        _jobs(["run", *click_reads(main, words).params["arguments"]])


def _jobs(words: Sequence[str]) -> None:
    from jobs.cli import cli

    click_reads(cli, words)


def click_reads(command: click.Command, words: Sequence[str], parent: click.Context | None = None) -> click.Context:
    """The context of the command that the words lead to, down through its groups."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            context = command.make_context(command.name, list(words), parent=parent)
            if not isinstance(command, click.Group):
                return context
            _, below, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert below is not None
            return click_reads(below, rest, context)
    except click.exceptions.Exit:  # --help and --version are answered at once
        return click.Context(command)
    except click.BadParameter as error:
        if not isinstance(getattr(error.param, "type", None), click.Path):  # stories see whether paths exist
            raise WrongError(error.format_message()) from error
        return click.Context(command)
    except click.ClickException as error:
        raise WrongError(error.format_message()) from error
    except SystemExit as error:
        raise WrongError(said.getvalue().strip()) from error


def _argparse(parser: ArgumentParser, words: Sequence[str]) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(words)
    except SystemExit as error:
        if error.code:
            raise WrongError(said.getvalue().strip().splitlines()[-1]) from error


def _make(words: Sequence[str]) -> None:
    made = set(re.findall(r"^([\w-]+)(?: [\w-]+)*:", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for word in words:
        if word not in made and not re.match(r"[A-Z]+=|-", word):
            raise WrongError(f"the Makefile makes no {word}; it makes {', '.join(sorted(made))}")


@cache
def _extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def _pip(words: Sequence[str]) -> None:
    if words[:1] != ["install"]:
        raise WrongError("only pip install is known here")
    for word in words[1:]:
        if word.startswith("-"):
            continue
        try:
            wanted = Requirement(word.replace(".", "springline", 1) if word.startswith(".") else word)
        except ValueError as error:
            raise WrongError(f"pip cannot read {word}: {error}") from error
        if wanted.name == "springline" and (unknown := wanted.extras - _extras()):
            raise WrongError(f"springline has no extra {', '.join(unknown)}; it has {', '.join(sorted(_extras()))}")


def _pytest(words: Sequence[str]) -> None:
    """Paths must exist and marks be declared."""
    marks = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m":
            for mark in set(re.findall(r"\w+", word)) - {"not", "and", "or"}:
                if f'"{mark}:' not in marks:
                    raise WrongError(f"pytest knows no mark {mark}")
        elif before != "-k" and not word.startswith("-") and not (ROOT / word.split("::")[0]).exists():
            raise WrongError(f"there is no {word}")


def _sbatch(words: Sequence[str]) -> None:
    scripts = [word for word in words if not word.startswith("-")]
    if not scripts or not ((ROOT / "docs/sbatch" / scripts[0]).exists() or Path(scripts[0]).exists()):
        raise WrongError(f"there is no script {' '.join(scripts)}")


def _testbed(words: Sequence[str]) -> None:
    from tests.slurm.__main__ import parser

    _argparse(parser(), words[: words.index("--")] if "--" in words else words)


def _module(name: str, words: Sequence[str]) -> None:
    if importlib.util.find_spec(name) is None:
        raise WrongError(f"there is no module {name}")
    main = getattr(importlib.import_module(name), "main", None)
    if isinstance(main, click.Command):
        click_reads(main, words)


_PROGRAMS = {
    "make": _make,
    "pip": _pip,
    "pytest": _pytest,
    "sbatch": _sbatch,
    "tests.slurm": _testbed,
    **{name: partial(_module, name) for name in ("jobs.spring_index.sample", "jobs.sdo.sample")},
    "tests.bench": lambda words: None,
    "tests.validation": lambda words: None,
}
