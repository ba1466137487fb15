"""A command on a host with a terminal of its own, and somebody who reads and types there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Mapping
from types import TracebackType

import pyte

from tests.slurm.factors import Answers
from tests.slurm.hosts import Command, Host

ROWS = 60


class Terminal:
    """Context manager; `text` is all that was written so far, both streams, as a person sees it."""

    def __init__(
        self, host: Host, command: list[str], *, user: str, env: Mapping[str, str] | None = None, columns: int = 0
    ) -> None:
        self.text = ""
        self._read_up_to = 0
        self._master, slave = pty.openpty()
        self._columns = columns  # 0 is a terminal that does not say how wide it is
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", ROWS if columns else 0, columns, 0, 0))
        # So that /dev/tty is this terminal, too; and Ctrl-C works even where the tests run in a shell's background.
        inside: Command = ["setsid", "--ctty", "--wait", "env", "--default-signal=INT", *command]
        self.process = host.popen(inside, user=user, env=env, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    @property
    def returncode(self) -> int:
        """The command's exit code, once it has ended."""
        return self.process.wait(timeout=30)

    def until(self, pattern: str, timeout: float = 30) -> str:
        """Wait until something new on the screen matches, and return what matched; '' if the command ended first."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.text[self._read_up_to :])):
            if not self._read(deadline):
                return ""
        self._read_up_to += found.end()
        return found.group()

    def finish(self) -> int:
        """Read to the end; returns the exit code."""
        self.until(r"\Z(?!)")
        return self.returncode

    def screen(self) -> list[str]:
        """What a person sees now, scrolled up to the first line; empty lines are left out."""
        screen = pyte.Screen(self._columns, ROWS)
        pyte.Stream(screen).feed(self.text)
        return [line.rstrip() for line in screen.display if line.strip()]

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, line.encode() + b"\n")

    def press(self, key: str) -> None:
        """Press a key, which need not be one that shows."""
        os.write(self._master, key.encode())

    def press_ctrl_c(self) -> None:
        """As on a keyboard: the terminal makes a signal of it."""
        self.press("\x03")

    def answer(self, answers: Answers, *, at_most: int = 9, timeout: float = 30) -> list[str]:
        """Answer questions, each named by a word before its colon, until the command ends; returns them in order."""
        asked: list[str] = []
        anyone = "|".join(rf"{word}[^\r\n]*:" for word in answers)
        while len(asked) < at_most and (question := self.until(anyone, timeout)):
            word = next(word for word in answers if question.startswith(word))
            asked.append(word)
            self.type(answers[word]())
        return asked

    def _read(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([self._master], [], [], left)[0], (
            f"nothing more on the terminal:\n{self.text}"
        )
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self.text += data.decode(errors="replace")
        return bool(data)
