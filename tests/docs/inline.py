"""Commands inside sentences: they may leave things out, but what they name must exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from functools import cache

import click

from tests.docs import parsing
from tests.docs.commands import commands_of
from tests.docs.parsing import PLACEHOLDER, WrongError

FOREIGN = {
    "sbatch, squeue, scontrol": (
        "--parsable",
        "--test-only",
        "--signal",
        "--requeue",
        "--gpus",
        "--constraint",
        "--exclusive",
        "--export",
        "--dependency",
    ),
    "pip, uv": ("--no-deps", "--require-hashes", "--no-index", "--only-binary"),
    "functions of the reader": ("--monthly", "--method", "--window"),
    "dask worker": ("--lifetime", "--death-timeout", "--nworkers", "--memory-limit"),
}
"""Options of other programs that the pages speak of."""


def problem(text: str) -> str:
    """What is wrong with a command, or an option alone, as a sentence has it; empty if nothing is."""
    words = _words(text)
    try:
        if text.startswith("-"):
            _option(words[0])
        elif words[0] == "springline":
            _springline(words[1:])
        elif words[:3] == ["python", "-m", "jobs"]:
            _job(words[3:])
        elif (
            len(words) > 1
            and not words[-1].startswith("jobs.")
            and "…" not in text
            and not re.search(r"\b[A-Z]{3,}\b", text)
        ):
            parsing.check(text)
    except WrongError as error:
        return str(error)
    return ""


def _words(text: str) -> list[str]:
    text = re.sub(r"[\[\]]", " ", text) if re.search(r"\[[A-Z-]", text) else text
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def _elided(words: Sequence[str]) -> bool:
    """Whether it is a module alone, or says that something belongs in its place."""
    return words[-1].startswith("jobs.") or any(PLACEHOLDER.search(word) for word in words if word not in ("SLURM",))


def _springline(words: Sequence[str]) -> None:
    from launcher.cli import main
    from launcher.commands.run import run_elsewhere

    if words[:1] == ["run"]:
        _known(words[1:], [*_options(run_elsewhere), *_options(main.commands["run"]), *_of_job(words[1:])])
    else:
        command, rest = _leaf(main, words)
        _known(rest, _options(command))


def _job(words: Sequence[str]) -> None:
    from jobs.cli import cli

    if words[:1] == ["run"]:
        _known(words[1:], _of_job(words[1:]))
    elif words:
        command, rest = _leaf(cli, words)
        _known(rest, _options(command))


def _leaf(command: click.Command, words: Sequence[str]) -> tuple[click.Command, Sequence[str]]:
    """The command that words lead to, as far as they go, and the rest of them."""
    if not isinstance(command, click.Group) or not words or PLACEHOLDER.fullmatch(words[0]) or words[0].startswith("-"):
        return command, words
    below = command.get_command(click.Context(command), words[0])
    if below is None:
        raise WrongError(f"{command.name} has no command {words[0]!r}")
    return _leaf(below, words[1:])


def _of_job(words: Sequence[str]) -> Iterable[str]:
    """The options of the job that is named; of any, if none is."""
    named = next((word for word in words if not word.startswith("-")), "")
    if not named or PLACEHOLDER.fullmatch(named) or words[0].startswith("-"):
        return _all_jobs()
    return _options(_commands_of_jobs().get(named) or _unknown(named))


def _unknown(job: str) -> click.Command:
    raise WrongError(f"there is no job {job!r}")


@cache
def _commands_of_jobs() -> dict[str, click.Command]:
    from jobs import registry
    from jobs.cli import job_command

    jobs = {name: registry.load(name) for name in registry.names() if name != registry.MAP}
    stand_in = registry.function_job("tests.docs.inline:_example")
    return {name: job_command(job) for name, job in (*jobs.items(), (registry.MAP, stand_in))}


def _example(source: str, target: str, *, window: int = 5) -> None:
    """Stands for the reader's own function."""


@cache
def _all_jobs() -> frozenset[str]:
    return frozenset(option for command in _commands_of_jobs().values() for option in _options(command))


@cache
def _all_options() -> frozenset[str]:
    from jobs.spring_index.sample import main as sample
    from launcher.cli import main
    from launcher.commands.run import run_elsewhere
    from launcher.legacy import command as old
    from tests.slurm.__main__ import parser

    found = {option for _, command in commands_of(main, "") for option in _options(command)}
    found |= {*_options(run_elsewhere), *_options(sample), *_all_jobs(), *(o for few in FOREIGN.values() for o in few)}
    return frozenset(found) | set(re.findall(r"--[\w-]+", old._parser().format_help() + _helps(parser())))


def _helps(parser: object) -> str:
    """The help of an argparse parser and of its subcommands."""
    import argparse

    assert isinstance(parser, argparse.ArgumentParser)
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return parser.format_help() + "".join(one.format_help() for action in below for one in action.choices.values())


def _options(command: click.Command) -> list[str]:
    named = [name for param in command.params for name in (*param.opts, *param.secondary_opts) if name.startswith("-")]
    return [*named, "--help", "-h", "--version"]


def _option(word: str) -> None:
    if word.split("=")[0] not in _all_options():
        raise WrongError("no command has this option (if it is another program's, say so in tests/docs/inline.py)")


def _known(words: Iterable[str], options: Iterable[str]) -> None:
    options = set(options)
    for word in words:
        option = word.split("=")[0].rstrip(",")
        if re.match(r"--?[a-z]", option) and option not in options and option != "--":
            raise WrongError(f"there is no option {option} here")
