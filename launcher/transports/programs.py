"""A program of this computer, run to its end while somebody hears what it says."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable

from launcher.schedulers.base import Answer


def run_program(command: list[str], tell: Callable[[str], None] = lambda line: None) -> Answer:
    """Run it; `tell` hears each line of its output as it comes. It does not outlive us."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8", errors="replace"
        ) as process,
    ):
        assert process.stdout is not None
        lines = []
        try:
            for line in process.stdout:
                lines.append(line)
                tell(line.rstrip("\n"))
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        errors.seek(0)
        return Answer("".join(lines), errors.read(), code)
