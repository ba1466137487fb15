"""The real `springline` command in a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    output: str
    errors: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        (line,) = self.output.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


def _interruptible() -> None:
    """A shell that runs tests in the background has them ignore Ctrl-C; the command under test must not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Command:
    """Callable: `springline("up", "--detach")` runs it to its end, without a terminal."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / ".config" / "springline" / "platforms.ini"
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_STATE_HOME": str(home / ".local" / "state"),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "PYTHONUNBUFFERED": "1",
        }

    def configure(self, text: str) -> None:
        """Write the user's own platforms.ini."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text, encoding="utf-8")

    def __call__(self, *arguments: str, program: str = "springline", cwd: Path | None = None) -> Result:
        """Run to the end; no answer of the command may ever be a traceback."""
        process = self.popen(*arguments, program=program, cwd=cwd)
        try:
            output, errors = process.communicate(timeout=120)
        finally:
            process.kill()
        assert "Traceback" not in output + errors
        return Result(process.returncode, output, errors)

    def popen(self, *arguments: str, program: str = "springline", cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start it and return."""
        return subprocess.Popen(
            [str(BIN / program), *arguments],
            env=self.environment,
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_interruptible,
        )
