"""Dialogues with the old command as they were recorded, typed again into another one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.launcher.command import BIN, Command
from tests.slurm.terminal import Terminal

RECORDED = Path(__file__).parents[1] / "recorded" / "old-command-line"
Turn = tuple[list[str], str]  # what was shown, then what was typed


class Here:
    """This computer in place of a host of the cluster."""

    def __init__(self, springline: Command) -> None:
        self._springline = springline

    def popen(self, command: list[str], *, user: str, env: Mapping[str, str] | None, **streams: Any) -> Any:  # noqa: ANN401
        """Start it in the home of this test."""
        home = self._springline
        return subprocess.Popen(command, cwd=home.home, env={**home.environment, **(env or {})}, **streams)


def old_command(springline: Command, *arguments: str) -> Terminal:
    """The old command in a terminal of its own."""
    return Terminal(Here(springline), [str(BIN / "runJupyterDaskOnSLURM"), *arguments], user="")  # type: ignore[arg-type]


def recorded(name: str) -> list[Turn]:
    """The turns of a dialogue; the last one has what was shown at the end."""
    turns: list[Turn] = []
    shown: list[str] = []
    for line in (RECORDED / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("< "):
            shown.append(line[2:].strip())
        elif line.startswith(">"):
            turns.append((shown, line[2:]))
            shown = []
    return [*turns, (shown, "")]


def replay(terminal: Terminal, turns: list[Turn], typed: Mapping[str, str], *, timeout: float = 30) -> None:
    """Answer each question when it comes, as it was answered; `typed` says what stands here for a word of then."""
    last = ""
    for shown, then in turns:
        question, answer = shown[-1], typed.get(then, then)
        if question.startswith("Got"):
            question = f'Got "{last}" - is this correct? [Y]/n]'
        last = answer
        assert terminal.until(re.escape(question), timeout), f"never asked: {question}\n{terminal.text}"
        terminal.type(answer)


def screen(terminal: Terminal) -> list[str]:
    """The lines on the screen, without empty ones."""
    return [line.strip() for line in terminal.text.splitlines() if line.strip()]
