"""A folder of small sources, and `map` over it as a user would call it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobs.cli import cli
from tests.jobs.conftest import Runner

FUNCTIONS = Path(__file__).with_name("functions.py")


class Map:
    """`python -m jobs run map functions.py:FUNCTION`, and what it left."""

    def __init__(self, run: Runner, folder: Path) -> None:
        self.run, self.folder = run, folder
        self.output = folder / "out"
        self.run_dir = folder / "out.run"

    def source(self, name: str, text: str = "text\n") -> Path:
        """Make a source."""
        path = self.folder / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def arguments(self, function: str, *more: object) -> list[str]:
        """The command line after `python -m jobs`."""
        where = ["--inputs", f"{self.folder}/in/*.txt", "--target", f"{self.output}/{{stem}}.out"]
        given = [] if "--items" in more else where
        return ["run", "map", f"{FUNCTIONS}:{function}", *given, *map(str, more)]

    def refused(self, *arguments: str) -> str:
        """What the command line says to `run ARGUMENTS`, in this process; it must exit with 2."""
        done = CliRunner().invoke(cli, ["run", *arguments])
        assert done.exit_code == 2 and "Traceback" not in done.output, done.output
        return done.output

    def __call__(self, function: str, *more: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it to its end and check its exit code."""
        done = self.run(*self.arguments(function, *more))
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def values(self, function: str, *more: object, code: int = 0) -> dict[str, Any]:
        """Run it with --json."""
        found: dict[str, Any] = json.loads(self(function, *more, "--json", code=code).stdout)
        return found

    def attempts(self, name: str = "") -> list[dict[str, Any]]:
        """The ledger's attempts, at all items or at one."""
        lines = [json.loads(line) for line in (self.run_dir / "ledger.jsonl").read_text().splitlines()]
        return [line for line in lines if "item" in line and (not name or Path(line["item"]).name == name)]

    def whole(self) -> list[str]:
        """Names of the targets that are there, without the hidden ones of what is being written."""
        return sorted(path.name for path in self.output.iterdir() if not path.name.startswith("."))

    def written(self) -> dict[str, str]:
        """Names in the output, hidden ones too, with their text."""
        return {path.name: path.read_text() if path.is_file() else "" for path in self.output.iterdir()}


@pytest.fixture
def mapped(here: Runner, tmp_path: Path) -> Map:
    """A fresh folder."""
    return Map(here, tmp_path)


Sources = Callable[[int], None]


@pytest.fixture
def sources(mapped: Map) -> Sources:
    """Make so many sources."""

    def make(count: int) -> None:
        for number in range(count):
            mapped.source(f"{number:03}.txt", f"text {number}\n")

    return make
