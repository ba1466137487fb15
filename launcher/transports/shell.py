"""A shell as a child process of ours, here or at the far end of `ssh`, that is fed a script."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from launcher.errors import ConnectError
from launcher.schedulers.base import Answer
from launcher.transports.base import Frame, Incoming

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
    frame = Frame.new()
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        output = process.stdout.fileno()

        def chunks() -> Iterator[bytes]:
            while True:
                if not select.select([output], [], [], timeout)[0]:
                    raise ConnectError(f"{label}: nothing came for {timeout:.0f} s", "check your network and try again")
                data = os.read(output, CHUNK)
                if not data:
                    return
                yield data

        def said() -> str:
            errors.seek(0)
            return errors.read().decode(errors="replace")

        try:
            try:
                process.stdin.write(frame.wrap(script).encode())
                process.stdin.close()
            except BrokenPipeError:  # it is gone already, and says why below
                process.stdin = None
            yield Incoming(chunks(), frame, said, label)
        finally:
            process.kill()
