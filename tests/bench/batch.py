"""The batch engine: what it costs per item, against one future per item and against the page people copied.

All sides create the same empty files in memory (/dev/shm where there is one), so that what is left is overhead; a plain
loop is the floor. Then a million items go through the driver alone, with workers that answer at once.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench.report import goal, table

ITEMS, OTHERS, MILLION = 130_000, 20_000, 1_000_000
"""Items of ours; of the others, which take long enough with these; of the driver alone."""
GOAL_MICROSECONDS, GOAL_GROWTH = 150, 1.25
PARTITIONS, WORKERS = 14, 2
"""Of the page; and everybody's workers."""


def nothing(source: str, target: str) -> None:
    """Create the target and do nothing else."""
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY))


def names(folder: str, count: int) -> Iterator[tuple[str, str]]:
    """Sources that are never opened, and targets."""
    return ((f"{folder}/in/{number:07}.dat", f"{folder}/out/{number:07}.txt") for number in range(count))


def floor(folder: str, count: int) -> None:
    """A loop."""
    for source, target in names(folder, count):
        nothing(source, target)


def engine(folder: str, count: int) -> None:
    """The command a user would type."""
    items = Path(folder, "items.txt")
    with items.open("w") as stream:
        stream.writelines(f"{source}\n" for source, _ in names(folder, count))
    command = [sys.executable, "-m", "jobs", "run", "map", "tests.bench.batch:nothing", "--items", str(items)]
    command += ["--target", f"{folder}/out/{{stem}}.txt", "--workers", str(WORKERS), "--json", "--quiet"]
    done = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert done["done"] == count, done


def single_futures(folder: str, count: int) -> None:
    """`client.map`, a future for each item."""
    from distributed import Client, LocalCluster, as_completed

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        sources, targets = zip(*names(folder, count), strict=True)
        for future in as_completed(client.map(nothing, sources, targets)):
            future.result()


def page(folder: str, count: int) -> None:
    """The published notebook: a Dask dataframe of rows, a message through a Queue for each."""
    import dask.dataframe as dd
    import distributed
    import pandas as pd

    with (
        distributed.LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        queue = distributed.Queue("batch_processing")

        def batch_processing(part: Any, messages: Any = queue) -> Any:  # noqa: ANN401 - the page has no types
            written = []
            for _, row in part.iterrows():
                source, target = row[["safe", "out_path"]]
                if Path(target).exists():
                    written.append(target)
                    continue
                began = time.time()
                nothing(source, target)
                messages.put({"status": True, "args": (source, target), "time": time.time() - began, "error": ""})
                written.append(target)
            return pd.Series(written, dtype=object)

        rows = pd.DataFrame(names(folder, count), columns=["safe", "out_path"])
        rows = rows[rows["out_path"].apply(lambda file: not Path(file).exists())]
        result = dd.from_pandas(rows, npartitions=PARTITIONS).map_partitions(batch_processing, meta=("foo", object))
        kept = result.persist(retries=1)
        for _ in range(count):
            queue.get()
        del kept


SIDES: dict[str, Callable[[str, int], None]] = {
    "floor": floor, "engine": engine, "single": single_futures, "page": page,
}  # fmt: skip


def measure(side: str, count: int) -> dict[str, float]:
    """Wall and CPU seconds of one side with everything it starts; peak memory of the largest process [MB]."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(dir=base, prefix="bench-")
    try:
        Path(folder, "out").mkdir()
        wall = time.perf_counter()
        SIDES[side](folder, count)
        wall = time.perf_counter() - wall
        made = sum(1 for entry in os.scandir(f"{folder}/out") if not entry.name.startswith("."))
        assert made == count, (made, count)
    finally:
        shutil.rmtree(folder)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "wall": wall,
        "cpu": sum(one.ru_utime + one.ru_stime for one in used),
        "memory": max(one.ru_maxrss for one in used) / 1024,
    }


class Answered:
    """A future that is there already."""

    def __init__(self, outcomes: list[Any]) -> None:
        self.outcomes, self.status = outcomes, "finished"

    def result(self) -> list[Any]:
        """The outcomes."""
        return self.outcomes

    def add_done_callback(self, tell: Callable[[Any], None]) -> None:
        """Tell at once."""
        tell(self)


class AtOnce:
    """A client whose workers need no time; every fiftieth item fails, with a traceback."""

    def scheduler_info(self) -> dict[str, Any]:
        """Two workers."""
        return {"workers": {"a": {"nthreads": 1}, "b": {"nthreads": 1}}}

    def submit(self, _run: object, _setup: object, tasks: list[Any], **_: object) -> Answered:
        """Answer."""
        from jobs.batch.work import DONE, PERMANENT, Outcome

        now = time.time()
        done = [Outcome(at, DONE, now, 1e-4, 1_000_000, 1000, 50_000_000, "node:1") for at in range(len(tasks))]
        for at in range(0, len(tasks), 50):
            story = {"error": "ValueError", "message": f"bad number {at}", "traceback": "Traceback…\n" * 20}
            done[at] = done[at]._replace(how=PERMANENT, **story)
        return Answered(done)

    def sync(self, *_: object, **__: object) -> None:
        """Nothing to end."""

    def _run(self) -> None:
        """Never called."""


def driver(folder: str, count: int) -> dict[str, float]:
    """Plan, drive and report a million items without workers; memory [MB] after a tenth and at most."""
    from contextlib import contextmanager

    from jobs import registry
    from jobs.model import Request
    from jobs.progress import Quiet

    items = Path(folder, "items.txt")
    with items.open("w") as stream:
        stream.writelines(f"{source}\n" for source, _ in names(folder, count))
    seen: dict[int, float] = {}

    class Watch(Quiet):
        def show(self, done: int, text: str, values: Mapping[str, Any]) -> None:
            seen[done] = resident()

    @contextmanager
    def connect(tasks: int, threads: bool = False) -> Iterator[Any]:
        yield AtOnce()

    options = {"items": str(items), "target": f"{folder}/out/{{stem}}.txt"}
    wall, cpu = time.perf_counter(), time.process_time()
    registry.function_job("tests.bench.batch:nothing").run(Request((), "", options, Watch(), connect))
    early = next(memory for done, memory in seen.items() if done > count / 10)
    return {
        "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
        "early": early, "memory": max(seen.values()),
    }  # fmt: skip


def resident() -> float:
    """Memory of this process now [MB]."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def child(side: str, count: int) -> dict[str, float]:
    """Measure in a new process."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.batch", side, str(count)]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def main(items: int = ITEMS, others: int = OTHERS, million: int = MILLION) -> None:
    """Print all sides in one table, and the million below it."""
    counts = {"floor": items, "engine": items, "single": others, "page": others}
    labels = {
        "floor": "a plain loop", "engine": "springline run map", "single": "client.map, single futures",
        "page": "the published page: dataframe and queue",
    }  # fmt: skip
    found = {side: child(side, count) for side, count in counts.items()}
    least = found["floor"]["wall"] / items
    each = {side: (found[side]["wall"] / counts[side] - least) * 1e6 for side in counts}
    print(f"{WORKERS} workers, {os.cpu_count()} cores; from the start of Python to the last file\n")
    rows = [
        [labels[side], f"{counts[side]:,}", f"{f['wall']:.1f}", f"{f['cpu']:.1f}", f"{each[side]:.0f}",
         f"{f['cpu'] / counts[side] * 1e6:.0f}", f"{f['memory']:.0f}", f"{each[side] / each['engine']:.1f}"]
        for side, f in found.items()
    ]  # fmt: skip
    table(
        ["", "items", "wall s", "CPU s", "µs/item beyond the loop", "CPU µs/item", "largest process MB", "ratio"], rows
    )
    alone = child("driver", million)
    print(f"\nThe driver alone, {million:,} items, plan and report included: {alone['wall']:.0f} s wall,", end=" ")
    memory = f"{alone['early']:.0f} MB after a tenth, {alone['memory']:.0f} MB at most"
    print(f"{alone['cpu'] / million * 1e6:.0f} µs CPU/item; {memory}.\n")
    goal(f"at most {GOAL_MICROSECONDS} µs/item of engine and Dask", reached=each["engine"] <= GOAL_MICROSECONDS)
    goal("memory of the driver is flat", reached=alone["memory"] <= GOAL_GROWTH * alone["early"])


if __name__ == "__main__":
    if sys.argv[1] == "driver":
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(driver(scratch, int(sys.argv[2]))))
    else:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
