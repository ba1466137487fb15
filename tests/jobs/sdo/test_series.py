"""The irradiance series: times, values and flags from rows, and the stores they are written to."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jobs.errors import OutputError
from jobs.sdo.irradiance import series
from jobs.sdo.irradiance.t_obs import utc
from jobs.sdo.irradiance.table import About, dataset, table
from tests.jobs.conftest import ROOT
from tests.jobs.s3server import S3

ABOUT = About("aia_0094", catalog="s3://bucket/", options={"statistic": "mean", "endpoint_url": "http://10.0.0.1"})
GOOD: dict[str, Any] = {"status": "ok", "exptime": 2.0, "quality": 0, "n_valid": 16, "bytes": 100, "seconds": 0.1}
ROWS = pd.DataFrame(
    [
        GOOD | {"key": "s3://b/d", "time": "2020-02-17T00:08:00.57Z", "mean_dn": 3.0, "quality": -2147483648},
        GOOD | {"key": "s3://b/b", "time": "2020-02-17T00:04:00.57", "mean_dn": 2.0, "exptime": 0.0},
        GOOD | {"key": "s3://b/a", "time": "2020-02-17T00:04:00.57Z", "mean_dn": 1.0, "quality": None},
        {"key": "s3://b/c", "start": "2020-02-17T00:06:00Z", "status": "missing", "message": "not there"},
        GOOD | {"key": "s3://b/e", "time": None, "start": "2020-02-17T00:00:00Z", "mean_dn": 5.0},
        {"key": "s3://b/f", "status": "corrupt"},
    ]
)


def made(rows: pd.DataFrame = ROWS, quality: int | None = None) -> xr.Dataset:
    """The dataset of some rows."""
    return dataset(table(rows, "mean", quality), ABOUT, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def strict() -> Iterator[None]:
    """Every warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-02-17T00:00:00.57Z", "2020-02-17T00:00:00.57"),
        ("2011-02-15T02:00:00.34", "2011-02-15T02:00:00.34"),
        ("2020-02-17T00:00Z", "2020-02-17"),
        ("2020-02-17T00:00:00.572000+00:00", "2020-02-17T00:00:00.572"),
        ("2020-02-17T01:09:00+01:00", "2020-02-17T00:09"),
        ("2016-12-31T22:59:60.57-01:00", "2017-01-01T00:00:00.57"),
        ("9999-12-31T23:59:59-10:00", "NaT"),
        ("2010.05.01_00:12:04_TAI", "2010-05-01T00:11:30"),
        ("2017.01.01_00:00:36.25_TAI", "2017-01-01T00:00:00.25"),
        ("2012.07.01_00:00:33.5_UTC", "2012-07-01T00:00:33.5"),
        ("2016-12-31T23:59:60.57Z", "2017-01-01T00:00:00.57"),
        ("1958.01.01_00:00:00_TAI", "NaT"),
        ("MISSING", "NaT"),
        (None, "NaT"),
    ],
)
@pytest.mark.usefixtures("strict")
def test_spellings_of_time(text: str | None, expected: str) -> None:
    """T_OBS of AIA and HMI becomes UTC, whatever stands beside it; what is no time becomes none."""
    found = utc(pd.Series([text, "2020-02-17T00:00:00"], dtype=object)).to_numpy()
    np.testing.assert_array_equal(found, np.array([expected, "2020-02-17"], "datetime64[us]"))


def test_atomic_time_is_astropys() -> None:
    """TAI becomes UTC as astropy has it, on both sides of each leap second since the launch of SDO."""
    from astropy.time import Time

    days = [np.datetime64(day, "s") for day in ("2010-05-01", "2012-07-01", "2015-07-01", "2017-01-01", "2026-01-01")]
    moments = np.array([day + np.timedelta64(s, "s") for day in days for s in (-60, 33, 38, 600)])
    texts = pd.Series([str(m).replace("-", ".").replace("T", "_") + "_TAI" for m in moments])
    expected = Time(moments, format="datetime64", scale="tai").utc.to_value("datetime64")
    np.testing.assert_array_equal(utc(texts).to_numpy(), expected.astype("datetime64[us]"))


def test_order_values_and_flags() -> None:
    """Sorted by time, then name; the registry's time where T_OBS is missing; no rate without an exposure."""
    found = made()
    assert [key[-1] for key in found["key"].values] == ["e", "a", "b", "c", "d"]
    assert list(found["time_source"].values) == ["registry", "T_OBS", "T_OBS", "registry", "T_OBS"]
    np.testing.assert_array_equal(found["mean_dn"], [5.0, 1.0, 2.0, np.nan, 3.0])
    np.testing.assert_array_equal(found["mean_dn_s"], [2.5, 0.5, np.nan, np.nan, 1.5])
    np.testing.assert_array_equal(found["quality"], [0, -1, 0, -1, 1 << 31])
    np.testing.assert_array_equal(found["n_valid"], [16, 16, 16, -1, 16])
    assert [found.attrs[f"files{what}"] for what in ("", "_without_time", "_failed")] == [6, 1, 2]
    assert "window" not in found.attrs
    assert found["mean_dn_s"].attrs["units"] == "DN/s" and "10.0.0.1" not in str(found.attrs)


def test_only_the_quality_asked_for() -> None:
    """Frames of another QUALITY, or of none, are screened: no value, but what the header says of them.

    QUALITY is 32 flags, of which the highest makes a number negative.
    """
    found = made(quality=0)
    assert list(found["status"].values) == ["ok", "screened", "ok", "missing", "screened"]
    np.testing.assert_array_equal(found["mean_dn"], [5.0, np.nan, 2.0, np.nan, np.nan])
    assert list(made(quality=-(1 << 31))["status"].values) == ["screened"] * 3 + ["missing", "ok"]
    assert "ok" not in made(quality=-1)["status"].values
    assert np.isnan(found["mean_dn_s"].values[-1]) and found["exptime"].values[-1] == 2.0


def test_the_last_row_of_a_file_counts() -> None:
    """A file that was tried again has its newest row alone."""
    again = pd.concat([ROWS, pd.DataFrame([GOOD | {"key": "s3://b/c", "start": "2020-02-17T00:06Z", "mean_dn": 7.0}])])
    found = made(again)
    assert found.sizes["time"] == 5 and found["mean_dn"].values[3] == 7.0


@pytest.mark.usefixtures("strict")
def test_store_is_read_as_it_was_written(tmp_path: Path) -> None:
    """xarray opens the store without a warning and finds every value; Parquet has the files without time, too."""
    output, parquet = tmp_path / "aia.zarr", tmp_path / "aia.parquet"
    written = series.write(ROWS, str(output), ABOUT, parquet=str(parquet))
    with xr.open_zarr(output) as opened:
        found = opened.load()
    for name in written.variables:
        assert found[name].attrs == written[name].attrs
        np.testing.assert_array_equal(found[name].values, written[name].values)
    assert found.indexes["time"].is_monotonic_increasing and found.attrs == written.attrs
    rows = pd.read_parquet(parquet)
    assert len(rows) == 6 and set(rows) == set(written.variables)


def test_goes_on_from_the_store(tmp_path: Path) -> None:
    """The rows that a store gives back make the same series, but for what was screened."""
    output = str(tmp_path / "aia.zarr")
    series.write(ROWS, output, ABOUT)
    again = made(series.read_rows(output))
    for name, values in made().data_vars.items():
        np.testing.assert_array_equal(again[name].values, values.values, err_msg=str(name))
    np.testing.assert_array_equal(again["time"], made()["time"])
    series.write(ROWS, output, ABOUT, quality=0)
    assert sorted(key[-1] for key in series.read_rows(output)["key"]) == ["b", "c", "e"]


def test_no_path_of_this_machine(tmp_path: Path) -> None:
    """Local files are named from the folder of the series, and found again from there."""
    keys = [f"{tmp_path}/raw/a.fits", f"file://{tmp_path}/raw/b.fits", "s3://b/c"]
    rows = pd.DataFrame([GOOD | {"key": key, "time": "2020-01-01T00:00:00Z", "mean_dn": 1.0} for key in keys])
    about = About(f"{tmp_path}/raw", f"{tmp_path}/mine.py:f", f"file://{tmp_path}/catalog.json")
    output = tmp_path / "out/aia.zarr"
    series.write(rows, str(output), about, parquet=str(tmp_path / "aia.parquet"))
    stored = b"".join(path.read_bytes() for path in output.rglob("*") if path.is_file())
    assert str(tmp_path).encode() not in stored + (tmp_path / "aia.parquet").read_bytes()
    found = series.open_series(str(output))
    assert set(found["key"].values) == {"../raw/a.fits", "file://../raw/b.fits", "s3://b/c"}
    assert not any(str(tmp_path) in str(values) for values in (found.attrs, found["key"].values))
    assert set(series.read_rows(str(output))["key"]) == set(keys)


def test_leaves_alone_what_is_not_ours(tmp_path: Path) -> None:
    """Nothing replaces a file, a store or a table of others, nor unasked a series of another statistic."""
    (tmp_path / "file").write_text("mine")
    xr.Dataset({"a": ("x", [1])}).to_zarr(tmp_path / "other.zarr", zarr_format=3, consolidated=False)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    for name in ("file", "other.zarr"):
        with pytest.raises(OutputError, match="not a series"):
            series.write(ROWS, str(tmp_path / name), ABOUT, overwrite=True)
    with pytest.raises(OutputError, match="not a table"):
        series.prepare(str(tmp_path / "new"), ABOUT, True, str(tmp_path / "other.parquet"))
    output = str(tmp_path / "aia.zarr")
    series.write(ROWS, output, ABOUT)
    with pytest.raises(OutputError, match="holds statistic mean, not sum"):
        series.prepare(output, About("aia_0094", "sum"))
    series.prepare(output, About("aia_0094", "sum"), overwrite=True)


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    """What cannot be written to its end changes nothing; nothing else stays behind."""
    output = tmp_path / "aia.zarr"
    series.write(ROWS, str(output), ABOUT)
    with pytest.raises(OSError, match=r"exists|directory"):
        series._replace(output, {"a": b"a file", "a/b": b"cannot be below it"})
    assert series.open_series(str(output)).sizes["time"] == 5
    series.write(ROWS[:2], str(output), ABOUT)
    assert series.open_series(str(output)).sizes["time"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["aia.zarr"]


def test_half_an_upload_is_empty() -> None:
    """On an object store a series that is being replaced is an empty one; the same command writes it again."""
    output = "memory://series/aia.zarr"
    series.write(ROWS, output, ABOUT)
    files = series._encoded(made())

    class Lost(dict[str, bytes]):
        """Objects of which the last, the root, is never sent."""

        def __getitem__(self, name: str) -> bytes:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        series._upload(output, Lost(files))
    assert not series.open_series(output).variables
    series.write(ROWS[:2], output, ABOUT)
    assert series.open_series(output).sizes["time"] == 2


def test_on_s3(s3: S3) -> None:
    """A series in a bucket, replaced by one with fewer variables, is read without a warning."""
    bucket = s3.put("series")
    script = f"""
import warnings
import pandas as pd
import xarray as xr
import zarr
from jobs.sdo.irradiance import series
from tests.jobs.sdo.test_series import ABOUT, ROWS

output = "{bucket}/aia.zarr"
series.write(ROWS.assign(own=1.0), output, ABOUT)
series.write(ROWS[:2], output, ABOUT, parquet="{bucket}/aia.parquet")
warnings.simplefilter("error", UserWarning)
found = xr.open_zarr(output).load()
names = set(zarr.open_group(output, use_consolidated=False))
print(found.sizes["time"], "own" in names, len(pd.read_parquet("{bucket}/aia.parquet")))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=s3.env, capture_output=True, text=True)
    assert done.stdout.split() == ["2", "False", "2"], done.stderr
