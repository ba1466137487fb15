"""The page "Write your own job": its files are written, its package is installed, its commands are run."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

from tests.docs.commands import ROOT, Page, pages

PAGE = "docs/own-job.md"


@dataclass(frozen=True)
class Reader:
    """Somebody who types what the page shows."""

    folder: Path
    page: Page

    def lays_out(self) -> None:
        """Write the page's files; where it says `pip install .`, its package is installed already."""
        for name, text in self.page.files:
            (self.folder / name).write_text(text)
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        info = self.folder / f"{project['name']}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        (info / "entry_points.txt").write_text(_points(project["entry-points"]))

    def types(self, command: str) -> str:
        """Run a command, which must end well; returns what it printed."""
        words = shlex.split(command.partition("  #")[0].replace("springline run", "python -m jobs run"))
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=self.folder, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}"},
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def ledger(self, run: str) -> list[dict[str, object]]:
        """The attempts of a run."""
        lines = (self.folder / f"{run}.run/ledger.jsonl").read_text().splitlines()
        return [record for record in map(json.loads, lines) if "item" in record]


def _points(groups: Mapping[str, Mapping[str, str]]) -> str:
    lines = [
        line for group, named in groups.items() for line in (f"[{group}]", *(f"{n} = {v}" for n, v in named.items()))
    ]
    return "\n".join([*lines, ""])


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader with the page and an empty folder."""
    found = Reader(tmp_path, next(page for page in pages() if page.file == PAGE))
    found.lays_out()
    return found


@pytest.mark.slow
def test_every_step_of_the_page(reader: Reader) -> None:
    """The file, the module, the named command and the BatchJob do what the page says, and skip what is done."""
    commands = [shown.text for shown in reader.page.of("block") if not shown.text.startswith("pip ")]
    sample, file, module, named, table, *satellite = commands
    assert len(satellite) == 1 and "l1b.py:l1b" in satellite[0], "a new command of the page is not run here"
    reader.types(sample)
    assert "2 done of 2 items" in reader.types(file)
    with xr.open_dataset(next(reader.folder.glob("cold/*2000.nc"))) as found:
        assert found.tmin.dims == ("y", "x") and found.tmin.notnull().any()
    assert all(record["result"]["cells"] > 1000 for record in reader.ledger("cold"))  # type: ignore[index]
    for again in (module, named):
        assert "2 skipped of 2 items" in reader.types(again)
    reader.types(table)
    with (reader.folder / "coldest.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["day"][:4] for row in rows] == ["2000", "2001"] and all(-60 < float(row["value"]) < 0 for row in rows)
    reader.types(table)
    assert len(reader.ledger("coldest.csv")) == 2
