"""Whole runs: what is written, what is skipped, what survives a kill, and where it may run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from jobs.errors import OutputError, UsageError
from jobs.spring_index.reading.pixels import read_pixel
from jobs.spring_index.science.model import VARIANTS
from jobs.spring_index.science.stream import plant_index, spring_dates
from jobs.storage import exclusive
from tests.jobs.conftest import ROOT, Runner
from tests.jobs.tutorial import tutorial

Spring = Callable[..., dict[str, Any]]
Store = Callable[..., Path]


def year(store: Path, name: int | str = 2000) -> xr.Dataset:
    """A year of a result, opened as any user would, without a single warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xr.open_zarr(store, group=str(name)).load()


def fields(sample: Path, name: int = 2000) -> list[xr.DataArray]:
    """tmin, tmax and dayl of the sample."""
    found = []
    for variable in ("tmin", "tmax", "dayl"):
        path = sample / f"daymet_v4_daily_na_{variable}_{name}.nc"
        with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as dataset:
            found.append(dataset[variable].load())
    return found


def same(a: xr.Dataset, b: xr.Dataset) -> None:
    """Two years hold the same dates."""
    assert set(a.data_vars) == set(b.data_vars)
    for name in a.data_vars:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))


def test_command_line_run(run: Runner, sample: Path, tmp_path: Path) -> None:
    """From a directory of NetCDF to a store as promised: names, dims, types, attributes, JSON, no local paths."""
    store = tmp_path / "out.zarr"
    done = run("run", "spring-index", "--input", sample, "--output", store, "--chunks", "20,15", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["schema_version"] == 1 and report["cells"] == 3200 and report["plot"] is None
    assert {y: v["state"] for y, v in report["years"].items()} == {"2000": "done", "2001": "done"}
    assert "100 %" in done.stderr and "\r" not in done.stderr and "Traceback" not in done.stderr
    dataset = year(store)
    dims = {name: array.dims for name, array in dataset.data_vars.items()}
    plane = ("y", "x")
    assert dims == {
        "first_leaf": ("plant", *plane), "first_bloom": ("plant", *plane), "leaf_index": plane,
        "bloom_index": plane, "last_freeze": plane, "damage": plane,
    }  # fmt: skip
    assert dataset["plant"].values.tolist() == ["lilac", "arnold_red", "zabeli"]
    assert all(a.dtype == np.float32 and a.attrs["grid_mapping"] in dataset.coords for a in dataset.data_vars.values())
    assert dataset["lambert_conformal_conic"].attrs["standard_parallel"] == [25.0, 60.0]
    for path in store.rglob("zarr.json"):
        assert str(tmp_path) not in path.read_text() and str(sample) not in path.read_text()
    record = json.loads((tmp_path / "out.zarr.run/run.json").read_text())
    assert record["versions"]["springline"] and record["inputs"]["2000"][0] == "daymet_v4_daily_na_dayl_2000.nc"


def test_dates_are_the_model_s(spring: Spring, dates_of: Store, sample: Path, tmp_path: Path) -> None:
    """What a run writes, in any blocks, is what the model says of the arrays; the sea is NaN."""
    spring(sample, tmp_path / "many.zarr", years="2000", chunks="7,11")
    tmin, tmax, dayl = (f.values for f in fields(sample))
    dates, one = spring_dates(tmin, tmax, dayl), year(dates_of(sample))
    same(one, year(tmp_path / "many.zarr"))
    np.testing.assert_array_equal(one["first_leaf"].values.reshape(3, -1), dates.leaf)
    np.testing.assert_array_equal(one["bloom_index"].values.ravel(), plant_index(dates.bloom))
    np.testing.assert_array_equal(one["damage"].values, one["leaf_index"].values - one["last_freeze"].values)
    sea = np.isnan(tmin[0])
    assert sea.any() and all(np.isnan(one[n].values[..., sea]).all() for n in one.data_vars)
    assert np.isfinite(one["leaf_index"].values[~sea]).all()
    with xr.open_dataset(sample / "daymet_v4_daily_na_tmin_2000.nc", engine="h5netcdf", decode_times=False) as source:
        np.testing.assert_array_equal(one["lat"].values, source["lat"].values)


def test_tutorial_output(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """Variant `rsdat` with coarser cells writes the tutorial's variables, labels and dates."""
    spring(sample, tmp_path / "out.zarr", years="2000", variant="rsdat", coarsen=3)
    tmin, tmax, dayl = (f.coarsen(y=3, x=3, boundary="trim").mean() for f in fields(sample))
    leaf, bloom = tutorial(tmin, tmax, dayl)
    found = year(tmp_path / "out.zarr")
    assert found["plant"].values.tolist() == leaf["plant"].values.tolist() == ["lilac", "arnold red", "zabelli", "mean"]
    np.testing.assert_array_equal(found["first-leaf"].values, leaf.transpose("plant", "y", "x").values)
    np.testing.assert_array_equal(found["first-bloom"].values, bloom.transpose("plant", "y", "x").values)
    assert found["first-leaf"].dtype == np.float64 and found.sizes["y"] == 13


def test_years_done_are_skipped(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """A second run adds what is missing; other options or inputs ask for --overwrite, which replaces all."""
    store = tmp_path / "out.zarr"
    spring(sample, store, years="2000")
    written = (store / "2000/first_leaf/zarr.json").stat().st_mtime_ns
    states = {y: v["state"] for y, v in spring(sample, store)["years"].items()}
    assert states == {"2000": "skipped", "2001": "done"}
    assert (store / "2000/first_leaf/zarr.json").stat().st_mtime_ns == written
    with pytest.raises(OutputError, match="other options") as refused:
        spring(sample, store, variant="npn")
    assert "--overwrite" in refused.value.hint
    states = {
        y: v["state"] for y, v in spring(sample, store, overwrite=True, years="2001", variant="npn")["years"].items()
    }
    assert states == {"2001": "done"} and not (store / "2000").exists()


def test_a_foreign_directory_is_never_replaced(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """Not even --overwrite deletes what is no Zarr store."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/thesis.tex").write_text("precious")
    with pytest.raises(OutputError, match="not a Zarr store"):
        spring(sample, tmp_path / "notes", overwrite=True)
    assert (tmp_path / "notes/thesis.tex").read_text() == "precious"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on(
    spring: Spring, dates_of: Store, sample: Path, tmp_path: Path, how: signal.Signals
) -> None:
    """Stopped in the middle, no half year can be seen; the same command finishes the rest to the same dates."""
    store = tmp_path / "out.zarr"
    options = ["-i", str(sample), "-o", str(store), "--chunks", "5"]
    command = [sys.executable, "-m", "jobs", "run", "spring-index", *options]
    # A shell that runs tests in the background has them ignore Ctrl-C; the command under test must not.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=listen) as process:
        deadline = time.monotonic() + 60
        while not (store / "2000/zarr.json").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(how)
        said = process.communicate(timeout=60)[1]
    assert (store / "2000/zarr.json").exists() and not (store / "2001/zarr.json").exists()
    if how == signal.SIGINT:
        assert process.returncode == 130 and " of 128 items left" in said and "Traceback" not in said
    report = spring(sample, store, chunks="10")
    assert {y: v["state"] for y, v in report["years"].items()} == {"2000": "skipped", "2001": "done"}
    for name in (2000, 2001):
        same(year(store, name), year(dates_of(sample), name))


def test_on_a_cluster(run: Runner, sample: Path, tmp_path: Path) -> None:
    """Two workers at an address compute the same dates, shared by all blocks."""
    from dask.distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1") as cluster:
        address = cluster.scheduler_address
        done = run("run", "spring-index", "-i", sample, "-o", tmp_path / "a.zarr", "--chunks", 10, "--dask", address)
    assert done.returncode == 0, done.stderr
    again = run("run", "spring-index", "-i", sample, "-o", tmp_path / "b.zarr", "--years", 2000, "-q")
    assert again.returncode == 0 and again.stderr == ""
    same(year(tmp_path / "a.zarr"), year(tmp_path / "b.zarr"))


def test_no_scheduler(run: Runner, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without a scheduler is said so, soon, with exit code 2."""
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    done = run("run", "spring-index", "-i", sample, "-o", tmp_path / "a.zarr", "--dask", "tcp://127.0.0.1:9")
    assert done.returncode == 2 and "tcp://127.0.0.1:9" in done.stderr and "Traceback" not in done.stderr


def test_points(spring: Spring, data: Path, tmp_path: Path) -> None:
    """Real pixels become points with their own dates; a year one of them lacks is NaN there."""
    paths = sorted((data / "daymet").glob("*.csv"))
    short = tmp_path / "short.csv"
    short.write_text("".join(line for line in paths[0].read_text().splitlines(True) if not line.startswith("2001,")))
    report = spring([*paths[1:], short], tmp_path / "out.zarr", plot=True)
    found = year(tmp_path / "out.zarr", 2001)
    assert found["first_leaf"].dims == ("plant", "point") and found["point"].values[-1] == "short"
    for i, path in enumerate(paths[1:]):
        days = read_pixel(str(path)).days[2001]
        dates = spring_dates(*(days[v][:, None] for v in ("tmin", "tmax", "dayl")))
        np.testing.assert_array_equal(found["first_bloom"].values[:, i], dates.bloom[:, 0])
        assert found["lat"].values[i] == read_pixel(str(path)).latitude
    assert np.isnan(found["leaf_index"].values[-1]) and report["years"]["2001"]["valid_cells"] == 2
    assert Path(report["plot"]).read_bytes()[:4] == b"\x89PNG"


def test_zarr_input(spring: Spring, dates_of: Store, sample: Path, tmp_path: Path) -> None:
    """A Zarr store of several years gives the same dates; without dayl, Daymet's formula stands in for it exactly."""
    years = [xr.merge(map(_open, sorted(sample.glob(f"*_{y}.nc"))), compat="override") for y in (2000, 2001)]
    both = xr.concat(years, "time", data_vars="minimal", coords="minimal", compat="override", join="override")
    both.chunk(time=365, y=13, x=40).to_zarr(tmp_path / "in.zarr", zarr_format=3, consolidated=True)
    both.drop_vars("dayl").to_zarr(tmp_path / "dark.zarr", zarr_format=2, consolidated=True)
    spring(tmp_path / "in.zarr", tmp_path / "b.zarr")
    spring(tmp_path / "dark.zarr", tmp_path / "c.zarr", years="2001")
    for name in (2000, 2001):
        same(year(dates_of(sample), name), year(tmp_path / "b.zarr", name))
    dark = year(tmp_path / "c.zarr", 2001)
    same(year(dates_of(sample), 2001), dark)
    assert dark.attrs["springline_day_length"] == "daymet"


def _open(path: Path) -> xr.Dataset:
    dataset = xr.open_dataset(path, engine="h5netcdf", decode_times=False).load()
    return dataset.drop_vars(["time_bnds", "yearday"])


def test_regular_grid_without_day_length(spring: Spring, tmp_path: Path) -> None:
    """A grid of latitudes and longitudes with no dayl uses the toolbox's formula, and refuses the southern half."""
    dates = np.datetime64("1999-01-01") + np.arange(365)
    middle = 12 - 14 * np.cos(2 * np.pi * (np.arange(365) - 20) / 365)
    lat, lon = np.linspace(50, 30, 9), np.linspace(0, 20, 8)
    fields = {
        name: (
            ("time", "lat", "lon"),
            np.broadcast_to((middle + sign * 6)[:, None, None], (365, 9, 8)),
            {"units": "degC"},
        )
        for name, sign in (("tmin", -1), ("tmax", 1))
    }
    grid = xr.Dataset(fields, {"time": dates, "lat": lat, "lon": lon})
    grid.to_zarr(tmp_path / "in.zarr", zarr_format=3, consolidated=False)
    spring(tmp_path / "in.zarr", tmp_path / "out.zarr", plot=True)
    found = year(tmp_path / "out.zarr", 1999)
    assert found["leaf_index"].dims == ("y", "x") and found.attrs["springline_day_length"] == "toolbox"
    assert np.unique(found["leaf_index"].values, axis=1).shape[1] == 1 and np.isfinite(found["leaf_index"].values).all()
    grid.assign_coords(lat=lat - 45).to_zarr(tmp_path / "south.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(UsageError, match="south of the equator"):
        spring(tmp_path / "south.zarr", tmp_path / "no.zarr")


def test_box_and_plants(spring: Spring, dates_of: Store, sample: Path, tmp_path: Path) -> None:
    """A box gives the same dates for fewer cells; fewer plants give fewer layers and no indices."""
    spring(sample, tmp_path / "box.zarr", years="2000", bbox="-88,36,-82,40", plants="zabeli,lilac")
    whole, box = year(dates_of(sample)), year(tmp_path / "box.zarr")
    assert set(box.data_vars) == {"first_leaf", "first_bloom", "last_freeze"}
    assert box["plant"].values.tolist() == ["lilac", "zabeli"] and 0 < box.sizes["x"] < 40
    inside = (whole["lat"] > 36) & (whole["lat"] < 40) & (whole["lon"] > -88) & (whole["lon"] < -82)
    rows, columns = np.flatnonzero(inside.any("x")), np.flatnonzero(inside.any("y"))
    assert set(whole["x"].values[columns]) <= set(box["x"].values)
    assert set(whole["y"].values[rows]) <= set(box["y"].values)
    part = whole["first_leaf"].sel(plant=box["plant"], y=box["y"], x=box["x"])
    np.testing.assert_array_equal(box["first_leaf"].values, part.values)


def test_picture(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """--plot leaves a PNG beside the output that is not one colour."""
    from matplotlib.image import imread

    report = spring(sample, tmp_path / "out.zarr", plot=True, variant="npn")
    picture = imread(report["plot"])
    assert report["plot"] == f"{tmp_path}/out.zarr.png" and min(picture.shape[:2]) > 800
    assert len(np.unique((picture[::4, ::4, :3] * 255).astype(np.uint8).reshape(-1, 3), axis=0)) > 15


def test_one_bad_year_is_not_all(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """A file damaged inside fails its year, by name, and leaves the others alone."""
    import h5py

    for path in sample.glob("*.nc"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    bad = tmp_path / "daymet_v4_daily_na_tmax_2001.nc"
    with h5py.File(bad) as handle:
        chunk = handle["tmax"].id.get_chunk_info(60)
    with bad.open("r+b") as stream:
        stream.seek(chunk.byte_offset)
        stream.write(os.urandom(chunk.size))
    report = spring(tmp_path, tmp_path / "out.zarr")
    assert {y: v["state"] for y, v in report["years"].items()} == {"2000": "done", "2001": "failed"}
    assert bad.name in report["years"]["2001"]["error"]
    assert not (tmp_path / "out.zarr/2001/zarr.json").exists()


def test_every_variant_runs(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """Each variant goes from files to a store, and names itself there."""
    for variant in VARIANTS:
        spring(sample, tmp_path / f"{variant}.zarr", years="2001", variant=variant)
        assert year(tmp_path / f"{variant}.zarr", 2001).attrs["springline_variant"].startswith(f"{variant}: ")


def test_files_without_chunks(spring: Spring, dates_of: Store, sample: Path, tmp_path: Path) -> None:
    """NetCDF as xarray writes it by default, in one piece, gives the same dates."""
    plain = tmp_path / "plain"
    plain.mkdir()
    for file in sample.glob("*.nc"):
        with xr.open_dataset(file, engine="h5netcdf") as dataset:
            dataset.load().drop_encoding().to_netcdf(plain / file.name, engine="h5netcdf")
    spring(plain, tmp_path / "plain.zarr", years="2000")
    same(year(tmp_path / "plain.zarr", 2000), year(dates_of(sample), 2000))


def test_overwrite_never_takes_an_input_or_a_foreign_store(spring: Spring, tmp_path: Path, sample: Path) -> None:
    """--overwrite replaces results of springline only: not the input, not what others made."""
    foreign = tmp_path / "foreign.zarr"
    xr.Dataset({"tmin": ("x", [1.0])}).to_zarr(foreign, zarr_format=3, consolidated=False)
    for output in (foreign, sample):
        with pytest.raises(OutputError):
            spring(sample, output, overwrite=True)
    assert xr.open_zarr(foreign, consolidated=False).tmin.values == [1.0]
    assert list(sample.glob("*.nc"))


def test_two_runs_on_one_output(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """The second is refused while the first is writing."""
    with exclusive(str(tmp_path / "out.zarr")), pytest.raises(OutputError, match="Another run"):
        spring(sample, tmp_path / "out.zarr")
    spring(sample, tmp_path / "out.zarr")


def test_a_map_of_one_cell(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """The smallest map there is can be drawn."""
    with xr.open_mfdataset(str(sample / "*.nc"), engine="h5netcdf") as dataset:
        rows, columns = dataset.sizes["y"], dataset.sizes["x"]
    assert spring(sample, tmp_path / "one.zarr", coarsen=str(min(rows, columns)), plot=True)["plot"]


@pytest.mark.parametrize(
    "words", [["list"], ["list", "--json"], ["--help"], ["run", "spring-index", "--help"]], ids=str
)
def test_an_answer_that_cannot_be_written(words: list[str]) -> None:
    """On a full disk one sentence says what is missing, and what to do: no traceback, and no success."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    command = [sys.executable, "-m", "jobs", *words]
    with full.open("w") as nowhere:
        done = subprocess.run(command, stdout=nowhere, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 2, done.stderr
    assert "The answer cannot be written to stdout: No space left on device." in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nope"], 60, "There are: l1b, map, sdo-combine"),
        (["Mapp"], 60, "Did you mean 'map'?"),
        (["map", "nofile.py:f"], 2, "There is no file nofile.py in "),
    ],
    ids=str,
)
def test_what_is_not_there_is_said_once(here: Runner, words: list[str], code: int, said: str) -> None:
    """Of a job or a script: what is missing, and a next step."""
    done = here("run", *words)
    assert done.returncode == code and said in done.stderr and "→" in done.stderr, done.stderr
    assert done.stderr.count(words[-1].partition(":")[0]) == 1 and "Errno" not in done.stderr
