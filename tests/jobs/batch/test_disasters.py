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


def test_what_a_dead_driver_left_running_spoils_nothing(mapped: Map, sources: Sources) -> None:
    """A worker that goes on with half an item, which the next driver clears away, does not make that half appear."""
    sources(2)
    with dask_cluster(mapped.folder, workers=1) as address:
        command = [sys.executable, "-m", "jobs", *mapped.arguments("rebuild", "--dask", address)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not list(mapped.output.glob(".part-*/5.txt")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert mapped.values("rebuild", "--dask", address)["done"] == 2
    assert {path.name: len(list(path.iterdir())) for path in mapped.output.iterdir()} == {"000.out": 20, "001.out": 20}


def test_one_item_without_room_holds_nobody(mapped: Map, sources: Sources) -> None:
    """Where others find room, it is that item's own trouble, and it fails in the end."""
    sources(3)
    mapped.source("000.txt", "full")
    values = mapped.values("poison", "--retries", "1", "--workers", "1", code=1)
    assert (values["done"], values["failed"]) == (2, 1)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    if os.geteuid() != 0:
        pytest.skip("a small disk of its own needs root")
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_a_disk_for_one_of_many_is_tried_now_and_then(mapped: Map, sources: Sources) -> None:
    """An item that is done while others find no room is no reason to try them at once, or to blame them."""
    sources(5)
    with small_disk(mapped.folder) as disk:
        mapped.output, mapped.run_dir = disk / "out", mapped.folder / "out.run"
        arguments = mapped.arguments("fill_most", "--workers", "2", "--run-dir", mapped.run_dir)
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs", *arguments], cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        while "waiting for room" not in (line := process.stderr.readline()):
            assert line, process.stdout
        time.sleep(8)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, output + errors
        assert len(mapped.whole()) == 5 and errors.count("waiting for room") <= 2
    assert sum(line["state"] == "retry" for line in mapped.attempts()) <= 6


@pytest.mark.parametrize("function", ["fill", "odd_words"])
def test_a_full_disk_is_waited_for(mapped: Map, sources: Sources, function: str) -> None:
    """No item fails: the run holds until there is room again, its ledger on the same disk too."""
    sources(12)
    with small_disk(mapped.folder) as disk:
        mapped.output, mapped.run_dir = disk / "out", disk / "out.run"
        hog = disk / "hog"
        hog.write_bytes(bytes(3_000_000))
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs", *mapped.arguments(function), "--limit", "7"],
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
