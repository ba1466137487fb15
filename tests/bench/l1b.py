"""l1b: a full-size product through xsar as the original page calls it, through our engines, and as a plain read.

The metadata are real; the images are simulated from them, so that the truth is known. Each side runs in processes of
its own that import what they need and read one product into memory; nothing is written. CPU and peak memory are those
of the whole process, imports included. Warm: the files were read before; of three runs the one with the least CPU:
other work on the machine only adds. Cold: the kernel was asked to forget the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SPRINGLINE_TEST_DATA", ROOT / "../shared/data"))
NEEDED = 4e9
"""Room for the largest product and what is made of it [bytes]."""
PRODUCTS = {"IW": "9550", "EW": "BB15"}
SHOWN = ("sigma0", "nesz", "longitude", "latitude")
ALONE = ("longitude", "latitude", "incidence", "elevation", "altitude", "offboresight", "slant_range_time")
"""xsar gives all of these the values of one of them unless each is computed alone."""
MOST_CPU, MOST_MEMORY, MOST_NESZ, MOST_OFF = 2.0, 300.0, 0.06, 10.0
"""Goals: CPU [s] and peak memory [MB] of IW, noise [dB], places [m]."""
SPECKLE = {"IW": (0.045, 0.048), "EW": (0.182, 0.412)}
"""Goals for sigma0 [dB] by polarisation: a prototype's, at the limit of the speckle."""
WARM = 3
"""Runs that are not cold."""
Arrays = dict[str, npt.NDArray[Any]]


def page(safe: str) -> Arrays:
    """`xsar.open_dataset(safe, resolution='1000m')`, every variable it has, by whatever makes it run today."""
    import dask
    import xsar

    with dask.config.set(scheduler="threads"):
        opened = xsar.open_dataset(safe, resolution="1000m").drop_vars("land_mask")
        found = {name: opened[name].values for name in ALONE}
        opened["azimuth_time"].values  # noqa: B018 - computed and dropped, as a page's file would hold it
        rest = opened.drop_vars([*ALONE, "azimuth_time", "spatial_ref"]).compute()
    return found | {name: rest[name].values for name in ("sigma0", "nesz")} | {"pol": rest["pol"].values}


def cured(safe: str) -> Arrays:
    """Our engine xsar: the same library, whole pixels in a cell, the variables of the product."""
    from jobs.l1b.safe import read_safe
    from jobs.l1b.xsar_engine import read

    return _arrays(read(about := read_safe(safe), 1000, about.polarisations))


def direct(safe: str) -> Arrays:
    """Our engine direct."""
    from jobs.l1b.direct import read
    from jobs.l1b.safe import read_safe

    return _arrays(read(read_safe(safe)))


def plain(safe: str) -> Arrays:
    """The floor: the bytes of the measurement, read and thrown away."""
    for file in sorted(Path(safe, "measurement").glob("*.tiff")):
        with file.open("rb", buffering=0) as tiff:
            while tiff.read(1 << 23):
                pass
    return {}


def _arrays(dataset: Any) -> Arrays:  # noqa: ANN401 - xarray is imported in the sides alone
    return {name: dataset[name].values for name in (*SHOWN, "pol")} | {"whole": np.array(True)}


SIDES: dict[str, Callable[[str], Arrays]] = {"plain": plain, "page": page, "cured": cured, "direct": direct}
NAMES = {
    "plain": "plain read of the TIFFs",
    "page": "xsar, resolution='1000m'",
    "cured": "springline, engine xsar",
    "direct": "springline, engine direct",
}


def measure(side: str, safe: str, target: str) -> dict[str, float]:
    """Wall of the reading, CPU [s] and peak memory [MB] of this process; what was read goes to a file."""
    os.environ.setdefault("GDAL_CACHEMAX", "128")
    warnings.simplefilter("ignore")
    begin = time.perf_counter()
    arrays = SIDES[side](safe)
    wall = time.perf_counter() - begin
    usage = resource.getrusage(resource.RUSAGE_SELF)
    np.savez(target, **arrays)
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss * 1024 / 1e6}


def child(side: str, safe: Path, target: Path) -> dict[str, float]:
    """Measure one side in a new process."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.l1b", side, str(safe), str(target)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def forget(safe: Path) -> None:
    """Ask the kernel to drop the measurement from its cache; it need not."""
    for file in safe.glob("measurement/*.tiff"):
        with file.open("rb") as tiff:
            os.fsync(tiff.fileno())
            os.posix_fadvise(tiff.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def errors(safe: Path, found: Path) -> dict[str, list[float]]:
    """rms of sigma0 and largest error of nesz [dB] by polarisation; error of the places in the last row, column [m]."""
    with np.load(found) as got, np.load(f"{safe}.truth.npz") as true:
        pols = [str(pol) for pol in got["pol"]]
        answer: dict[str, list[float]] = {"sigma0": [], "nesz": [], "places": places(safe, got)}
        for number, pol in enumerate(pols):
            rows, columns = true[f"{pol}_sigma0"].shape
            field = {name: got[name][number][:rows, :columns] for name in ("sigma0", "nesz")}
            use = np.zeros((rows, columns), bool)
            use[1:-1, 1:-1] = True
            use &= true[f"{pol}_sigma0"] > 1e-4
            off = decibels(field["sigma0"][use]) - decibels(true[f"{pol}_sigma0"][use])
            answer["sigma0"].append(float(np.sqrt(np.nanmean(off**2))))
            noisy = use & (true[f"{pol}_nesz"] > 0)
            off = decibels(field["nesz"][noisy]) - decibels(true[f"{pol}_nesz"][noisy])
            answer["nesz"].append(float(np.nanmax(np.abs(off))))
    return answer


def places(safe: Path, got: Any) -> list[float]:  # noqa: ANN401 - an open npz
    """How far the last row and the last column are from where their pixels are in the geolocation grid [m].

    A side that has cells of whole pixels leaves out the rest; one that has not (the page's) shares all pixels out.
    """
    from pyproj import Geod

    from jobs.l1b.annotation import annotation, open_xml
    from jobs.l1b.geolocation import locate
    from jobs.l1b.safe import read_safe

    about = read_safe(str(safe))
    image = annotation(open_xml(about, "product", about.polarisations[0]))
    shape = got["longitude"].shape
    sizes = (image.lines, image.samples)
    whole = bool(got["whole"]) if "whole" in got else False
    blocks = [round(1000 / s) if whole else n / c for s, n, c in zip(_spacings(image), sizes, shape, strict=True)]
    line, sample = ((np.arange(n) + 0.5) * block - 0.5 for n, block in zip(shape, blocks, strict=True))
    lon, lat = locate(image.grid, line, sample)
    off = Geod(ellps="WGS84").inv(lon, lat, got["longitude"], got["latitude"])[2]
    return [float(np.median(off[-1])), float(np.median(off[:, -1]))]


def _spacings(image: Any) -> tuple[float, float]:  # noqa: ANN401 - imported where used
    return image.line_spacing, image.sample_spacing


def decibels(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """10 log10; NaN where not positive."""
    return 10 * np.log10(np.where(values > 0, values, np.nan))


@contextlib.contextmanager
def made(tail: str) -> Iterator[Path]:
    """A full-size product with measurement, in a folder for temporary files; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="springline-bench-") as folder:
        archive = next((DATA / "l1b/meta").glob(f"*_{tail}.tar.xz"))
        shutil.unpack_archive(archive, folder)
        safe = Path(folder, archive.name.replace(".tar.xz", ".SAFE"))
        tool = DATA / "../tools/make_s1_measurement.py"
        subprocess.run([sys.executable, "-W", "ignore", tool, safe], check=True, stdout=subprocess.DEVNULL)
        yield safe


def run(safe: Path, sides: list[str]) -> dict[str, dict[str, Any]]:
    """All sides on one product."""
    rows = {}
    for side in sides:
        target = safe.parent / f"{side}.npz"
        child("plain", safe, safe.parent / "warm.npz")
        row: dict[str, Any] = min((child(side, safe, target) for _ in range(WARM)), key=lambda one: one["cpu"])
        forget(safe)
        row["cold"] = child(side, safe, target)["wall"]
        rows[side] = row | (errors(safe, target) if side != "plain" else {})
    return rows


def show(mode: str, rows: dict[str, dict[str, Any]], size: float) -> None:
    """Print the table of one product and whether the goals are reached."""
    head = ("CPU s", "warm s", "cold s", "peak MB", "sigma0 rms dB", "nesz max dB", "last row m", "last column m")
    print("| | " + " | ".join(head) + " |\n|---" + "|--:" * len(head) + "|")
    for side, row in rows.items():
        cells = [f"{row['cpu']:.2f}", f"{row['wall']:.2f}", f"{row['cold']:.2f}", f"{row['memory']:.0f}"]
        for name, form in (("sigma0", ".3f"), ("nesz", ".4f")):
            cells.append(" / ".join(format(value, form) for value in row.get(name, [])))
        cells += [f"{value:.0f}" for value in row.get("places", [])] or ["", ""]
        print(f"| {NAMES[side]} | " + " | ".join(cells) + " |")
    floor, ours = rows["plain"], rows["direct"]
    print(f"\nFloor: {size / 1e9:.2f} GB at {size / floor['cold'] / 1e6:.0f} MB/s cold, ", end="")
    print(f"{size / floor['wall'] / 1e6:.0f} MB/s warm. Direct, cold: {ours['cold'] / floor['cold']:.2f} × the floor.")
    if floor["cold"] < 1.5 * floor["wall"]:
        print("The kernel kept the files: what is called cold is from its cache.")
    if "page" in rows:
        cpu, wall, memory = (rows["page"][key] / ours[key] for key in ("cpu", "wall", "memory"))
        print(f"xsar as the page calls it ÷ direct: CPU {cpu:.1f}, wall {wall:.1f}, memory {memory:.1f}.\n")
    goals(mode, ours)


def goals(mode: str, ours: dict[str, Any]) -> None:
    """Print the goals of a mode."""
    if mode == "IW":
        _goal(f"IW in at most {MOST_CPU:g} CPU s", ours["cpu"] <= MOST_CPU)
        _goal(f"IW in at most {MOST_MEMORY:g} MB", ours["memory"] <= MOST_MEMORY)
    _goal(f"{mode} nesz within {MOST_NESZ:g} dB", max(ours["nesz"]) <= MOST_NESZ)
    limits = " / ".join(f"{limit:g}" for limit in SPECKLE[mode])
    reached = all(got <= limit for got, limit in zip(ours["sigma0"], SPECKLE[mode], strict=True))
    _goal(f"{mode} sigma0 at most {limits} dB rms from the truth", reached)
    _goal(f"{mode} places within {MOST_OFF:g} m in the last row and column", max(ours["places"]) <= MOST_OFF)


def _goal(words: str, reached: bool) -> None:
    print(f"- {words}: {'reached' if reached else 'NOT reached'}", flush=True)


def main() -> None:
    """Print a table for each mode."""
    from importlib.util import find_spec

    tool = DATA / "../tools/make_s1_measurement.py"
    if not (DATA / "l1b/meta").is_dir() or not tool.is_file():
        print("skipped: no Sentinel-1 metadata and tools; set SPRINGLINE_TEST_DATA")
        return
    if shutil.disk_usage(tempfile.gettempdir()).free < NEEDED:
        print(f"skipped: less than {NEEDED / 1e9:.0f} GB free in {tempfile.gettempdir()}")
        return
    sides = [side for side in SIDES if find_spec("xsar") or side in ("plain", "direct")]
    if "page" not in sides:
        print("xsar is not installed: its rows are left out\n")
    for mode, tail in PRODUCTS.items():
        with made(tail) as safe:
            size = sum(file.stat().st_size for file in safe.glob("measurement/*.tiff"))
            print(f"\n{safe.stem}, real metadata, simulated image, {os.cpu_count()} cores\n")
            show(mode, run(safe, sides), size)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], sys.argv[3])))
