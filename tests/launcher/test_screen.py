"""How text lies on a terminal: folded at words below where it began, cut with a sign, drawn again on one line."""

from __future__ import annotations

import io
import os

import pytest

from launcher.console import screen
from launcher.console.screen import LiveLine, cut, fitted, folded


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_folds_below_the_column() -> None:
    """A row's last column stays a column, an advice hangs behind its arrow, a sentence is indented."""
    row = "ok       internet              none, and sessions need none, nor does env install"
    assert (
        folded(row, 62) == f"ok       internet              none, and sessions need none,\n{'':31}nor does env install"
    )
    assert folded("  → ask for less: --walltime", 20) == "  → ask for less:\n    --walltime"
    assert folded("springline: it is not known", 20) == "springline: it is\n  not known"
    assert folded("fits\n  and this", 20) == "fits\n  and this"


def test_commands_and_paths_stay_whole() -> None:
    """What is copied from a terminal is not broken: a command goes to the next line, a long path over the edge."""
    assert folded("come back: springline attach one, or not", 32) == "come back:\n  springline attach one, or not"
    assert folded("see `springline platform list`", 25) == "see\n  `springline platform list`"
    assert folded("no file /a/long/path/to/a/file here", 12).split("\n")[1] == "  /a/long/path/to/a/file"


def test_cut_says_so() -> None:
    """A sign stands for what is not shown."""
    assert (cut("waiting", 7), cut("waiting", 6)) == ("waiting", "waiti…")


def test_a_file_gets_the_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fold and no colour in a file; NO_COLOR and dumb terminals have no colour, others do."""
    assert fitted("failed " + "word " * 40, io.StringIO(), "red") == "failed " + "word " * 40
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert fitted("failed x", Tty(), "red") == "\x1b[31m\x1b[1mfailed\x1b[0m x"
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
        assert fitted("failed x", Tty(), "red") == "failed x"
        monkeypatch.delenv(name)


def test_a_narrower_terminal_keeps_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that was folded by the terminal meanwhile is taken away from where it begins now."""
    written, wide = Tty(), [80]
    monkeypatch.setattr(screen, "columns_of", lambda _: wide[0])
    line = LiveLine(written)
    line.draw("x" * 70)
    wide[0] = 30
    line.clear()
    assert written.getvalue().endswith("\r\x1b[2A\x1b[J")


def test_width_of_a_terminal() -> None:
    """It is asked of the stream itself, which may be another than stdout; a file has the usual one."""
    import pty

    master, slave = pty.openpty()
    with os.fdopen(master), os.fdopen(slave, "w") as stream:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 57, 0, 0))
        assert screen.columns_of(stream) == 57
    assert screen.columns_of(io.StringIO()) == 80
