"""The terminal: progress on stderr, results on stdout, questions only where somebody can answer."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import click

from launcher.console.screen import LiveLine, can_draw, fitted
from launcher.errors import AnswerError, SpringlineError
from launcher.model import SCHEMA_VERSION
from launcher.transports.base import Asker
from launcher.units import format_duration

REDRAW_SECONDS = 1.0
AFTER_INTERRUPT = ("Session", "stop", "waiting")  # and of a run:
AFTER_INTERRUPT_OF_RUN = ("Run", "cancel", "watching")
REMIND_SECONDS = 60.0  # where there is no terminal to redraw a line on


class Console:
    """What one command says and asks."""

    answered = False  # the one object of --json is out
    # What the old command line has asked before the command that it stands for began.
    passphrase: ClassVar[str] = ""
    agreed: ClassVar[bool] = False

    def __init__(self, *, json_output: bool = False, yes: bool = False) -> None:
        self.json_output = json_output
        self._yes = yes
        self._last = ""
        self._writing = threading.RLock()
        self._line = LiveLine(sys.stderr)
        self._lines: list[tuple[Callable[[], str], bool]] = []  # what is under way, and within it, and within that
        self._listens = False
        self.heard = False  # the word it listens for

    @property
    def interactive(self) -> bool:
        """True if there is somebody to ask."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """A line of progress; the same line twice in a row is said once."""
        with self._writing:
            if text != self._last:
                self._line.clear()
                click.echo(fitted(text, sys.stderr), err=True)
                self._last = text

    def warn(self, text: str) -> None:
        """A line that must not be missed."""
        self.say(("\a" if sys.stderr.isatty() else "") + text)

    def next_steps(self, steps: str, end: str) -> None:
        """What comes next, and that one need not wait for it; for a person only."""
        if self.interactive and not self._listens:
            self.say(f"  next: {steps}; Ctrl-C: leave it or {end} it")

    def result(self, document: dict[str, Any], text: str) -> None:
        """The command's answer: one JSON object with --json, else text."""
        with self._writing:
            self._line.clear()
            answer(json.dumps(document) if self.json_output else text)
            Console.answered = True

    def line(self, text: str, colour: str = "", *, err: bool = False) -> None:
        """A line of an answer that comes line by line, its first word in a colour."""
        with self._writing:
            self._line.clear()
            if err:
                click.echo(fitted(text, sys.stderr, colour), err=True)
            else:
                answer(fitted(text, sys.stdout, colour))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A step with its duration, shown while it lasts."""

        def words(seconds: float) -> str:
            return f"{name:<28} {format_duration(seconds):>9}"

        began = time.monotonic()
        with self.live(words, remind=True):
            yield
        self.say(words(time.monotonic() - began))

    @contextmanager
    def live(self, words: Callable[[float], str], *, remind: bool = False) -> Iterator[None]:
        """Show what `words` says of the seconds since the beginning, on a line that is drawn again each second.

        Where there is no terminal to draw on, a `remind` says it once a minute. Of several the innermost that has words
        is shown.
        """
        began = time.monotonic()
        self._lines.append((lambda: words(time.monotonic() - began), remind))
        try:
            if len(self._lines) > 1:
                yield
            else:
                with self._telling():
                    yield
        finally:
            self._lines.pop()
            with self._writing:
                self._line.clear()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        over = threading.Event()

        def keep_telling() -> None:
            while not over.wait(REDRAW_SECONDS if self._draws else REMIND_SECONDS):
                self._tell()

        teller = threading.Thread(target=keep_telling, name="console", daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()

    def _tell(self) -> None:
        with self._writing:
            draws = self._draws
            texts = (words() for words, remind in reversed(self._lines) if draws or remind)
            text = next(filter(None, texts), "")
            if text and draws:
                self._line.draw(text)
            elif text:
                self.say(text)

    @property
    def _draws(self) -> bool:
        return can_draw(sys.stderr) and not self._listens

    def asker(self) -> Asker:
        """How a transport may ask. --yes accepts an unknown host key, never a changed one: that is not asked."""
        return Asker(secret=self._secret, visible=self._visible, confirm=self._confirm, tell=self.say)

    def choose_after_interrupt(self, name: str, question: Sequence[str] = AFTER_INTERRUPT) -> str:
        """Ask what Ctrl-C meant: detach, stop or keep. Without a terminal, and on a second Ctrl-C: detach."""
        what, stop, keep = question
        if not self.interactive or self._listens:
            return "detach"
        try:
            with self._writing:
                self._line.clear()
                answer = click.prompt(
                    f"\n{what} {name}: [d]etach and let it run, [{stop[0]}]{stop[1:]} it, or [k]eep {keep}?",
                    default="d",
                    type=click.Choice(["d", stop[0], "k"], case_sensitive=False),
                    show_choices=False,
                    err=True,
                )
        except (click.Abort, EOFError):
            return "detach"
        return {"d": "detach", stop[0]: "stop", "k": "keep"}[answer.lower()]

    def confirm(self, question: str) -> bool:
        """Ask for a yes; --yes is one, and where there is nobody to ask the answer is no."""
        return self.agrees or self._asked(question)

    @contextmanager
    def listening(self, word: str) -> Iterator[None]:
        """Let a typed word end the main thread's wait as Ctrl-C does, and neither asks what it meant."""
        if word and self.interactive:
            self.say(f"enter '{word}' to stop port forwarding:)")
            self._listens = True  # from now on nobody else reads the keyboard
            threading.Thread(target=self._listen, args=(word,), name="listener", daemon=True).start()
        yield

    def _listen(self, word: str) -> None:
        for line in sys.stdin:  # whose end ends nothing
            if line.strip().lower() == word:
                self.heard = True
                if hasattr(signal, "pthread_kill") and (main := threading.main_thread().ident):
                    signal.pthread_kill(main, signal.SIGINT)  # wakes it, as raise_signal does on Windows only
                else:
                    signal.raise_signal(signal.SIGINT)
                return  # a second one would come when nothing waits for it

    @property
    def asks(self) -> bool:
        """True if it may put questions whose answers --yes takes for given."""
        return self.interactive and not self._yes

    @property
    def agrees(self) -> bool:
        """True if every question for a yes has it."""
        return self._yes or Console.agreed

    def ask(self, question: str, default: str = "", *, check: Callable[[str], str] = str) -> str:
        """A typed line; Enter is the default. What `check` raises ValueError for is said, and asked again."""

        def checked(text: str) -> str:
            try:
                return check(text)
            except ValueError as error:
                raise click.UsageError(str(error)) from error

        with self._writing:
            self._line.clear()
            shown = bool(default)
            answer: str = click.prompt(question, default=default, show_default=shown, err=True, value_proc=checked)
        return answer

    def _secret(self, prompt: str) -> str | None:
        if Console.passphrase and "passphrase" in prompt.lower():
            answer, Console.passphrase = Console.passphrase, ""  # if it is wrong, somebody must type another
            return answer
        return self._answer(prompt, hidden=True)

    def _visible(self, prompt: str) -> str | None:
        return self._answer(prompt, hidden=False)

    def _answer(self, prompt: str, *, hidden: bool) -> str | None:
        if not self.interactive:
            return None
        with self._writing:
            self._line.clear()
            answer: str = click.prompt(prompt.rstrip(": "), hide_input=hidden, err=True, default="", show_default=False)
        return answer or None

    def _confirm(self, question: str) -> bool:
        if self._yes:
            self.say(question)
            return True
        return self._asked(question)

    def _asked(self, question: str) -> bool:
        with self._writing:
            self._line.clear()
            return self.interactive and click.confirm(fitted(question, sys.stderr), default=False, err=True)


def answer(text: str) -> None:
    """Print to stdout. Raises AnswerError where that cannot be written."""
    try:
        click.echo(text)
    except BrokenPipeError:  # who reads has enough
        raise
    except OSError as error:
        raise AnswerError(
            f"the answer cannot be written to stdout: {error.strerror}",
            "free some space, or look at your quota, or send the answer elsewhere; what was done stays done",
        ) from error


def error_document(error: SpringlineError) -> None:
    """An error as the command's one JSON object, unless that is out already."""
    if not (Console.answered or isinstance(error, AnswerError)):
        said = {"code": error.exit_code, "message": error.message, "hint": error.hint}
        answer(json.dumps({"schema_version": SCHEMA_VERSION, "error": said}))


def report_error(error: SpringlineError) -> None:
    """Say what, where and what to do."""
    said = f"springline: {error.message}" + (f"\n  → {error.hint}" if error.hint else "")
    click.echo(fitted(said, sys.stderr, "red"), err=True)
