"""sdo-irradiance: the page's function against ours, per file of 4096², from disk and through S3; files/s on two cores.

The images are simulated from real ones, in the layouts of the real files. Each side runs in a process of its own and
does each file a few times after one for the imports and the compiler; of these the one with the least CPU counts: other
work on the machine only adds. The files are in the kernel's cache. The S3 server is another process: its CPU is not
counted.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.report import goal, table

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SPRINGLINE_TEST_DATA", ROOT / "../shared/data"))
TOOL = DATA / "../tools/gen_aia.py"
NEEDED = 5e8
"""Room for the files [bytes]."""
LAYOUTS = {
    "float32 94 Å": ("hdrl", 1.15, 4.5, 94),
    "int16 94 Å": ("jsoc", 1.15, 4.5, 94),
    "int16 171 Å": ("jsoc", 250.0, 1.2, 171),
}
"""Maker, mean and noise of the detector [DN], wavelength [Å]: so chosen that the files have the size of real ones."""
DAMAGED = {
    "int16": "aia_171_cutout.fits",
    "int32 scaled": "hmi.sharp_cea_720s.377.20110215_020000_TAI.continuum.fits",
    "quantised float32": "small/hdrl_f32_rice_q16_256.fits",
    "int16 with blank pixels": "small/jsoc_int16_rice_256_blank.fits",
}
KINDS, TIMES, RUN = 2, 7, 90
"""Files of each layout; how often each is done; files of the run on two cores."""
LEAST, CLOSE = 4.0, {"float32": 1e-9, "int16": 1e-12}
"""Goals: how many times less CPU than the page, from disk and through S3; relative difference to astropy in float64."""
BUCKET = "sun"
Answer = tuple[str | None, float]


def do_science(mydata: Any) -> Any:  # noqa: ANN401 - as on the page
    """The page's DO_SCIENCE."""
    return mydata.mean()


def page_opened(rawdata: bytes) -> Answer:
    """What the page does with the bytes of a file."""
    import astropy.io.fits

    bdata = io.BytesIO(rawdata)
    hdul = astropy.io.fits.open(bdata, memmap=False)
    date = hdul[1].header["T_OBS"]
    irrad = do_science(hdul[1].data)
    return date, irrad


def page(path: str) -> Answer:
    """The page's function, its S3 request replaced by reading a file."""
    return page_opened(Path(path).read_bytes())


def page_s3(s3key: str) -> Answer:
    """The page's function: a session and a client for each file."""
    import boto3

    sess = boto3.session.Session()  # do this each open to avoid thread problem 'credential_provider'
    s3c = sess.client("s3")
    name2 = re.sub(r"s3://", "", s3key)
    mybucket, mykey = name2.split("/", 1)
    fobj = s3c.get_object(Bucket=mybucket, Key=mykey)
    return page_opened(fobj["Body"].read())


def ours(url: str) -> Answer:
    """A path or URL read and measured as the job does, sums verified; one client for the process."""
    from jobs.sdo import remote
    from jobs.sdo.irradiance.image import measure

    found = measure(remote.fetch(url))
    return found.t_obs, found.values["mean_dn"]


def checked(path: str) -> Answer:
    """DATASUM and CHECKSUM alone."""
    from jobs.sdo.irradiance import fits

    content = Path(path).read_bytes()
    begin = time.process_time()
    fits.check(content, fits.find_image(content))
    return None, (time.process_time() - begin) * 1000


def reference(path: str) -> Answer:
    """astropy's mean in float64, without blank pixels."""
    import astropy.io.fits

    with astropy.io.fits.open(path, memmap=False) as opened:
        return opened[1].header["T_OBS"], float(np.nanmean(opened[1].data, dtype=np.float64))


SIDES: dict[str, Callable[[str], Answer]] = {
    "page": page, "page_s3": page_s3, "ours": ours, "checked": checked, "reference": reference
}  # fmt: skip


def side(name: str, files: list[str]) -> list[dict[str, Any]]:
    """CPU [ms] of this process for each file, and the answer."""
    warnings.simplefilter("ignore")
    SIDES[name](files[0])
    rows = []
    for file in files:
        spent = []
        for _ in range(1 if name == "reference" else TIMES):
            begin = time.process_time()
            date, value = SIDES[name](file)
            spent.append((time.process_time() - begin) * 1000)
        rows.append({"cpu": min(spent), "date": date, "value": float(value)})
    return rows


def child(name: str, files: list[str], url: str = "") -> list[dict[str, Any]]:
    """Measure one side in a new process."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.sdo_irradiance", name, *files]
    env = {**os.environ, **_keys(url)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env)
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _keys(url: str) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    return {**keys, "AWS_ENDPOINT_URL": url} if url else {}


@contextlib.contextmanager
def made() -> Iterator[dict[str, list[str]]]:
    """The files of each layout, in a folder for temporary files; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="springline-bench-") as folder:
        files = {}
        for number, (name, (maker, mean, noise, wavelength)) in enumerate(LAYOUTS.items()):
            where = Path(folder, str(number))
            numbers = map(str, (mean, noise, wavelength))
            command = [sys.executable, "-W", "ignore", TOOL, where, str(KINDS), maker, *numbers]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            files[name] = sorted(map(str, where.iterdir()))
        yield files


@contextlib.contextmanager
def server(files: dict[str, list[str]]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """A local S3 server that has the files: its URL and theirs."""
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while not (found := re.search(r"http://127\S+", _text(log))):
                if process.poll() is not None:
                    raise RuntimeError(_text(log))
                time.sleep(0.05)
            url = found[0]
            _put(f"{url}/{BUCKET}", b"")
            urls = {name: [f"s3://{BUCKET}/{Path(file).parent.name}/{Path(file).name}" for file in many]
                    for name, many in files.items()}  # fmt: skip
            for name, many in files.items():
                for file, key in zip(many, urls[name], strict=True):
                    _put(f"{url}/{key.removeprefix('s3://')}", Path(file).read_bytes())
            yield url, urls
        finally:
            process.kill()
            process.wait()


def _text(log: Any) -> str:  # noqa: ANN401 - an open file
    log.seek(0)
    return str(log.read())


def _put(url: str, content: bytes) -> None:
    plain = {"Content-Type": "application/octet-stream"}  # else the server reads it as a form, for minutes
    urllib.request.urlopen(urllib.request.Request(url, content, plain, method="PUT"), timeout=60).close()


def mean(rows: list[dict[str, Any]], key: str = "cpu") -> float:
    """Mean over the files of a layout."""
    return float(np.mean([row[key] for row in rows]))


def compare(files: dict[str, list[str]]) -> None:
    """Print both tables, how close the answers are, and the goals."""
    disk, ratios, apart = [], {}, {}
    for name, many in files.items():
        old, new, true = child("page", many), child("ours", many), child("reference", many)
        sums = mean(child("checked", many), "value")
        ratios[name, "disk"] = mean(old) / mean(new)
        apart[name] = max(abs(a["value"] / b["value"] - 1) for a, b in zip(new, true, strict=True))
        page_apart = max(abs(a["value"] / b["value"] - 1) for a, b in zip(old, true, strict=True))
        size = f"{Path(many[0]).stat().st_size / 1e6:.1f}"
        cells = [f"{mean(old):.0f}", f"{mean(new):.0f}", f"{ratios[name, 'disk']:.1f} ×", f"{sums:.1f}"]
        disk.append([name, size, *cells, f"{page_apart:.0e}", f"{apart[name]:.0e}"])
    head = ("page ms", "springline ms", "less CPU")
    close = ("of these: sums verified ms", "page off float64", "springline off float64")
    table(["from disk, CPU per file", "MB", *head, *close], disk)
    remote = []
    with server(files) as (url, urls):
        for name, many in urls.items():
            old, new = child("page_s3", many, url), child("ours", many, url)
            ratios[name, "S3"] = mean(old) / mean(new)
            remote.append([name, f"{mean(old):.0f}", f"{mean(new):.0f}", f"{ratios[name, 'S3']:.1f} ×"])
    print()
    table(["through S3, CPU per file", *head], remote)
    print()
    for where, words in (("disk", "from disk"), ("S3", "through S3, clients included")):
        least = min(value for (_, place), value in ratios.items() if place == where)
        goal(f"At least {LEAST:g} × less CPU {words}: {least:.1f} × at worst", reached=least >= LEAST)
    close_enough = all(apart[name] <= CLOSE[name.split()[0]] for name in apart)
    goal("The means are astropy's in float64: 1e-12 for whole numbers, 1e-9 for quantised ones", reached=close_enough)


def rate(files: dict[str, list[str]]) -> None:
    """Print how many files a second two processes of the page's function, and the job with two workers, do."""
    many = [file for kinds in files.values() for file in kinds]
    folder = Path(many[0]).parents[1] / "run"
    folder.mkdir()
    for number in range(RUN):
        source = Path(many[number % len(many)])
        (folder / f"{number:04}_{source.name}").symlink_to(source)
    begin = time.perf_counter()
    halves = [sorted(map(str, folder.iterdir()))[start : 2 * len(many) : 2] for start in (0, 1)]
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.sdo_irradiance", "page"]
    for process in [subprocess.Popen([*command, *half], cwd=ROOT, stdout=subprocess.DEVNULL) for half in halves]:
        process.wait()
    done = 2 * len(many) * TIMES + 2  # each file TIMES times, and one first in each process
    old = done / (time.perf_counter() - begin)
    output = folder.parent / "series.zarr"
    command = [sys.executable, "-m", "jobs", "run", "sdo-irradiance", f"{folder}/*.fits", "--output", str(output)]
    begin = time.perf_counter()
    subprocess.run([*command, "--workers", "2", "--quiet"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - begin
    lines = (output.with_name("series.zarr.run") / "ledger.jsonl").read_text().splitlines()
    times = sorted(line["time"] for line in map(json.loads, lines) if line.get("state") == "done")
    new = (len(times) - 1) / (times[-1] - times[0])
    print(f"\nTwo processes on {os.cpu_count()} cores, from disk: page {old:.1f} files/s, start included; ", end="")
    print(f"springline {new:.1f} files/s once it runs, {len(times) / wall:.1f} from the command to the series ", end="")
    print(f"({len(times)} files in {wall:.1f} s).\n")


def damage() -> None:
    """Print what becomes of damaged copies, and of the same where the sums are not looked at."""
    from tests.jobs.sdo.damage import COPIES, outcomes

    rows, wrong = [], 0
    for name, file in DAMAGED.items():
        content = (DATA / "sdo" / file).read_bytes()
        kept, trusted = outcomes(content), outcomes(content, trust=True)
        wrong += kept["wrong"]
        rows.append([name, *(str(found[key]) for found in (kept, trusted) for key in ("error", "right", "wrong"))])
    head = ("error", "right", "wrong", "without the sums: error", "right", "wrong")
    table([f"{COPIES} damaged copies of", *head], rows)
    print()
    goal(f"No wrong answer from {COPIES * len(DAMAGED):,} damaged copies", reached=wrong == 0)


def main() -> None:
    """Print all tables and goals."""
    if not (DATA / "sdo").is_dir() or not TOOL.is_file():
        print("skipped: no SDO data and tools; set SPRINGLINE_TEST_DATA")
        return
    if shutil.disk_usage(tempfile.gettempdir()).free < NEEDED:
        print(f"skipped: less than {NEEDED / 1e9:g} GB free in {tempfile.gettempdir()}")
        return
    with made() as files:
        compare(files)
        rate(files)
    damage()


if __name__ == "__main__":
    print(json.dumps(side(sys.argv[1], sys.argv[2:])))
