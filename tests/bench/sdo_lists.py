"""The lists of the cloud registry: a year and all thirteen years of them, from index files to batches of items.

The page's registry client reads an index file with pandas, makes times of one column and cuts the window out; that is
the floor of what can be asked: it neither sorts nor checks, and takes no other style of index file.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.report import goal, table

A_YEAR, YEARS, TOGETHER = 130_000, range(2010, 2023), 32
GOAL_YEAR, GOAL_ALL = 5.0, 60.0
"""Seconds from index files to batches."""


def write_registry(folder: Path) -> str:
    """A catalog with an unsorted index file of 130,000 lines for each year."""
    dataset = {"id": "aia_0094", "index": "index/", "start": "2010-01-01Z", "stop": "2022-12-31T23:56:00Z"}
    (folder / "catalog.json").write_text(json.dumps({"name": "bench", "catalog": [dataset]}))
    (folder / "index").mkdir()
    for year in YEARS:
        numbers = np.random.default_rng(year).permutation(A_YEAR)
        starts = np.datetime_as_string(np.datetime64(f"{year}-01-01T00:00:00") + numbers * np.timedelta64(240, "s"))
        keys = (f"s3://sun/sdo/aia/{start[:10]}/0094/sdo_aia_h2_{start}_0094_v1.fits" for start in starts)
        lines = [f"{start}Z,{start}Z,{key},13910400\n" for start, key in zip(starts, keys, strict=True)]
        (folder / f"index/aia_0094_{year}.csv").write_text("# start, stop, datakey, filesize\n" + "".join(lines))
    return str(folder)


def as_the_page(url: str, years: range) -> int:
    """What the page's client does for a year: read, make times, cut the window out."""
    import pandas

    count = 0
    for year in years:
        content = Path(url, f"index/aia_0094_{year}.csv").read_bytes()
        found = pandas.read_csv(io.BytesIO(content), names=["start", "stop", "datakey", "filesize"], skiprows=1)
        found["start"] = pandas.to_datetime(found["start"])
        count += len(found[found["start"] >= f"{years[0]}-01-01"]["datakey"].to_list())
    return count


def listed(url: str, years: range) -> int:
    """Our table: sorted, each file once, every line checked."""
    from jobs.sdo import catalog

    window = (str(years[0]), str(years[-1] + 1))
    return len(catalog.files(catalog.read_catalog(url), "aia_0094", *window))


def batched(url: str, years: range) -> int:
    """Our items, as the engine plans them and hands them out."""
    from jobs.batch.items import Item
    from jobs.batch.plan import Plan, Planner, Wishes
    from jobs.batch.queue import Queue
    from jobs.sdo import catalog

    reference, count = f"{url}#aia_0094/{years[0]}/{years[-1] + 1}", 0
    planner = Planner(lambda row: Item(row.source, "", row.columns), Wishes(trust=True))
    with Plan() as plan:
        planner.fill(plan, lambda: catalog.rows(reference))
        queue = Queue(plan.items(), plan.todo)
        while batch := queue.batch(TOGETHER, 0.0):
            count += len(batch)
    return count


def seconds(step: Callable[[str, range], int], url: str, years: range) -> float:
    """How long a step takes; it must find all files."""
    began = time.perf_counter()
    found = step(url, years)
    assert found == A_YEAR * len(years), found
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    steps: dict[str, Any] = {
        "pandas as the page's client, unsorted and unchecked": as_the_page,
        "table of springline": listed,
        f"springline, to batches of {TOGETHER}": batched,
    }
    with tempfile.TemporaryDirectory(prefix="springline-bench-") as folder:
        url = write_registry(Path(folder))
        for step in steps.values():
            seconds(step, url, YEARS[:1])  # imports are paid
        rows = {name: [seconds(step, url, years) for years in (YEARS[:1], YEARS)] for name, step in steps.items()}
    head = ("", f"{A_YEAR:,} lines, s", f"{A_YEAR * len(YEARS):,} lines, s")
    table(head, [(name, *(f"{second:.2f}" for second in row)) for name, row in rows.items()])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    print(f"\nPeak memory {peak:.0f} MB.")
    year, all_of_them = list(rows.values())[-1]
    goal(f"a year to batches in at most {GOAL_YEAR:g} s", reached=year <= GOAL_YEAR)
    goal(f"all years to batches in at most {GOAL_ALL:g} s", reached=all_of_them <= GOAL_ALL)


if __name__ == "__main__":
    main()
