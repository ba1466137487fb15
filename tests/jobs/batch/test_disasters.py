"""Workers that die with their batch, and a disk that is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.clusters import BLAME
from tests.jobs.batch.conftest import Map, Sources
from tests.jobs.conftest import ROOT

SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
WORKER = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard"]


@contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[str]:
    """A scheduler and workers as processes, none of which comes back when it dies; gives the address."""
    file = folder / "scheduler.json"
    settings = {name.replace(".", "__").replace("-", "_").upper(): str(value) for name, value in BLAME.items()}
    environment = os.environ | {f"DASK_{name}": value for name, value in settings.items()}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT, "env": environment}
    commands = [[*SCHEDULER, "--no-dashboard", "--scheduler-file", str(file)]]
    commands += [[*WORKER, "--no-nanny", "--scheduler-file", str(file)]] * workers
    processes = [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
    try:
        while not file.exists():
            time.sleep(0.05)
        yield str(json.loads(file.read_text())["address"])
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_an_item_that_kills_its_workers_is_blamed_after_two(mapped: Map, sources: Sources) -> None:
    """Two of three workers die under it; everything else is done by those that are left."""
    sources(12)
    mapped.source("005.txt", "die")
    with dask_cluster(mapped.folder, workers=3) as address:
        values = mapped.values("kill_worker", "--dask", address, code=1)
    assert (values["done"], values["failed"]) == (11, 1)
    assert mapped.whole() == sorted(f"{number:03}.out" for number in range(12) if number != 5)
    assert mapped.whole() == sorted(mapped.written())
    lost = list(map(json.loads, (mapped.run_dir / "ledger.jsonl").read_text().splitlines()))
    assert sum(line.get("event") == "lost" for line in lost) == 2
    assert mapped.attempts("005.txt")[-1]["error"] == "WorkerLost"


def test_a_full_disk_is_waited_for(mapped: Map, sources: Sources) -> None:
    """No item fails: the run holds until there is room again, its ledger on the same disk too."""
    if os.geteuid() != 0:
        pytest.skip("a small disk of its own needs root")
    sources(12)
    disk = mapped.folder / "disk"
    disk.mkdir()
    mapped.output, mapped.run_dir = disk / "out", disk / "out.run"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    try:
        hog = disk / "hog"
        hog.write_bytes(bytes(3_000_000))
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs", *mapped.arguments("fill"), "--limit", "7"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        while "waiting for room" not in (line := process.stderr.readline()):
            assert line, process.stdout
        assert process.poll() is None
        hog.unlink()
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        assert {path.stat().st_size for path in mapped.output.iterdir()} == {1_000_000}
        assert len(mapped.whole()) == 7
        assert [line["error"] for line in mapped.attempts() if line["state"] == "retry"]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
