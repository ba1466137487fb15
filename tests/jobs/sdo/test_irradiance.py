"""sdo-irradiance as a user runs it: from a catalog, or named files, to a series; killed, resumed, made longer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from jobs.cli import cli
from jobs.storage import exclusive
from tests.jobs.conftest import ROOT
from tests.jobs.s3server import S3

SLOW = """
import time
import numpy as np

def slow(image):
    time.sleep(0.2)
    return {"brightest": np.nanmax(image)}
"""
TOLD = """
def told(source, target):
    open(target, "w").write(source)
"""
FLAVOURS = ("jsoc_int16_rice_256.fits", "jsoc_int16_rice_256_blank.fits", "hdrl_f32_rice_q16_256.fits")
FIRST = datetime(2020, 12, 31, 23, 52)
"""The files of the catalog begin here, four minutes apart: the fourth belongs to the next year."""


@dataclass
class Registry:
    """A catalog in a folder, and the command line over it."""

    folder: Path
    files: list[Path]

    @property
    def output(self) -> Path:
        """Where the series goes."""
        return self.folder / "aia.zarr"

    def words(self, *more: object, stop: str = "2022") -> list[str]:
        """The arguments of `python -m jobs`."""
        where = ["--catalog", str(self.folder), "--dataset", "aia_0094", "--start", "2020", "--stop", stop]
        return ["run", "sdo-irradiance", *where, "--output", str(self.output), *map(str, more)]

    def __call__(self, *more: object, code: int = 0, stop: str = "2022") -> dict[str, Any]:
        """Run it in this process; returns what --json says."""
        done = CliRunner().invoke(cli, self.words(*more, "--json", stop=stop))
        assert done.exit_code == code and "Traceback" not in done.output, done.output
        values: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"said": done.stderr}
        return values

    def series(self) -> xr.Dataset:
        """The series as a user opens it, in the order of the files' names."""
        with xr.open_zarr(self.output) as opened:
            return opened.load().sortby("key")


@pytest.fixture
def registry(sun: Path, tmp_path: Path) -> Registry:
    """Six small files of three kinds; their index is not in the order of time."""
    lines: dict[int, list[str]] = {2020: [], 2021: []}
    files = []
    for number in range(6):
        moment = FIRST + timedelta(minutes=4 * number)
        files.append(tmp_path / f"aia_{number}.fits")
        shutil.copy(sun / "small" / FLAVOURS[number % 3], files[-1])
        size = files[-1].stat().st_size
        lines[moment.year].insert(0, f"{moment:%Y-%m-%dT%H:%M:%SZ},{moment:%Y-%m-%dT%H:%M:%SZ},{files[-1]},{size}\n")
    for year, rows in lines.items():
        (tmp_path / f"aia_0094_{year}.csv").write_text("# start, stop, datakey, filesize\n" + "".join(rows))
    entry = {"id": "aia_0094", "index": f"{tmp_path}/", "title": "94 Å", "indextype": "csv", "filetype": "fits"}
    entry |= {"start": "2020-12-31T23:52:00Z", "stop": "2021-01-01T00:16:00Z"}
    catalog = {"Cloudy": "0.4", "name": "test", "status": {"code": 1200, "message": "OK"}, "catalog": [entry]}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    return Registry(tmp_path, files)


def jobs(*words: str, env: dict[str, str], code: int = 0) -> subprocess.CompletedProcess[str]:
    """`python -m jobs WORDS` in a process of its own."""
    command = [sys.executable, "-m", "jobs", *words]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def nanmean(file: Path) -> float:
    """The mean as astropy has it."""
    from astropy.io import fits

    with fits.open(file) as opened:
        return float(np.nanmean(opened[1].data.astype(np.float64)))


def test_from_a_catalog_to_a_series(registry: Registry) -> None:
    """The means are astropy's, in all three forms; a rerun reads nothing."""
    table = registry.folder / "aia.parquet"
    told = registry("--plot", "--parquet", table)
    assert (told["done"], told["status"]) == (6, {"ok": 6})
    found = registry.series()
    np.testing.assert_allclose(found["mean_dn"], [nanmean(file) for file in registry.files], rtol=1e-9)
    np.testing.assert_allclose(found["mean_dn_s"], found["mean_dn"] / found["exptime"])
    assert list(found["key"].values) == [file.name for file in registry.files]
    assert found["n_valid"].values[1] < found["n_valid"].values[0] == 256 * 256
    assert Path(told["plot"]).stat().st_size > 10_000 and table.stat().st_size > 1000
    again = registry()
    assert (again["done"], again["skipped"], again["bytes_in"]) == (0, 6, 0)


def test_only_what_is_new_is_read(registry: Registry) -> None:
    """A longer window adds; a damaged and a missing file are said, marked, and tried again when they are mended."""
    assert registry(stop="2021")["done"] == 2
    damaged, missing = registry.files[3], registry.files[4]
    content = damaged.read_bytes()
    damaged.write_bytes(content[:20_000] + b"damage" + content[20_006:])
    missing.rename(f"{missing}.gone")
    told = registry(code=1)
    assert (told["done"], told["skipped"], told["failed"]) == (2, 2, 2)
    assert told["status"] == {"ok": 4, "corrupt": 1, "missing": 1}
    found = registry.series()
    assert list(found["status"].values) == ["ok", "ok", "ok", "corrupt", "missing", "ok"]
    assert np.isnan(found["mean_dn"].values[3:5]).all()
    damaged.write_bytes(content)
    Path(f"{missing}.gone").rename(missing)
    assert registry()["done"] == 2
    assert set(registry.series()["status"].values) == {"ok"}


def test_a_series_is_of_one_kind(registry: Registry) -> None:
    """Another statistic does not mix into it, unless the whole is made anew; quality only screens what is shown."""
    registry()
    refused = registry("--statistic", "sum", code=2)
    assert "statistic mean" in refused["said"] and "--overwrite" in refused["said"]
    assert registry("--statistic", "sum", "--overwrite")["done"] == 6
    assert "sum_dn" in registry.series() and "mean_dn" not in registry.series()
    screened = registry("--statistic", "sum", "--quality", "77")
    assert (screened["done"], screened["status"]) == (0, {"screened": 6})
    assert np.isnan(registry.series()["sum_dn"]).all()
    assert registry("--statistic", "sum")["status"] == {"ok": 6}
    shutil.rmtree(f"{registry.output}.run")
    assert registry("--statistic", "sum")["skipped"] == 6  # the series itself tells
    assert registry("--statistic", "sum")["skipped"] == registry.series().sizes["time"] == 6
    script = registry.folder / "mine.py"
    script.write_text(SLOW)
    registry("--statistic", f"{script}:slow", "--overwrite")
    script.write_text(SLOW.replace("0.2", "0.1"))
    assert "text of the script" in registry("--statistic", f"{script}:slow", code=2)["said"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--statistic", "medain"), "mean"),
        (("--statistic", "nosuch.module:f"), "nosuch"),
        (("--verify", "--trust"), "exclude"),
        (("{folder}/aia_0.fits",), "beside --catalog"),
        (("--parquet", "{folder}/aia.zarr/x.parquet"), "something else is written"),
        (("--output", "{folder}/aia_0.fits/x.zarr"), "is no directory"),
        (("--output", "https://nowhere.invalid/x.zarr"), "Nothing can be written to https"),
    ],
)
def test_refused_before_anything_is_read(registry: Registry, options: tuple[str, ...], words: str) -> None:
    """A mistake costs nothing, and does not stand in the way of the right command."""
    said = registry(*(option.format(folder=registry.folder) for option in options), code=2)["said"]
    assert words in said, said
    assert not registry.output.exists() and not Path(f"{registry.output}.run").exists()


def test_one_run_at_a_time(registry: Registry) -> None:
    """Also with a run directory of its own a second run does not write to the same output."""
    with exclusive(str(registry.output)):
        assert "Another run" in registry("--run-dir", registry.folder / "other.run", code=2)["said"]
    assert not (registry.folder / "other.run").exists()


def test_a_file_is_one_row_however_it_is_named(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named twice, from elsewhere, by a list: it is measured once; with the series it moves."""
    first, second = registry.files[:2]
    monkeypatch.chdir(registry.folder)

    def run(*words: str) -> tuple[int, int, int]:
        done = CliRunner().invoke(cli, ["run", "sdo-irradiance", *words, "--json"])
        assert done.exit_code == 0, done.output
        values = json.loads(done.stdout)
        return values["done"], values["skipped"], values["files"]

    assert run(first.name, f"./{first.name}", "--output", "two.zarr") == (1, 0, 1)
    assert run(str(first), f"file://{second}", "--output", "two.zarr") == (1, 1, 2)
    shutil.rmtree("two.zarr.run")
    assert run(first.name, second.name, "--output", "two.zarr") == (0, 2, 2)
    # another run directory adds to the series: the first one's run does not take it away again
    third = str(registry.files[2])
    assert run(third, "--output", "two.zarr", "--run-dir", "other.run") == (1, 0, 3)
    assert run(first.name, "--output", "two.zarr") == (0, 1, 3)
    monkeypatch.chdir("/")
    moved = registry.folder.rename(registry.folder.with_name("moved"))
    assert run(*(str(moved / file.name) for file in (first, second)), "--output", f"{moved}/two.zarr") == (0, 2, 3)
    (moved / "deeper").mkdir()
    for name in ("two.zarr", "two.zarr.run"):
        (moved / name).rename(moved / "deeper" / name)
    for _ in range(2):  # the series alone has moved
        assert run(str(moved / first.name), "--output", f"{moved}/deeper/two.zarr") == (0, 1, 3)
    (moved / "deeper/two.zarr.run/series.json").write_text("{")
    refused = CliRunner().invoke(cli, ["run", "sdo-irradiance", third, "--output", f"{moved}/deeper/two.zarr"])
    assert refused.exit_code == 2 and "series.json is damaged" in refused.stderr


def test_killed_in_the_middle(registry: Registry) -> None:
    """Own science in place of a mean, killed after two files: the same command goes on, no file is measured twice."""
    registry()
    (registry.folder / "mine.py").write_text(SLOW)
    words = registry.words("--statistic", f"{registry.folder}/mine.py:slow", "--workers", "1", "--overwrite")
    ledger = Path(f"{registry.output}.run/ledger.jsonl")
    command = [sys.executable, "-m", "jobs", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        while not ledger.exists() or ledger.read_text().count('"state": "done"') < 6 + 2:
            assert driver.poll() is None
            time.sleep(0.02)
        os.kill(driver.pid, signal.SIGKILL)
    assert "mean_dn" in registry.series()
    told = registry("--statistic", f"{registry.folder}/mine.py:slow")
    assert told["skipped"] >= 2 and told["skipped"] + told["done"] == 6
    done = [json.loads(line)["item"] for line in ledger.read_text().splitlines() if '"state": "done"' in line]
    assert sorted(done[6:]) == sorted(map(str, registry.files))
    assert (registry.series()["brightest"] > 0).all()


def test_through_s3(registry: Registry, s3: S3) -> None:
    """The same from a public bucket without keys; and the registry as a source of items for `map`."""
    bucket = s3.put("sun")
    for file in registry.files:
        s3.put(f"sun/{file.name}", file.read_bytes(), public=True)
    for name in ("catalog.json", "aia_0094_2020.csv", "aia_0094_2021.csv"):
        text = (registry.folder / name).read_text().replace(f"{registry.folder}/", f"{bucket}/")
        s3.put(f"sun/{name}", text.encode(), public=True)
    words = registry.words("--endpoint-url", s3.url, "--anonymous")
    words[words.index("--catalog") + 1] = bucket
    assert CliRunner().invoke(cli, words).exit_code == 0
    found = registry.series()
    np.testing.assert_allclose(found["mean_dn"], [nanmean(file) for file in registry.files], rtol=1e-9)
    assert list(found["key"].values) == [f"{bucket}/{file.name}" for file in registry.files]
    assert CliRunner().invoke(cli, words).exit_code == 0  # and again: nothing is doubled
    assert registry.series().sizes["time"] == 6
    for _ in range(2):
        words = ["run", "sdo-irradiance", f"{registry.folder}/aia_?.fits", "--output", f"{bucket}/local.zarr", "--json"]
        done = jobs(*words, "--workers", "1", "--run-dir", f"{registry.folder}/local.run", env=s3.env)
        assert json.loads(done.stdout)["files"] == 6
    refused = jobs(*registry.words()[:-1], "s3://nosuch/x.zarr", env=s3.env, code=2)
    assert "There is no bucket s3://nosuch" in refused.stderr
    (registry.folder / "mine.py").write_text(TOLD)
    words = ["run", "map", f"{registry.folder}/mine.py:told", "--items", f"{bucket}/#aia_0094/2021/2022"]
    words += ["--target", f"{registry.folder}/told/{{stem}}.txt", "--workers", "1"]
    jobs(*words, env=s3.env)
    told = sorted(path.read_text() for path in (registry.folder / "told").iterdir())
    assert told == [f"{bucket}/aia_{number}.fits" for number in range(2, 6)]
