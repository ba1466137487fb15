"""What is wrong with the input or the command is said in one message with a next step, and exit code 2."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from jobs.cli import cli
from jobs.errors import InputError
from jobs.spring_index.reading.readers import open_dataset
from jobs.spring_index.reading.source import NETCDF
from tests.jobs.conftest import Runner
from tests.jobs.s3server import S3
from tests.jobs.stac.servers import serve_web

TMIN, TMAX, DAYL = (f"daymet_v4_daily_na_{v}_2000.nc" for v in ("tmin", "tmax", "dayl"))


@pytest.fixture
def folder(sample: Path, tmp_path: Path) -> Path:
    """One year of the sample, to be damaged."""
    copy = tmp_path / "in"
    copy.mkdir()
    for path in sample.glob("*_2000.nc"):
        shutil.copy(path, copy / path.name)
    return copy


def refusal(*arguments: object, code: int = 2) -> str:
    """Standard error of a command that has to end with `code`, without a traceback or a word on stdout."""
    result = CliRunner().invoke(cli, ["run", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output and result.stdout == ""
    return result.stderr


def spring(folder: Path, *more: object) -> str:
    """How spring-index refuses a folder, or some options for it."""
    return refusal(
        "spring-index", "-i", folder, "-o", folder.parent / "out.zarr", "--dask", "local", "--workers", 1, *more
    )


def edit(name: str, change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    """A damage done inside a file."""

    def damage(folder: Path) -> None:
        with h5py.File(folder / name, "r+") as handle:
            change(handle)

    return damage


def attribute(variable: str, name: str, value: str) -> Callable[[h5py.File], None]:
    """A damage that changes one attribute."""
    return lambda handle: handle[variable].attrs.__setitem__(name, value)


def warmer(handle: h5py.File) -> None:
    """Kelvin under the name of Celsius."""
    handle["tmax"][:3] = handle["tmax"][:3] + np.float32(273.15)


def hours(handle: h5py.File) -> None:
    """Hours under the name of seconds."""
    handle["dayl"][:] = handle["dayl"][:] / np.float32(3600)


def shifted(handle: h5py.File) -> None:
    """Another grid of the same size."""
    handle["x"][:] = handle["x"][:] + 500.0


def holes(handle: h5py.File) -> None:
    """Day 60 given twice, day 61 never."""
    handle["time"][60] = handle["time"][59]


def truncate(folder: Path) -> None:
    """A download that stopped half-way."""
    content = (folder / TMAX).read_bytes()
    (folder / TMAX).write_bytes(content[: len(content) // 2])


DAMAGES = {
    "no tmax file": (lambda f: (f / TMAX).unlink(), ["2000 has no tmax", "Add its file"]),
    "no tmax inside": (edit(TMAX, lambda h: h.move("tmax", "t2m")), [TMAX, "none of tmin, tmax and dayl", "t2m"]),
    "Kelvin by name": (edit(TMAX, attribute("tmax", "units", "K")), [TMAX, "'K'", "subtract 273.15"]),
    "Kelvin by value": (edit(TMAX, warmer), [TMAX, "Kelvin", "degC"]),
    "hours as seconds": (edit(DAYL, hours), [DAYL, "hours?", "units to 'h'"]),
    "minutes": (edit(DAYL, attribute("dayl", "units", "min")), [DAYL, "'min'", "s or h"]),
    "mixed °F": (edit(TMAX, attribute("tmax", "units", "degF")), ["different units", "Celsius"]),
    "366-day calendar": (edit(TMIN, attribute("time", "calendar", "366_day")), [TMIN, "366_day", "convert_calendar"]),
    "no time units": (edit(TMIN, attribute("time", "units", "fortnights")), [TMIN, "fortnights", "days since"]),
    "a day twice": (edit(TMIN, holes), [TMIN, "step 61 is day 60", "every day"]),
    "another grid": (edit(TMAX, shifted), [TMAX, "different grids: the x", "one grid"]),
    "truncated": (truncate, [TMAX, "cannot be read", "Download or copy it again"]),
    "empty": (lambda f: (f / TMAX).write_bytes(b""), [TMAX, "not a NetCDF file", "download that failed"]),
    "a web page": (lambda f: (f / TMAX).write_bytes(b"<!DOCTYPE html>"), [TMAX, "<!DO"]),
    "cut classic": (lambda f: (f / TMAX).write_bytes(b"CDF\x01\0\0\0\x01\0\0"), [TMAX, "cannot be read"]),
    "a table too": (lambda f: (f / "a.csv").write_text("year,yday"), ["a.csv", "mix CSV files"]),
    "nothing": (lambda f: [p.unlink() for p in f.iterdir()], ["holds no input files", ".nc"]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_grids(name: str, folder: Path) -> None:
    """Each kind of damage is named with its file and what to do, and nothing appears as a result."""
    damage, expected = DAMAGES[name]
    damage(folder)
    said = spring(folder)
    assert all(part in said for part in expected), said
    assert not list(folder.parent.glob("out.zarr/2000/zarr.json"))


PIXEL = (
    "Latitude: 36.0  Longitude: -84.2\nElevation: 279 meters\n\n"
    "year,yday,dayl (s),prcp (mm/day),tmax (deg c),tmin (deg c)\n"
    + "".join(f"2000,{d},34571.11,0.00,17.50,2.30\n" for d in range(1, 366))
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PIXEL.replace("tmax (deg c)", "tmax (K)"), "'tmax (k)' instead of 'tmax (deg c)'"),
        (PIXEL.replace("tmin (deg c)", "vp (Pa)"), "no column 'tmin (deg c)'"),
        (PIXEL.replace("2000,60,", "2000,61,", 1), "without a hole"),
        (PIXEL[:-20], "is damaged"),
        (PIXEL.replace("Latitude", "Place"), "not a Daymet single-pixel file"),
        (PIXEL.replace("17.50", "290.65"), "Kelvin"),
    ],
)
def test_damaged_tables(content: str, expected: str, tmp_path: Path) -> None:
    """A pixel file of other units, without a column, with a hole or cut off is refused by name."""
    path = tmp_path / "in" / "pixel.csv"
    path.parent.mkdir()
    path.write_text(content)
    said = spring(path.parent)
    assert expected in said and "pixel.csv" in said, said


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--years", "1980:"], "1980:1999"),
        (["--years", "1999"], "1999"),
        (["--bbox", "1,2,3"], "west,south,east,north"),
        (["--bbox=10,40,12,41"], "holds no cell"),
        (["--plants", "oak"], "lilac, arnold_red, zabeli"),
        (["--coarsen", "0"], "must be 1 or more"),
        (["--coarsen", "41"], "leaves nothing"),
        (["--chunks", "a"], "rows,columns"),
        (["--start-day", "200", "--end-day", "100"], "start < end"),
        (["--variant", "rsdat", "--start-day", "30"], "only defined from day 1"),
        (["--variant", "best"], "corrected"),
        (["--items", "na-2000"], "STAC catalog"),
    ],
)
def test_bad_options(options: list[str], expected: str, folder: Path) -> None:
    """An option that makes no sense is answered with what it takes."""
    assert expected in spring(folder, *options)


def test_missing_places(folder: Path, tmp_path: Path) -> None:
    """An input that is not there, an output that cannot be, and a job nobody knows are said as such."""
    assert "does not exist" in refusal("spring-index", "-i", tmp_path / "no", "-o", tmp_path / "o.zarr")
    (tmp_path / "file").write_text("")
    assert "Zarr" in refusal("spring-index", "-i", folder, "-o", tmp_path / "file")
    assert "Did you mean 'spring-index'" in refusal("spring-indx", code=60)


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    """A server that refuses connections is not taken for one that lacks the file."""
    said = refusal("spring-index", "-i", f"http://127.0.0.1:9/{TMIN}", "-o", tmp_path / "o.zarr")
    assert "does not answer" in said and "127.0.0.1" in said and "does not exist" not in said


@pytest.mark.parametrize("known_by_name", [True, False])
def test_a_server_that_asks_for_a_login(folder: Path, known_by_name: bool) -> None:
    """Files that a server denies are not called damaged: which file takes the login is said."""
    with serve_web(folder) as server:
        server.login = True
        names = [TMIN, TMAX, DAYL] if known_by_name else ["a.nc"]
        urls = [f"{server.url}/{name}" for name in names]
        said = refusal("spring-index", *urls, "-o", folder.parent / "o.zarr")
        assert "127.0.0.1 asks for a login" in said and "~/.netrc" in said, said
        with pytest.raises(InputError, match="asks for a login") as denied, open_dataset(urls[0], NETCDF):
            pass
        assert "netrc" in denied.value.hint


def test_a_bucket_that_wants_keys(
    run: Runner, sample: Path, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that S3 gives to nobody without keys: which variables hold them is said."""
    s3.put("denied")
    url = s3.put(f"denied/{TMIN}", (sample / TMIN).read_bytes())
    for name in (*s3.keys, "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    done = run("run", "spring-index", url, "-o", tmp_path / "o.zarr")
    assert done.returncode == 2 and "AWS_ACCESS_KEY_ID" in done.stderr and "keys" in done.stderr, done.stderr
