"""sdo-combine: the page's bz2-pickle of each step against our store, and its loop over an inventory against our plan.

The images are simulated from real samples (12 channels of 512 × 512, as SDOML v1; every second step without HMI). All
sides read the same local files, on one core: zlib, bz2 and Blosc run in one thread, Zarr's pool has one. CPU is that of
this process with all its threads; of three rounds the least counts: other work on the machine only adds.
"""

from __future__ import annotations

import bz2
import concurrent.futures
import itertools
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.report import goal, machine, table
from tests.jobs.sdo.trees import AIA, HMI, Combine

ROOT = Path(__file__).parents[2]
TOOL = Path(os.environ.get("SPRINGLINE_TEST_DATA", ROOT / "../shared/data")) / "../tools/gen_sdoml.py"
STEPS, ROUNDS = 16, 3
MANY, SAMPLE = 600_000, 3_000
"""Steps that are grouped by us, and by the page, whose time is multiplied."""
WHOLE, READING, SECONDS = 12.0, 25.0, 20.0
"""Goals: times less CPU for a step and for reading a moment; seconds for the many steps."""


def page_step(channels: list[dict[str, str]], target: Path) -> None:
    """`process_timestamp` of the page, with a local file in place of each blob."""

    def download_channel(name: str, path: str) -> tuple[str, Any]:
        data = Path(path).read_bytes()
        return name, np.load(BytesIO(data))["x"]

    with concurrent.futures.ThreadPoolExecutor(max_workers=len(channels)) as executor:
        results = list(executor.map(lambda channel: download_channel(channel["channel"], channel["file"]), channels))
    results = sorted(results, key=lambda entry: entry[0])
    target.write_bytes(bz2.compress(pickle.dumps(results)))


def page_groups(frame: Any, max_iter: int) -> Iterator[list[dict[str, str]]]:  # noqa: ANN401 - a pandas frame
    """`enumerate_timestamp_channels` of the page, as it is."""
    counter = 0
    for _, group in frame.groupby(["year", "month", "day", "hour", "min"]):
        yield [{"channel": row["channel"], "file": row["file"]} for _, row in group.iterrows()]
        counter += 1  # noqa: SIM113 - as it is
        if counter >= max_iter:
            break


def least(call: Callable[[], object]) -> float:
    """CPU [ms] of the best of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        found.append(1e3 * (time.process_time() - began))
    return min(found)


def size(paths: Iterator[Path]) -> float:
    """MB."""
    return sum(path.stat().st_size for path in paths) / 1e6


def run_page(folder: Path) -> dict[str, float]:
    """CPU [ms] of a step and of reading one back, MB of a step."""
    import pandas as pd

    frame = pd.read_pickle(folder / "SDOMLnpz/inventory.pkl", compression="gzip")
    groups = [[{**c, "file": f"{folder}/{c['file']}"} for c in group] for group in page_groups(frame, STEPS)]
    groups = [group for group in groups if len(group) == len(AIA) + len(HMI)]
    targets = [folder / f"page-{number}.pklz" for number in range(len(groups))]
    pairs = list(zip(groups, targets, strict=True))
    step = least(lambda: [page_step(*pair) for pair in pairs]) / len(pairs)
    read = least(lambda: pickle.loads(bz2.decompress(targets[0].read_bytes())))
    return {"step": step, "read": read, "size": size(iter(targets)) / len(targets)}


def run_ours(folder: Path, layout: str) -> dict[str, float]:
    """The same of our store: only complete steps, so that both sides do the same."""
    import zarr

    from jobs.sdo.combine import chunk, hooks, shard

    chunk._one_thread()
    combine = Combine(folder / f"{layout}.zarr")
    inventory = folder / "complete.parquet"
    steps = _complete(folder, inventory)
    asked = combine.asked(inventory, root=str(folder), layout=layout)
    rows = list(hooks.plan(asked))
    hooks.begin(asked)

    def work() -> None:
        for number, row in enumerate(rows):
            shard.combine(row.source, f"{folder}/{layout}-{number}", **row.columns)

    step = least(work) / steps
    for number, row in enumerate(rows):
        Path(row.target).parent.mkdir(parents=True)
        Path(f"{folder}/{layout}-{number}").replace(row.target)
    data = zarr.open_array(f"{combine.output}/data", mode="r")
    read = least(lambda: data[3])
    _check(data, folder)
    return {"step": step, "read": read, "size": size(combine.output.glob("data/c/*/0/0/0")) / steps}


def _check(data: Any, folder: Path) -> None:  # noqa: ANN401 - a Zarr array
    """Both sides hold the same images: the steps with HMI are every second one."""
    for number in range(STEPS // 2):
        page = pickle.loads(bz2.decompress((folder / f"page-{number}.pklz").read_bytes()))
        assert np.array_equal(data[number], np.stack([image for _, image in page]))


def _complete(folder: Path, inventory: Path) -> int:
    """Write an inventory of the steps that have all channels; returns how many there are."""
    import pandas as pd

    frame = pd.read_pickle(folder / "SDOMLnpz/inventory.pkl", compression="gzip")
    whole = frame.groupby(level=0).filter(lambda group: len(group) == len(AIA) + len(HMI))
    whole[["file"]].to_parquet(inventory)
    return whole.index.nunique()


def many_files() -> list[str]:
    """Paths as in SDOML, twelve for each of many steps."""
    moments = np.datetime64("2010-05-13", "m") + np.arange(MANY) * np.timedelta64(6, "m")
    texts = (str(moment).replace("-", "").replace(":", "") for moment in moments)
    parts = ((f"SDOMLnpz/{t[:4]}/{t[4:6]}/{t[6:8]}/", f"{t[:8]}_{t[9:]}_") for t in texts)
    names = [*(("AIA", name) for name in AIA), *(("HMI", name) for name in HMI)]
    return [f"{day}{kind}{moment}{name}.npz" for (day, moment), (kind, name) in itertools.product(parts, names)]


def run_many(folder: Path) -> dict[str, float]:
    """Seconds for many steps: ours from the inventory to the rows of the engine, with and without a store."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from jobs.sdo.combine import hooks, steps

    files = many_files()
    for file in files[:12]:
        path = folder / "many" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, x=np.ones((16, 16), np.float32))
    pq.write_table(pa.table({"file": pa.array(files)}), folder / "many/inventory.parquet")
    page = _page_many(files)
    del files
    combine = Combine(folder / "many.zarr")
    began = time.perf_counter()
    rows = sum(1 for _ in hooks.plan(combine.asked(folder / "many/inventory.parquet")))
    plan = time.perf_counter() - began
    inventory = hooks._last[0][1].inventory
    places = hooks._last[0][1].axis.places(inventory.minutes)
    have = np.ones((MANY, 12), bool)
    have[::1000, 3] = False
    began = time.perf_counter()
    todo = steps.work(places, inventory.codes, have, 8)
    diff = time.perf_counter() - began
    return {"page": page, "plan": plan, "diff": diff, "rows": rows, "left": int((todo.count > 0).sum())}


def _page_many(files: list[str]) -> float:
    """Seconds of the page's loop over all steps, from those over some."""
    import pandas as pd

    names = pd.Series(files[: 12 * SAMPLE * 2])
    parts = names.str.extract(
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)_(?P<hour>\d\d)(?P<min>\d\d)_(?P<channel>\w+)"
    )
    times = parts[["year", "month", "day", "hour", "min"]].astype(int)
    frame = pd.concat([times, parts["channel"], names.rename("file")], axis=1)
    began = time.perf_counter()
    done = sum(1 for _ in page_groups(frame, SAMPLE))
    return (time.perf_counter() - began) / done * MANY


def show(page: dict[str, float], ours: dict[str, dict[str, float]]) -> None:
    """The table of steps and what it means for the goals."""
    rows = [["the page: bz2(pickle)", f"{page['step']:.0f}", "1", f"{page['size']:.2f}", f"{page['read']:.0f}", "1"]]
    for layout, found in ours.items():
        times = [f"{page[name] / found[name]:.1f}" for name in ("step", "read")]
        rows.append(
            [
                f"springline, {layout}",
                f"{found['step']:.0f}",
                times[0],
                f"{found['size']:.2f}",
                f"{found['read']:.1f}",
                times[1],
            ]
        )
    table(["one step of 12 channels", "CPU ms", "times less", "MB", "read back, CPU ms", "times less"], rows)
    for layout, found in ours.items():
        goal(f"{layout}: whole step ≥ {WHOLE:.0f} times less CPU", reached=page["step"] >= WHOLE * found["step"])
        goal(f"{layout}: reading a moment ≥ {READING:.0f} times less", reached=page["read"] >= READING * found["read"])


def main() -> None:
    """Print both tables."""
    if not TOOL.is_file():
        print("skipped: no tools/gen_sdoml.py beside SPRINGLINE_TEST_DATA")
        return
    print(machine())
    with tempfile.TemporaryDirectory(prefix="springline-bench-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-W", "ignore", str(TOOL), name, str(STEPS)], check=True, capture_output=True)
        print(f"\n{STEPS // 2} complete steps, best of {ROUNDS}, one thread, page cache warm\n")
        show(run_page(folder), {layout: run_ours(folder, layout) for layout in ("posix", "object")})
        many = run_many(folder)
    print(f"\n{MANY:,} steps, {12 * MANY:,} files; the page's loop was timed over {SAMPLE:,} steps and multiplied\n")
    table(
        ["", "seconds"],
        [
            ["the page: groupby and iterrows", f"{many['page']:.0f}"],
            [f"springline: inventory (Parquet) to {many['rows']:,.0f} rows for the engine", f"{many['plan']:.1f}"],
            [
                f"of that, or again with a store that lacks {many['left']:,.0f} channels: grouped, diffed",
                f"{many['diff']:.2f}",
            ],
        ],
    )
    goal(f"{MANY:,} steps planned in less than {SECONDS:.0f} s", reached=many["plan"] < SECONDS)


if __name__ == "__main__":
    main()
