"""The node program with an analysis in place of JupyterLab: what it starts, and how it ends, without any cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launcher.node.request import SessionDir
from launcher.node.runstate import finished
from tests.launcher.node_session import prepare, slurm_words

# Stands in for `python -m jobs`: says what it was given, does so many items, and leaves in order when it is told to.
JOBS = """\
import json, os, pathlib, signal, sys, time

here, follow = pathlib.Path(os.getcwd()), pathlib.Path(os.environ["SPRINGLINE_FOLLOW"])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
(here / "seen.json").write_text(json.dumps({"arguments": sys.argv[1:], "session": os.getsid(0) == os.getpid()}))
done, wait, code = json.loads((here / "plan.json").read_text())
(follow / "progress.json").write_text(json.dumps({"done": done, "skipped": 2}))
time.sleep(wait)
print("springline: it did not work", file=sys.stderr)
sys.exit(code)
"""
NAME = "springline-run_r1-abc123"


@dataclass
class Node:
    """A node on which a run's job starts, as often as one likes."""

    directory: Path
    home: Path

    @classmethod
    def made(cls, base: Path, *, walltime: int | None = None, **analysis: Any) -> Node:  # noqa: ANN401
        """A run's directory, the stand-in for the analyses, and SLURM's commands as scripts."""
        asked = {"arguments": ["run", "map", "script/my.py:f"], "in_allocation": True, "processes": 3, **analysis}
        directory = prepare(
            base / "r1",
            scheduler="slurm",
            queue=slurm_words(NAME),
            walltime_seconds=walltime,
            doors=[],
            analysis={"directory": "$PLACE", **asked},
        )
        package = directory / "home" / "jobs"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(JOBS)
        for name, body in (("sbatch", f"echo called >>{base}/calls; echo 8"), ("squeue", "echo 7"), ("scancel", "")):
            (base / name).write_text(f"#!/bin/sh\n{body}\n")
            (base / name).chmod(0o755)
        return cls(directory, directory / "home")

    def start(self, job: str = "7", *, done: int = 0, wait: float = 0, code: int = 0) -> subprocess.Popen[bytes]:
        """Start the job; the analysis has so many items done, takes so long and ends so."""
        (self.home / "plan.json").write_text(json.dumps([done, wait, code]))
        environ = {
            **os.environ,
            "PATH": f"{self.directory.parent}{os.pathsep}{os.environ['PATH']}",
            "PLACE": str(self.home),
            "SLURM_JOB_ID": job,
            "SLURM_JOB_NAME": NAME,
            "SPRINGLINE_UMASK": "0027",
        }
        command = [sys.executable, str(self.directory / "node"), "run", str(self.directory)]
        return subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)

    def state(self) -> dict[str, Any]:
        """What it says of itself."""
        file = self.directory / "state.json"
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def until_running(self) -> None:
        """Wait until the analysis has begun."""
        deadline = time.monotonic() + 20
        while not (self.home / "seen.json").exists() or self.state().get("phase") != "running":
            assert time.monotonic() < deadline, self.state()
            time.sleep(0.05)

    @property
    def submissions(self) -> int:
        """How often it was submitted again."""
        calls = self.directory.parent / "calls"
        return len(calls.read_text().split()) if calls.exists() else 0


def test_analysis_gets_its_words_its_place_and_its_umask(tmp_path: Path) -> None:
    """A script that came along is named by its place; what the analysis writes is as open as all the user writes."""
    node = Node.made(tmp_path, script_at=2)
    assert node.start().wait(30) == 0
    seen = json.loads((node.home / "seen.json").read_text())
    script = f"{node.directory}/script/my.py:f"
    assert seen["arguments"] == ["run", "map", script, "--dask", "local", "--workers", "3"]
    assert (node.home / "seen.json").stat().st_mode & 0o777 == 0o640
    assert (node.directory / "state.json").stat().st_mode & 0o777 == 0o600
    state = node.state()
    assert (state["phase"], state["reason"], state["exit_code"], state["job_id"]) == ("ending", "finished", 0, "7")
    assert not (node.directory / "tls.key").exists()


def test_analysis_that_fails_says_why(tmp_path: Path) -> None:
    """Its exit code is the job's, and its own message stands in the state."""
    node = Node.made(tmp_path)
    assert node.start(code=2).wait(30) == 2
    assert node.state()["message"] == "The analysis ended with exit code 2: it did not work"


def test_analysis_that_cannot_start(tmp_path: Path) -> None:
    """A directory that is not there is named."""
    node = Node.made(tmp_path, directory="/nowhere")
    assert node.start().wait(30) == 1
    assert node.state()["reason"] == "failed" and "/nowhere" in node.state()["message"]


def test_end_of_the_walltime_leads_to_another_job_while_it_gets_on(tmp_path: Path) -> None:
    """The analysis is stopped in order before the time is up, and the job submitted once; not when it did nothing."""
    node = Node.made(tmp_path, walltime=7, resubmit=True)
    assert node.start(done=5, wait=60).wait(30) == 0
    state = node.state()
    assert (state["reason"], state["next_job_id"], state["finished"], node.submissions) == ("time_limit", "8", 7, 1)
    assert (node.directory / "submission").read_text() == "8\n" and (node.directory / "tls.key").exists()
    assert node.start("8", done=5, wait=60).wait(30) == 130
    state = node.state()
    assert (state["next_job_id"], state["jobs"], node.submissions) == (None, ["7", "8"], 1)
    assert "nothing done" in state["message"]


@pytest.mark.parametrize(
    ("progress", "count"),
    [
        ('{"done": 5, "skipped": 2, "failed": 3}', 10),
        ('{"done": 5, "skipped": 2, "failed": null}', 7),
        ('{"done": 5, "skipped": 2, "failed": 3, "finished": 40}', 40),
        ('{"done": 5, "skipped": 2, "failed": 3, "finished": null}', 10),
        ('{"done": null, "skipped": 2}', None),
        ("[]", None),
        ('{"do', None),
    ],
)
def test_what_counts_as_progress(tmp_path: Path, progress: str, count: int | None) -> None:
    """Items that failed are behind the run as those that are done; an analysis that counts by itself is believed."""
    (tmp_path / "progress.json").write_text(progress)
    assert finished(SessionDir(tmp_path)) == count


@pytest.mark.parametrize(("note", "reason"), [(False, "terminated"), (True, "stopped")])
def test_signal_from_outside(tmp_path: Path, note: bool, reason: str) -> None:
    """It ends the analysis in order, and is no time limit while there is time: SLURM restarts what it requeues."""
    node = Node.made(tmp_path, walltime=40, resubmit=True)
    process = node.start(wait=60)
    node.until_running()
    if note:
        (node.directory / "stop").touch()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert node.state()["reason"] == reason and node.submissions == 0


def test_run_that_was_cancelled_while_it_waited(tmp_path: Path) -> None:
    """A job that starts all the same does nothing."""
    node = Node.made(tmp_path)
    (node.directory / "stop").touch()
    assert node.start().wait(30) != 0
    assert node.state()["reason"] == "stopped" and not (node.home / "seen.json").exists()


def test_run_that_another_one_has_taken_over(tmp_path: Path) -> None:
    """On a node that SLURM gave up it leaves by itself, and writes nothing over what the new one says."""
    node = Node.made(tmp_path)
    process = node.start(wait=60)
    node.until_running()
    theirs = json.dumps({**node.state(), "seq": 99, "host": "another"})
    (node.directory / "state.json").write_text(theirs)
    assert process.wait(30) == 0
    assert (node.directory / "state.json").read_text() == theirs
