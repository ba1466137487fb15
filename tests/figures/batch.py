"""Figures of map and of batch runs: what the page's function makes, and the report of a run in which items fail."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.docs.commands import pages
from tests.figures.common import (
    BLUE,
    ORANGE,
    RED,
    WIDTH,
    MissingError,
    grid,
    head,
    plotting,
    saved,
    smaller,
    springline,
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WINDOWS = (7, 31)
ITEMS, SEEN = 400, "1170,1564"
"""Items of the run, and how much of its page is shown [pixel]."""
WORK = """
import os, random, time

def work(source, target):
    number = int(source[-7:-4])
    chance = random.Random(number)
    time.sleep(0.02 + 0.2 * chance.random() ** 2)
    if number == 77:
        os._exit(9)
    if number % 61 == 0:
        raise ValueError(f"{source} has no variable tmin")
    open(target, "wb").write(bytes(40_000 + number % 7 * 10_000))
"""
"""Items of other lengths, of which a few fail and one takes its process with it."""


def smoothed(folder: Path) -> bytes:
    """Daily minima of one place of the sample, and what the page's function makes of them with two windows."""
    import xarray as xr
    from matplotlib.dates import DateFormatter

    (folder / "mine.py").write_text(_of_page("docs/map.md", "mine.py"))
    days = _daily_minima(folder)
    for window in WINDOWS:
        target = "out/{stem}_w{window}.zarr"
        springline(folder, "run", "map", "mine.py:smooth", "raw/*.nc", "--target", target, "--window", window)
    with plotting() as plt:
        figure, axis = plt.subplots(figsize=(WIDTH, 3.2), layout="constrained")
        axis.plot(days.time, days, color=BLUE, linewidth=0.7, alpha=0.6, label="source")
        for window, colour in zip(WINDOWS, (ORANGE, RED), strict=True):
            with xr.open_zarr(next((folder / "out").glob(f"*_w{window}.zarr"))) as done:
                axis.plot(done.time, done.tmin, color=colour, label=f"target, --window {window}")
        axis.set(ylabel="tmin [°C]", xlabel="2001", xlim=(days.time.values[0], days.time.values[-1]))
        axis.xaxis.set_major_formatter(DateFormatter("%b"))
        axis.legend(loc="upper left", fontsize=8.5)
        grid(axis)
        head(axis, "", "smooth() over one file of the SYNTHETIC sample, one cell")
        return saved(figure)


def _daily_minima(folder: Path) -> Any:  # noqa: ANN401 - an xarray array
    """A year of one cell of the sample, as raw/2001.nc."""
    import xarray as xr

    from jobs.spring_index.sample import write_sample

    files = write_sample(folder / "daymet", [2001], 20, 60_000.0)
    with xr.open_dataset(next(file for file in files if "tmin" in file.name)) as year:
        days = year.tmin.isel(x=6, y=8).load()
    (folder / "raw").mkdir()
    days.to_dataset().reset_coords(drop=True).to_netcdf(folder / "raw/2001.nc", engine="h5netcdf")
    return days


def report(folder: Path) -> bytes:
    """The head of report.html as a browser shows it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise MissingError(f"there is none of {', '.join(BROWSERS)}")
    (folder / "work.py").write_text(WORK)
    (folder / "raw").mkdir()
    for number in range(ITEMS):
        (folder / f"raw/{number:03}.dat").write_bytes(bytes(number * 300))
    target = ("--target", "out/{stem}.bin", "--retries", "1")
    springline(folder, "run", "map", "work.py:work", "raw/*.dat", *target, fails=True)
    page, shot = folder / "out.run/report.html", folder / "report.png"
    named = page.read_text(encoding="utf-8").replace(str(folder), "/home/me").replace(socket.gethostname(), "node1")
    page.write_text(named, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder}/browser"]
    command = [browser, *options, f"--window-size={SEEN}", f"--screenshot={shot}", str(page)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return smaller(shot.read_bytes())


def _of_page(page: str, name: str) -> str:
    """A file that a page shows."""
    return next(dict(found.files)[name] for found in pages() if found.file == page)
