"""What --help says: every command has its place, its sentences and its examples, and fits on a terminal."""

from __future__ import annotations

import subprocess

import click
import pytest

from launcher.cli import main
from launcher.commands.options import SECTIONS
from tests.docs.commands import commands_of
from tests.launcher.command import BIN

COMMANDS = {name: command for name, command in commands_of(main, "springline") if not isinstance(command, click.Group)}


def test_every_command_has_its_place() -> None:
    """What is in no section of `springline --help` would not be found."""
    assert {name for names in SECTIONS.values() for name in names} == set(main.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_sentences_and_examples(name: str) -> None:
    """One sentence that sums it up, then more, and two to four examples that call this very command."""
    command = COMMANDS[name]
    first, *rest = (command.help or "").strip().split("\n\n")
    assert first.endswith(".") and len(first) <= 120, first
    assert rest or name in ("springline run", "springline help"), "two sentences at least"
    examples = [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  springline")]
    assert 2 <= len(examples) <= 4 and all(line.startswith(name) for line in examples), examples


@pytest.mark.parametrize(
    "words", [["--help"], ["up", "-h"], ["help", "up"], ["help", "run"], ["help", "jobs"]], ids=str
)
def test_fits_on_eighty_columns(words: list[str]) -> None:
    """Nothing is broken by the terminal itself; `help` and --help are the same, and no code but 0 comes back."""
    done = subprocess.run(
        [BIN / "springline", *words], capture_output=True, text=True, env={"COLUMNS": "80"}, check=True
    )
    assert done.stdout.startswith("Usage: springline") and "Examples:" in done.stdout
    too_long = [line for line in done.stdout.splitlines() if len(line) > 80 and not line.startswith("    springline")]
    assert not too_long
