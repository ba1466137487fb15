"""What was found in each file, as a table in the order of time and as a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.sdo.irradiance.t_obs import utc

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

JOB = "sdo-irradiance"
COLUMNS = {"mean": "mean_dn", "sum": "sum_dn"}
"""Statistic → the column it always has, also where no file could be read."""
RATES = {"mean_dn": "mean_dn_s", "sum_dn": "sum_dn_s", "header_datamean": "header_datamean_s"}
"""What grows with the exposure → the same divided by it."""
COUNTS = ("n_valid", "quality", "bytes")
REAL = ("exptime", "datamean_hdr", "seconds")
TEXTS = ("status", "time_source", "key")
FLAGS = 0xFFFFFFFF
NOT_KNOWN = -1
"""Stands in whole numbers for what a file does not say or was not read."""
ASIDE = ("message", "checked", "mean_of_sample")
"""What is known of a file and does not stand in the series."""
NOT_VALUES = {"time", "start", "bytes_in", *ASIDE, *COUNTS, *REAL, *TEXTS, *RATES.values()}
"""What a series or a row has of its own: no statistic is called so."""
ACCESS = ("endpoint_url", "anonymous")
"""Options that say how the data were reached, not what was made of them."""
UNKNOWN = "-1: not known"
ATTRIBUTES: dict[str, dict[str, str]] = {
    "time": {"standard_name": "time", "long_name": "time of observation", "axis": "T"},
    "start": {"long_name": "time of the file in the registry"},
    "mean_dn": {"long_name": "mean over the valid pixels", "units": "DN"},
    "mean_dn_s": {"long_name": "mean over the valid pixels, per second of exposure", "units": "DN/s"},
    "sum_dn": {"long_name": "sum over the valid pixels", "units": "DN"},
    "sum_dn_s": {"long_name": "sum over the valid pixels, per second of exposure", "units": "DN/s"},
    "header_datamean": {"long_name": "DATAMEAN of the header", "units": "DN"},
    "header_datamean_s": {"long_name": "DATAMEAN of the header, per second of exposure", "units": "DN/s"},
    "mean_of_sample": {"long_name": "mean over the valid pixels, of a sample of the files", "units": "DN"},
    "n_valid": {"long_name": "number of valid pixels", "units": "1", "comment": UNKNOWN},
    "exptime": {"long_name": "exposure time", "units": "s"},
    "quality": {"long_name": "QUALITY of the header, 32 flags", "comment": f"0: nothing wrong; {UNKNOWN}"},
    "datamean_hdr": {"long_name": "DATAMEAN of the header", "units": "DN"},
    "bytes": {"long_name": "size of the file", "units": "byte", "comment": UNKNOWN},
    "seconds": {"long_name": "time to read and measure the file", "units": "s"},
    "status": {"long_name": "ok, missing, corrupt, error, or screened: not of the quality asked for"},
    "time_source": {"long_name": "T_OBS of the header, or registry where there is none"},
    "key": {"long_name": "name of the file", "comment": "of local files: from the folder of the series"},
}


@dataclass(frozen=True)
class About:
    """What a series says of where it comes from."""

    dataset: str
    """Its identifier in the catalog, or what was given as input."""
    statistic: str = "mean"
    catalog: str = ""
    story: str = ""
    """Whose ledger tells all of it."""
    options: Mapping[str, Any] = field(default_factory=dict)


def table(rows: pd.DataFrame, statistic: str = "mean", quality: int | None = None) -> pd.DataFrame:
    """One row for each file in the order of time, then of names; what has no time comes last.

    Parameters
    ----------
    rows
        One for each file; of several with one `key` the last counts. `time` and `start` are text.
    quality
        Files of another QUALITY get the status "screened" and no values.
    """
    import pandas as pd

    rows = rows.reindex(columns=list(dict.fromkeys(["key", *rows])))  # there are no columns where there are no rows
    rows = rows.drop_duplicates("key", keep="last").reset_index(drop=True)
    observed, start = utc(_column(rows, "time")), utc(_column(rows, "start"))
    found = pd.DataFrame({"time": observed.fillna(start), "start": start})
    real = {name: _numbers(rows, name) for name in REAL}
    counts = {name: _numbers(rows, name).fillna(NOT_KNOWN).astype(np.int64) for name in COUNTS if name != "quality"}
    flags = _flags(_numbers(rows, "quality"))
    status = _column(rows, "status").fillna("error").astype(object)
    screened = (status == "ok") & (quality is not None and flags != quality & FLAGS)
    found = found.assign(**_values(rows, statistic, real["exptime"], screened), **counts, **real, quality=flags)
    found["status"] = status.mask(screened, "screened")
    found["time_source"] = np.where(observed.notna(), "T_OBS", "registry").astype(object)
    found["key"] = rows["key"].astype(object)
    return found.sort_values(["time", "key"], ignore_index=True)


def _values(
    rows: pd.DataFrame, statistic: str, exptime: pd.Series[Any], screened: pd.Series[Any]
) -> dict[str, pd.Series[Any]]:
    """The statistics and what they are per second of exposure; NaN for what was screened."""
    always = [COLUMNS[statistic]] if statistic in COLUMNS else []
    values: dict[str, pd.Series[Any]] = {}
    for name in dict.fromkeys([*always, *map(str, rows.columns)]):
        if name in NOT_VALUES:
            continue
        values[name] = _numbers(rows, name).mask(screened)
        if name in RATES:
            values[RATES[name]] = values[name] / exptime.where(exptime > 0)
    return values


def _column(rows: pd.DataFrame, name: str) -> pd.Series[Any]:
    import pandas as pd

    return rows[name] if name in rows else pd.Series(None, rows.index, dtype=object)


def _numbers(rows: pd.DataFrame, name: str) -> pd.Series[Any]:
    import pandas as pd

    return pd.to_numeric(_column(rows, name), errors="coerce").astype(np.float64)


def _flags(quality: pd.Series[Any]) -> pd.Series[Any]:
    """QUALITY is 32 flags: written as a signed number it may be negative."""
    known = quality.notna()
    return (quality.fillna(0).astype(np.int64) & FLAGS).where(known, NOT_KNOWN)


def dataset(found: pd.DataFrame, about: About, now: datetime | None = None) -> xr.Dataset:
    """A table as a dataset with CF attributes; files without any time are only counted."""
    import xarray as xr

    timed = found[found["time"].notna()]
    if timed["start"].isna().all():
        timed = timed.drop(columns="start")
    arrays = {str(name): ("time", timed[name].to_numpy(), _attributes(str(name))) for name in timed}
    time = arrays.pop("time")
    made = xr.Dataset(arrays, {"time": time})
    failed = int((~found["status"].isin(("ok", "screened"))).sum())
    return made.assign_attrs(provenance(made, about, now or datetime.now(UTC), len(found) - len(timed), failed))


def _attributes(name: str) -> dict[str, str]:
    if name.startswith("header_"):
        return ATTRIBUTES.get(name, {"long_name": f"{name.removeprefix('header_').upper()} of the header"})
    return dict(ATTRIBUTES.get(name, {"long_name": name.replace("_", " ")}))


def provenance(made: xr.Dataset, about: About, now: datetime, timeless: int, failed: int) -> dict[str, Any]:
    """Where it comes from and what was done, without any path of the machine that made it."""
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    springline = version("springline")
    given = {key: value for key, value in about.options.items() if value is not False and key not in ACCESS}
    told = " ".join(f"{key}={said(value)}" for key, value in sorted(given.items()))
    times = made["time"].values
    covers = {"time_coverage_start": times[0], "time_coverage_end": times[-1]} if len(times) else {}
    name = said(about.dataset)
    return {
        "Conventions": "CF-1.11, ACDD-1.3",
        "title": f"Irradiance from {name}",
        "source": f"{name} of {said(about.catalog)}" if about.catalog else name,
        "dataset": name,
        "statistic": said(about.statistic),
        "files": made.sizes["time"] + timeless,
        "files_without_time": timeless,
        "files_failed": failed,
        **{key: f"{value}Z" for key, value in covers.items()},
        "springline_version": springline,
        "springline_job": JOB,
        "springline_story": about.story,
        "springline_options": told,
        "date_created": stamp,
        "history": f"{stamp} springline {springline}: {JOB} {told}".rstrip(),
    }


def said(value: object) -> str:
    """An option's value; of a place on this machine only its name."""
    text = str(value)
    local = text.startswith("file:") or ("/" in text and storage.is_plain(text))
    return storage.basename(text) if local else text
