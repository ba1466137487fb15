"""The terminal: progress on stderr, results on stdout, questions only where somebody can answer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from launcher.errors import SpringlineError
from launcher.model import SCHEMA_VERSION
from launcher.transports.base import Asker
from launcher.units import format_duration


class Console:
    """What one command says and asks."""

    answered = False  # the one object of --json is out

    def __init__(self, *, json_output: bool = False, yes: bool = False) -> None:
        self.json_output = json_output
        self._yes = yes
        self._last = ""

    @property
    def interactive(self) -> bool:
        """True if there is somebody to ask."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """A line of progress; the same line twice in a row is said once."""
        if text != self._last:
            click.echo(text, err=True)
            self._last = text

    def result(self, document: dict[str, Any], text: str) -> None:
        """The command's answer: one JSON object with --json, else text."""
        click.echo(json.dumps(document) if self.json_output else text)
        Console.answered = True

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A step with its duration."""
        began = time.monotonic()
        yield
        self.say(f"{name:<28} {format_duration(time.monotonic() - began):>9}")

    def asker(self) -> Asker:
        """How a transport may ask. --yes accepts an unknown host key, never a changed one: that is not asked."""
        return Asker(secret=self._secret, confirm=self._confirm)

    def choose_after_interrupt(self, session: str) -> str:
        """Ask what Ctrl-C meant: detach, stop or keep. Without a terminal, and on a second Ctrl-C: detach."""
        if not self.interactive:
            return "detach"
        try:
            answer = click.prompt(
                f"\nSession {session}: [d]etach and let it run, [s]top it, or [k]eep waiting?",
                default="d",
                type=click.Choice(["d", "s", "k"], case_sensitive=False),
                show_choices=False,
                err=True,
            )
        except (click.Abort, EOFError):
            return "detach"
        return {"d": "detach", "s": "stop", "k": "keep"}[answer.lower()]

    def _secret(self, prompt: str) -> str | None:
        if not self.interactive:
            return None
        answer: str = click.prompt(prompt.rstrip(": "), hide_input=True, err=True, default="", show_default=False)
        return answer or None

    def _confirm(self, question: str) -> bool:
        if self._yes:
            self.say(question)
            return True
        return self.interactive and click.confirm(question, default=False, err=True)


def report_error(error: SpringlineError, *, json_output: bool) -> None:
    """Say what, where and what to do; with --json as an object too."""
    if json_output and not Console.answered:
        said = {"code": error.exit_code, "message": error.message, "hint": error.hint}
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "error": said}))
    click.echo(f"springline: {error.message}", err=True)
    if error.hint:
        click.echo(f"  → {error.hint}", err=True)
