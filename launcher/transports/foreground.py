"""A program of this computer in this terminal."""

from __future__ import annotations

import os
import subprocess
import sys


def run_here(command: list[str], environment: dict[str, str]) -> int:
    """Run a program in this terminal to its end; returns its exit code, where it does.

    Where the system can, it takes this process's place: whatever is meant for one, such as a signal, is for both.
    """
    if sys.platform != "win32":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execvpe(command[0], command, environment)
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the terminal sent it to the program too, which decides what it means
                continue
