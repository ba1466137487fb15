"""A shell as a child process of ours, here or at the far end of `ssh`, that is fed a script."""

from __future__ import annotations

import subprocess

from launcher.errors import ConnectError
from launcher.schedulers.base import Answer
from launcher.transports.base import Frame


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
