"""Runs of analyses on the test cluster, as tests see them: items to work on, and what became of each."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.slurm import files
from tests.slurm.laptop import Springline

SCRIPT = """\
import pathlib, time

def upper(source, target, seconds: float = 0.3):
    time.sleep(seconds)
    text = pathlib.Path(source).read_text()
    if text.startswith("bad"):
        raise ValueError("no good")
    pathlib.Path(target).write_text(text.upper())
"""


@dataclass
class Items:
    """`count` small files of alice's in ~/in, and the user's own function on the laptop."""

    springline: Springline
    count: int

    @classmethod
    def laid(cls, springline: Springline, count: int, bad: int | None = None) -> Items:
        """Lay the files out; one may be bad."""
        lines = [f"mkdir in; for i in $(seq {count}); do echo text $i >in/$i.txt; done"]
        lines += [f"echo bad >in/{bad}.txt"] if bad else []
        springline.cluster.login.run("\n".join(lines), user="alice")
        script = springline.home / "my.py"
        script.write_text(SCRIPT)
        script.chmod(0o644)
        return cls(springline, count)

    def words(self, name: str, *more: str, on: str = "testbed", output: str = "out") -> list[str]:
        """The command that runs the function over them."""
        target = f"{output}/{{stem}}.txt"
        mapped = ["map", "my.py:upper", "--inputs", "in/*.txt", "--target", target]
        return ["run", *mapped, "--on", on, "--name", name, *more]

    def done(self, output: str = "out") -> int:
        """How many results there are by now."""
        return len(self._names(output))

    def complete(self, output: str = "out", *, bad: int | None = None) -> None:
        """Every result is there and right, once, and nothing else is."""
        wanted = {f"{number}.txt" for number in range(1, self.count + 1) if number != bad}
        assert self._names(output) == sorted(wanted)
        contents = self.springline.cluster.login.run(f"cat {shlex.quote(output)}/*.txt", user="alice").stdout
        expected = {f"TEXT {number}" for number in range(1, self.count + 1) if number != bad}
        assert sorted(contents.splitlines()) == sorted(expected)

    def ledger(self, output: str = "out") -> list[dict[str, Any]]:
        """What the run's ledger tells."""
        text = (self.springline.cluster.cluster_home() / f"{output}.run/ledger.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def told(self, output: str = "out") -> Counter[str]:
        """How often the ledger tells of each result that it was made; it tells of no other."""
        counted = Counter(Path(line["target"]).name for line in self.ledger(output) if line.get("state") == "done")
        assert set(counted) <= set(self._names(output))
        return counted

    def _names(self, output: str) -> list[str]:
        directory = self.springline.cluster.cluster_home() / output
        return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def live_jobs(springline: Springline, word: str = "") -> list[dict[str, str]]:
    """Alice's jobs that wait or run, of which the name holds a word."""
    return [
        job
        for job in springline.cluster.jobs()
        if job["state"] in ("PENDING", "RUNNING", "COMPLETING") and word in job["name"]
    ]


def owned(folder: Path) -> None:
    """Give everything below a folder to alice."""
    uid = next(user.uid for user in files.CLUSTER_USERS if user.name == "alice")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid)


def follow(springline: Springline, job: str, *words: str, code: int = 0) -> dict[str, Any]:
    """`springline run JOB --on testbed`; returns what --json says."""
    done = springline("run", job, *words, "--on", "testbed", "--json", timeout=120)
    assert done.returncode == code, done.stderr
    values: dict[str, Any] = json.loads(done.stdout)
    return values
