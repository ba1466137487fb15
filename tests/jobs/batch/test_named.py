"""Jobs that other packages plug in with one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.jobs.conftest import ROOT

MODULE = '''
from pathlib import Path

from jobs.errors import InputError
from jobs.model import BatchJob, Option


def shout(source, target, *, mark: str = "!"):
    """Write the source's name in capitals."""
    Path(target).write_text(Path(source).stem.upper() + mark)


def place(source, output, options):
    return f"{output}/{Path(source).stem}{options.get('mark', '')}.loud"


def check(source, options):
    if "quiet" in source:
        raise InputError(f"{source} is quiet.", "Leave it out.")


def select(sources, options):
    return [source for source in sources if "secret" not in source]


JOB = BatchJob(
    name="shouting", summary="Shout.", function="group:shout", input_help="Whatever.", target="group:place",
    options=(Option("mark", "What ends it."),), check="group:check", select="group:select",
    examples=("a.txt --output out/",),
)
'''
POINTS = "[springline.jobs]\nshout = group:shout\nshouting = group:JOB\nwrong = group:nowhere\n"


def test_a_function_and_a_batch_job_become_commands(tmp_path: Path) -> None:
    """Both are listed and have their options; a job's own hooks place, check and choose."""
    (tmp_path / "group.py").write_text(MODULE)
    info = tmp_path / "group-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: group\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    for name in ("loud", "quiet", "secret"):
        (tmp_path / f"{name}.txt").touch()

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobs", *arguments]
        environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == code, done.stderr
        return done

    listed = {job["name"]: job for job in json.loads(run("list", "--json").stdout)["jobs"]}
    assert listed["shout"]["summary"] == "Write the source's name in capitals."
    assert listed["shouting"]["summary"] == "Shout." and "cannot be loaded" in listed["wrong"]["error"]
    assert "--mark TEXT" in run("run", "shout", "--help").stdout
    run("run", "shout", "loud.txt", "--target", "named/{stem}.loud")
    assert (tmp_path / "named/loud.loud").read_text() == "LOUD!"

    done = run("run", "shouting", "*.txt", "--output", "out", "--mark", "?", code=1)
    assert "quiet.txt is quiet." in done.stderr
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {"loud?.loud": "LOUD?"}
    records = [json.loads(line) for line in (tmp_path / "out.run/ledger.jsonl").read_text().splitlines()]
    refused = [record for record in records if record.get("attempt") == 0]
    assert [Path(record["item"]).name for record in refused] == ["quiet.txt"]
