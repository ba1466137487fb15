"""A shell as a child process of ours, here or at the far end of `ssh`, that is fed a script."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from launcher.errors import ConnectError
from launcher.schedulers.base import Answer
from launcher.transports.base import Frame, Incoming
from launcher.transports.sending import Conversation

if sys.platform == "win32":
    raise ImportError("not on Windows")  # transport_for says why

CHUNK = 1 << 18  # bytes


def feed(command: list[str], script: str, *, timeout: float, label: str) -> Answer:
    """Run a script on the stdin of a command that ends in a shell; in a process session of its own, so that a Ctrl-C
    in this terminal does not reach what it starts. Raises ConnectError."""
    frame = Frame.new()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(frame.wrap(script).encode(), timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise ConnectError(f"{label}: a command took longer than {timeout:.0f} s") from error
        except BaseException:
            process.kill()
            raise
    return frame.unwrap(output.decode(errors="replace"), errors.decode(errors="replace"), label)


@contextmanager
def receiving(command: list[str], script: str, *, timeout: float, label: str) -> Iterator[Incoming]:
    """The same for output that is read as it comes; `timeout` is the longest silence (s). Raises ConnectError."""
    with conversing(command, script, timeout=timeout, label=label, listens=False) as talk:
        yield talk.incoming


@contextmanager
def conversing(
    command: list[str], script: str, *, timeout: float, label: str, listens: bool = True
) -> Iterator[Conversation]:
    """The same for a script that `listens` to what is written to it."""
    frame = Frame.new()
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, bufsize=0
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        ours, theirs = process.stdin, process.stdout.fileno()

        def said() -> str:
            errors.seek(0)
            return errors.read().decode(errors="replace")

        try:
            # Where it is gone already, it says why below.
            with suppress(BrokenPipeError):
                _write(ours.fileno(), frame.wrap(script, listens=listens).encode(), timeout, label)
            if not listens:
                ours.close()
            incoming = Incoming(_chunks(theirs, timeout, label), frame, said, label)
            yield Conversation(incoming, lambda data: _write(ours.fileno(), data, timeout, label), ours.close)
        finally:
            process.kill()


def _chunks(output: int, timeout: float, label: str) -> Iterator[bytes]:
    while True:
        if not select.select([output], [], [], timeout)[0]:
            raise ConnectError(f"{label}: nothing came for {timeout:.0f} s", "check your network and try again")
        data = os.read(output, CHUNK)
        if not data:
            return
        yield data


def _write(pipe: int, data: bytes, timeout: float, label: str) -> None:
    """Write everything, as fast as it is taken."""
    os.set_blocking(pipe, False)
    rest = memoryview(data)
    while rest:
        if not select.select([], [pipe], [], timeout)[1]:
            raise ConnectError(f"{label}: nothing was taken for {timeout:.0f} s", "check your network and try again")
        with suppress(BlockingIOError):
            rest = rest[os.write(pipe, rest) :]
