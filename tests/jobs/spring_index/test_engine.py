"""Runs as items of the batch engine: resumed block by block, regions, object stores, catalogs, one bad block."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from jobs.errors import OutputError
from jobs.spring_index.reading.source import NETCDF, Slot
from jobs.spring_index.record import inputs_signatures
from tests.jobs.conftest import ROOT, Runner
from tests.jobs.s3server import S3

Spring = Callable[..., dict[str, Any]]
Store = Callable[..., Path]
RUN = ("run", "spring-index", "--workers", 1)
"""One item process: a second one would only load the same kernels."""
BLOCKS = 16
"""Of a year of the sample, with --chunks 10."""


def files(store: Path) -> dict[str, bytes]:
    """All that a store holds."""
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def records(store: Path) -> list[dict[str, Any]]:
    """The ledger beside a store."""
    return [json.loads(line) for line in Path(f"{store}.run", "ledger.jsonl").read_text().splitlines()]


def tried(store: Path) -> list[str]:
    """The items that the last run beside a store has tried, in words."""
    lines = records(store)
    start = max(at for at, line in enumerate(lines) if line.get("event") == "start")
    return sorted(line["item"] for line in lines[start:] if "item" in line)


def names(*years: int) -> list[str]:
    """All blocks of some years, as items are called."""
    return sorted(f"{year} block {i},{j}" for year in years for i in range(4) for j in range(4))


def notes(store: Path) -> dict[str, int]:
    """The notes of blocks that are done, and when they were written."""
    return {str(path): path.stat().st_mtime_ns for path in store.rglob(".done/*/*.json") if path.name != "zarr.json"}


def other_region(sample: Path, folder: Path, name: str = "hi") -> None:
    """The sample's first year as another region: fewer columns."""
    for variable in ("tmin", "tmax", "dayl"):
        with xr.open_dataset(sample / f"daymet_v4_daily_na_{variable}_2000.nc", engine="h5netcdf") as dataset:
            part = dataset.drop_vars("time_bnds").isel(x=slice(0, 30))
            part["time"].attrs.pop("bounds", None)
            part.to_netcdf(folder / f"daymet_v4_daily_{name}_{variable}_2000.nc", engine="h5netcdf")


def damage(path: Path, variable: str) -> bytes:
    """Spoil one chunk of a file that has many; returns what stood there."""
    with h5py.File(path) as handle:
        found = handle[variable].id.get_chunk_info_by_coord((60, 20, 20))
    content = path.read_bytes()
    with path.open("r+b") as stream:
        stream.seek(found.byte_offset)
        stream.write(os.urandom(found.size))
    return content


@pytest.fixture(scope="session")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic years of 40 × 40 cells in native chunks of 10 × 10."""
    from jobs.spring_index.sample import write_sample

    folder = tmp_path_factory.mktemp("chunked")
    write_sample(folder, [2000, 2001], 40, 30_000.0, chunk=10)
    return folder


def test_a_killed_run_goes_on_block_by_block(spring: Spring, dates_of: Store, sample: Path, tmp_path: Path) -> None:
    """Killed with all its processes, no block that was noted is computed again, and the store is as if never killed."""
    never_killed = files(dates_of(sample, chunks="10"))  # first, so that nothing is compiled before the deadline
    store = tmp_path / "out.zarr"
    options = ["-i", str(sample), "-o", str(store), "--chunks", "10", "--workers", "1"]
    command = [sys.executable, "-m", "jobs", "run", "spring-index", *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while len(notes(store)) < 5 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)  # the item processes end with it
    time.sleep(0.5)
    before = notes(store)
    assert 5 <= len(before) < BLOCKS and not (store / "2000/zarr.json").exists()
    report = spring(sample, store, chunks="10")
    assert report["skipped"] == len(before) and report["done"] == 2 * BLOCKS - len(before)
    done = {f"2000 block {Path(path).stem.replace('.', ',')}" for path in before}
    assert tried(store) == sorted(set(names(2000, 2001)) - done)
    assert {y: v["state"] for y, v in report["years"].items()} == {"2000": "done", "2001": "done"}
    assert report["years"]["2000"]["cells"] == 1600
    assert files(store) == never_killed


@pytest.mark.slow
def test_a_run_that_replaces_a_store_goes_on_too(spring: Spring, dates_of: Store, sample: Path, tmp_path: Path) -> None:
    """What --overwrite has begun is continued without it; nothing of the old store is left."""
    store = tmp_path / "out.zarr"
    spring(sample, store, variant="npn")
    spring(sample, store, overwrite=True, chunks="10", limit=7)
    assert len(notes(store)) == 7 and not list(store.glob("*/zarr.json"))
    report = spring(sample, store, chunks="10")
    assert report["skipped"] == 7 and report["done"] == 2 * BLOCKS - 7
    assert files(store) == files(dates_of(sample, chunks="10"))


@pytest.mark.parametrize("change", ["input", "chunks"])
def test_a_note_of_something_else_is_not_believed(spring: Spring, sample: Path, tmp_path: Path, change: str) -> None:
    """Notes of blocks made of other files, or of other blocks, are as good as none: the year begins anew."""
    folder, store = tmp_path / "in", tmp_path / "out.zarr"
    shutil.copytree(sample, folder)
    assert spring(folder, store, years="2000", chunks="10", limit=3)["years"]["2000"]["state"] == "waiting"
    left = notes(store)
    chunks = "20" if change == "chunks" else "10"
    if change == "input":
        with (folder / "daymet_v4_daily_na_tmin_2000.nc").open("ab") as stream:
            stream.write(b"\0")
    report = spring(folder, store, years="2000", chunks=chunks)
    assert len(left) == 3 and report["skipped"] == 0 and report["years"]["2000"]["state"] == "done"
    # A worker that outlived its run writes its note late: it must not count for the next run either.
    (store / "2000/zarr.json").unlink()
    for path in left:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("{}")
    assert spring(sample, store, years="2000", chunks="10")["skipped"] == 0


CUT = {"empty": b"", "no fields": b"{}", "a list": b"[1]", "half the fields": b'{"cells": 100, "sums": {"damage": 3}}'}


@pytest.mark.parametrize("how", [pytest.param(how, marks=pytest.mark.slow) if how == "empty" else how for how in CUT])
def test_a_note_that_is_not_whole(spring: Spring, dates_of: Store, sample: Path, tmp_path: Path, how: str) -> None:
    """A note that a crash has cut, or that lacks what is asked of it, is not believed: its block is done again."""
    store = tmp_path / "out.zarr"
    spring(sample, store, years="2000", chunks="20", limit=2)
    Path(next(iter(notes(store)))).write_bytes(CUT[how])
    report = spring(sample, store, years="2000", chunks="20")
    assert report["skipped"] == 1 and report["done"] == 3 and report["years"]["2000"]["state"] == "done"
    if how == "empty":
        assert files(store) == files(dates_of(sample, years="2000", chunks="20"))


def test_a_layout_that_is_not_whole(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """A year whose waiting marker a crash has cut begins anew."""
    store = tmp_path / "out.zarr"
    spring(sample, store, years="2000", chunks="20", limit=2)
    next(iter(store.rglob(".done/*/zarr.json"))).write_bytes(b"")
    assert spring(sample, store, years="2000", chunks="20")["years"]["2000"]["state"] == "done"


def test_inputs_of_the_same_size(here: Runner, spring: Spring, sample: Path, tmp_path: Path) -> None:
    """A year is not finished from another file of the same name and size; one that is complete is not looked at."""
    folder, store = tmp_path / "in", tmp_path / "out.zarr"
    shutil.copytree(sample, folder)
    call = (*RUN, "-i", folder, "-o", store, "--chunks", 20, "--years", 2000, "--json")
    assert here(*call, "--limit", 2).returncode == 0
    tmin = folder / "daymet_v4_daily_na_tmin_2000.nc"
    tmin.write_bytes(tmin.read_bytes())
    again = here(*call)
    report = json.loads(again.stdout)
    assert (
        again.returncode == 0 and report["skipped"] == 0 and "2000: the inputs or options have changed" in again.stderr
    )
    os.utime(tmin)
    assert json.loads(here(*call).stdout)["years"]["2000"]["state"] == "skipped"


def test_an_object_of_the_same_size(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an object in S3 its ETag tells that it is another; where it lies changes nothing."""
    import fsspec

    monkeypatch.setitem(fsspec.config.conf, "s3", dict(s3.options["s3"]))
    s3.put("same")
    slots = {"tmin": Slot((s3.put("same/a/tmin.nc", b"one"),), NETCDF, "tmin")}
    names, stamps = inputs_signatures(slots, {})
    assert inputs_signatures(slots, {"s3://same/a/tmin.nc": 3}) == (names, stamps)
    s3.put("same/a/tmin.nc", b"two")
    names_then, stamps_then = inputs_signatures(slots, {})
    assert names_then == names and stamps_then != stamps
    moved = {"tmin": Slot((s3.put("same/b/tmin.nc", b"two"),), NETCDF, "tmin")}
    assert inputs_signatures(moved, {})[0] == names


def test_files_of_one_name_count_each(tmp_path: Path) -> None:
    """Files of one name in different folders are all in the signature."""
    found = []
    for size in (1, 2):
        path = tmp_path / str(size) / "a.nc"
        path.parent.mkdir()
        path.write_bytes(bytes(size))
        found.append(str(path))
    slots = {"tmin": Slot((found[0],), NETCDF, "tmin"), "tmax": Slot((found[1],), NETCDF, "tmax")}
    before = inputs_signatures(slots, {})[0]
    Path(found[0]).write_bytes(bytes(9))
    assert inputs_signatures(slots, {})[0] != before


def test_what_cannot_be_read_is_not_taken_for_missing(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """A store of which it cannot be told what is there is refused, and not made anew."""
    store = tmp_path / "out.zarr"
    spring(sample, store, years="2000")
    (store / "2000/zarr.json").unlink()
    (store / "2000/zarr.json").mkdir()
    with pytest.raises(OutputError, match="cannot be read"):
        spring(sample, store, years="2000")
    assert list((store / "2000/leaf_index/c").rglob("0"))


@pytest.mark.slow
def test_years_and_regions_are_added(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """Regions lie side by side, each on its own grid; years and regions come later, what is there stays."""
    folder, store = tmp_path / "in", tmp_path / "out.zarr"
    folder.mkdir()
    for path in sample.glob("*_2000.nc"):
        shutil.copy(path, folder)
    other_region(sample, folder)
    report = spring(folder, store, plot=True)
    assert {y: v["state"] for y, v in report["years"].items()} == {"hi/2000": "done", "na/2000": "done"}
    assert [Path(url).name for url in report["plot"]] == ["out.zarr.hi.png", "out.zarr.na.png"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        na, hi = (xr.open_zarr(store, group=f"{name}/2000").load() for name in ("na", "hi"))
    assert na.sizes["x"] == 40 and hi.sizes["x"] == 30
    np.testing.assert_array_equal(na["leaf_index"].values[:, :30], hi["leaf_index"].values)
    other_region(sample, tmp_path, "pr")
    states = spring([sample, *tmp_path.glob("*_pr_*.nc")], store)["years"]
    assert {y: v["state"] for y, v in states.items()} == {"na/2000": "skipped", "na/2001": "done", "pr/2000": "done"}
    assert spring(sample, store, years="2001")["years"]["na/2001"]["state"] == "skipped"
    with pytest.raises(OutputError, match="other options"):
        spring(sample, store, variant="npn")


@pytest.mark.slow
def test_a_region_outside_the_box_is_left_out(here: Runner, sample: Path, tmp_path: Path) -> None:
    """--bbox holds for each region; one that is not in it is named and left out."""
    other_region(sample, tmp_path)
    for path in tmp_path.glob("*_hi_*.nc"):
        with h5py.File(path, "r+") as handle:
            handle["y"][:] -= 4e6
    box = "--bbox=-88,36,-82,40"
    files = sorted([*sample.glob("*_2000.nc"), *tmp_path.glob("*_hi_*.nc")])
    done = here(*RUN, *files, "-o", tmp_path / "out.zarr", box, "--json")
    assert done.returncode == 0 and "hi is left out" in done.stderr, done.stderr
    assert list(json.loads(done.stdout)["years"]) == ["2000"]


def test_one_bad_block(here: Runner, chunked: Path, tmp_path: Path) -> None:
    """A damaged chunk fails its block and keeps its year away; once the file is another one the year begins anew."""
    folder, store = tmp_path / "in", tmp_path / "out.zarr"
    shutil.copytree(chunked, folder)
    bad = folder / "daymet_v4_daily_na_tmax_2001.nc"
    good = damage(bad, "tmax")
    call = (*RUN, "-i", folder, "-o", store, "--chunks", 10)
    done = here(*call)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "1 item is not done" in done.stderr
    assert re.search(rf"2001 failed: 15 of 16 blocks are done: .*{bad.name}", done.stdout), done.stdout
    assert (store / "2000/zarr.json").exists() and not (store / "2001/zarr.json").exists()
    listed = (Path(f"{store}.run") / "failed.csv").read_text().splitlines()
    assert len(listed) == 2 and listed[1].startswith('"2001 block 2,2"')
    assert "2001 block 2,2" in (Path(f"{store}.run") / "report.html").read_text()
    bad.write_bytes(good)
    again = here(*call, "--json")
    report = json.loads(again.stdout)
    assert again.returncode == 0 and report["skipped"] == BLOCKS and tried(store) == names(2001)
    assert "2001: the inputs or options have changed" in again.stderr
    written = sum(line.get("bytes_out", 0) for line in records(store)[-BLOCKS - 1 :])
    assert written == sum(path.stat().st_size for path in store.glob("2001/*/c/*/**/*") if path.is_file())
    assert report["years"]["2001"]["cells"] == 1600 and (store / "2001/zarr.json").exists()


@pytest.mark.slow
def test_an_object_store(
    run: Runner, dates_of: Store, sample: Path, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From S3 to S3: notes are objects, a year is there once all of it is, and a file that its name belies fails it."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    s3.put("springs")
    for path in sample.glob("*.nc"):
        content = path.read_bytes()
        if path.name == "daymet_v4_daily_na_tmax_2001.nc":
            with h5py.File(shutil.copy(path, tmp_path), "r+") as handle:
                handle["x"][:] += 500.0
            content = (tmp_path / path.name).read_bytes()
        s3.put(f"springs/in/{path.name}", content)
    call = ("run", "spring-index", "-i", "s3://springs/in", "-o", "s3://springs/out.zarr", "--chunks", "20", "--json")
    call += ("--workers", "1")
    monkeypatch.chdir(tmp_path)

    def keys() -> set[str]:
        found = s3.client.list_objects_v2(Bucket="springs", Prefix="out.zarr/")["Contents"]
        return {one["Key"].removeprefix("out.zarr/") for one in found}

    first = run(*call, "--limit", 3, "--run-dir", tmp_path / "run")
    assert first.returncode == 0, first.stderr
    there = keys()
    assert sum(bool(re.fullmatch(r"2000/\.done/\w+/\d\.\d\.json", key)) for key in there) == 3
    assert "2000/zarr.json" not in there
    second = run(*call, "--run-dir", tmp_path / "run")
    report = json.loads(second.stdout)
    assert second.returncode == 1 and report["skipped"] == 3 and report["failed"] == 4
    assert {y: v["state"] for y, v in report["years"].items()} == {"2000": "done", "2001": "failed"}
    assert "tmax_2001.nc lies on another grid" in report["years"]["2001"]["error"]
    there = keys()
    assert not [key for key in there if key.startswith(("2000/.done", ".plan"))] and "2001/zarr.json" not in there
    local = {n: text for n, text in files(dates_of(sample, years="2000", chunks="20")).items() if n.startswith("2000")}
    assert set(local) == {key for key in there if key.startswith("2000")}
    for name, text in local.items():
        assert s3.client.get_object(Bucket="springs", Key=f"out.zarr/{name}")["Body"].read() == text, name


def test_a_catalog(here: Runner, sample: Path, tmp_path: Path) -> None:
    """A catalog's items tell region and year whatever its files are called; a broken link costs only its own item."""
    import pystac

    catalog = pystac.Catalog("daymet", "A made-up one.")
    box = [-90.0, 30.0, -80.0, 40.0]
    start = xr.date_range("2000-01-01", periods=1)[0].to_pydatetime()
    for region in ("na", "hi"):
        other_region(sample, tmp_path) if region == "hi" else None
        for year in (2000, 2001) if region == "na" else (2000,):
            item = pystac.Item(f"{region}-{year}", None, box, start.replace(year=year), {})
            for variable in ("tmin", "tmax", "dayl", "prcp"):
                there = (sample if region == "na" else tmp_path) / f"daymet_v4_daily_{region}_{variable}_{year}.nc"
                plain = tmp_path / f"{variable}-{region}-{year}.nc"
                if there.exists():
                    shutil.copy(there, plain)
                item.add_asset(variable, pystac.Asset(str(plain)))
            catalog.add_item(item)
    catalog.normalize_and_save(str(tmp_path / "catalog"), pystac.CatalogType.SELF_CONTAINED)
    url = tmp_path / "catalog/catalog.json"
    done = here(*RUN, "-i", url, "--items", "na-*", "-o", tmp_path / "na.zarr", "--json")
    assert done.returncode == 0, done.stderr
    assert {y: v["state"] for y, v in json.loads(done.stdout)["years"].items()} == {"2000": "done", "2001": "done"}
    (tmp_path / "catalog/na-2001/na-2001.json").unlink()
    broken = here(*RUN, "-i", url, "-o", tmp_path / "all.zarr", "--json")
    assert broken.returncode == 1 and "Traceback" not in broken.stderr and "na-2001" in broken.stderr
    report = json.loads(broken.stdout)
    assert {y: v["state"] for y, v in report["years"].items()} == {"hi/2000": "done", "na/2000": "done"}
    assert report["failed"] == 1
    of_2000 = here(*RUN, "-i", url, "-o", tmp_path / "all.zarr", "--years", 2000, "--json")
    assert of_2000.returncode == 0 and "na-2001" in of_2000.stderr, of_2000.stderr


def test_stores_of_earlier_versions_are_known(spring: Spring, sample: Path, tmp_path: Path) -> None:
    """The signature by which a store knows its options and grid is what it was when regions were not yet thought of."""
    spring(sample, tmp_path / "out.zarr", years="2000")
    root = json.loads((tmp_path / "out.zarr/zarr.json").read_text())
    assert root["attributes"]["springline_signature"] == "694973ec81ec5419"


HALF: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "classic": lambda content: b"CDF\x01\0\0\0\x01\0\0",
    "a web page": lambda content: b"<!DOCTYPE html>",
}


def test_half_a_file_costs_only_its_year(here: Runner, tmp_path: Path) -> None:
    """A file that is not whole fails the blocks of its year, by name; the others are computed; repaired, it goes on."""
    from jobs.spring_index.sample import write_sample

    folder, store = tmp_path / "in", tmp_path / "out.zarr"
    broken = dict(zip(range(2000, 2004), HALF.values(), strict=True))
    write_sample(folder, [*broken, 2004], 20, 60_000.0)
    files = {year: folder / f"daymet_v4_daily_na_tmax_{year}.nc" for year in broken}
    good = {year: file.read_bytes() for year, file in files.items()}
    for year, file in files.items():
        file.write_bytes(broken[year](good[year]))
    call = (*RUN, "-i", folder, "-o", store, "--json")
    done = here(*call)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    report = json.loads(done.stdout)["years"]
    assert {y: v["state"] for y, v in report.items()} == {**dict.fromkeys(map(str, broken), "failed"), "2004": "done"}
    listed = (Path(f"{store}.run") / "failed.csv").read_text()
    assert all(file.name in report[str(year)]["error"] and file.name in listed for year, file in files.items())
    for year, file in files.items():
        file.write_bytes(good[year])
    assert here(*call, "--only-failed").returncode == 0
    assert all((store / str(year) / "zarr.json").exists() for year in broken)


def test_half_a_file_costs_only_its_region(here: Runner, sample: Path, tmp_path: Path) -> None:
    """Where nothing tells what a file would hold, it is a failed item itself; other regions keep their places."""
    folder, store = tmp_path / "in", tmp_path / "out.zarr"
    folder.mkdir()
    for path in sample.glob("*_2000.nc"):
        shutil.copy(path, folder)
    other_region(sample, folder)
    bad = folder / "daymet_v4_daily_hi_dayl_2000.nc"
    good = bad.read_bytes()
    bad.write_bytes(good[:1000])
    call = (*RUN, "-i", folder, "-o", store, "--json")
    done = here(*call)
    assert done.returncode == 1 and bad.name in done.stderr, done.stderr
    assert {y: v["state"] for y, v in json.loads(done.stdout)["years"].items()} == {"na/2000": "done"}
    assert bad.name in (Path(f"{store}.run") / "failed.csv").read_text()
    bad.write_bytes(good)
    assert json.loads(here(*call).stdout)["years"]["hi/2000"]["state"] == "done"


@pytest.mark.slow
def test_half_a_file_of_any_name(here: Runner, sample: Path, tmp_path: Path) -> None:
    """A file whose name tells nothing is named as the item that failed; years that have all they need are computed."""
    folder = tmp_path / "in"
    folder.mkdir()
    for path in sample.glob("*.nc"):
        shutil.copy(path, folder / path.name.replace("daymet_v4_daily_na_", ""))
    (folder / "tmin_2001.nc").write_bytes(b"")
    done = here(*RUN, "-i", folder, "-o", tmp_path / "out.zarr", "--json")
    assert done.returncode == 1 and "tmin_2001.nc" in done.stderr, done.stderr
    assert {y: v["state"] for y, v in json.loads(done.stdout)["years"].items()} == {"2000": "done"}
    assert "tmin_2001.nc" in (tmp_path / "out.zarr.run/failed.csv").read_text()
