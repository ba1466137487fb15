"""The time series in its places: a Zarr v3 store, a Parquet file."""

from __future__ import annotations

import io
import json
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.errors import OutputError
from jobs.sdo.irradiance.table import JOB, NOT_KNOWN, About, dataset, said, table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MARKER = "zarr.json"
"""The root's metadata: written last on an object store, where there is no rename."""
CHUNK = 1 << 19
"""Files in a chunk: 4 MB of numbers, four years of four minutes."""
OWNER = b"springline"
FILE = "file://"
UNFINISHED = {
    "zarr_format": 3,
    "node_type": "group",
    "attributes": {"springline_job": JOB, "comment": "being written"},
    "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {}},
}
"""Stands at the root of an object store while the rest is written: an empty dataset."""
AGAIN = "Choose another --output, or remove it."


def prepare(output: str, about: About, overwrite: bool = False, parquet: str | None = None) -> None:
    """Make sure there is nothing, or a series that may be continued or replaced; changes nothing.

    Raises
    ------
    OutputError
        If there is something else, or without `overwrite` a series of another dataset or statistic.
    """
    if parquet:
        _refuse_other_table(parquet)
    fs, path = storage.filesystem(output)
    if not fs.exists(path) or (fs.isdir(path) and not fs.ls(path)):
        return
    attrs = (storage.read_json(f"{output}/{MARKER}") or {}).get("attributes", {})
    if attrs.get("springline_job") != JOB:
        raise OutputError(f"{output} exists and is not a series that springline made.", AGAIN)
    for name, wanted in (("dataset", said(about.dataset)), ("statistic", said(about.statistic))):
        if not overwrite and attrs.get(name, wanted) != wanted:
            raise OutputError(
                f"{output} holds {name} {attrs[name]}, not {wanted}.",
                "Add --overwrite to replace it, or choose another --output.",
            )


def write(
    rows: pd.DataFrame,
    output: str,
    about: About,
    *,
    quality: int | None = None,
    overwrite: bool = False,
    parquet: str | None = None,
) -> xr.Dataset:
    """Write one row for each file as a series, whole or not at all, in place of the series that is there.

    Parameters
    ----------
    rows, quality
        See `table.table`.
    parquet
        Where to write the same table as Parquet, with the files that have no time.

    Raises
    ------
    OutputError
        See `prepare`; or it cannot be written.
    """
    prepare(output, about, overwrite, parquet)
    found = table(rows, about.statistic, quality)
    kept = found.assign(key=_portable(found["key"], output))
    made = dataset(kept, about)
    files = _encoded(made)
    try:
        if storage.is_local(output):
            _replace(Path(storage.absolute(output)), files)
        else:
            _upload(output, files)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error}", "The same command tries again.") from error
    if parquet:
        write_parquet(found.assign(key=_portable(found["key"], parquet)), parquet, made.attrs)
    return made


def open_series(output: str) -> xr.Dataset:
    """A series as it was written, wholly in memory."""
    import xarray as xr

    with xr.open_zarr(output, chunks=None, consolidated=True) as opened:
        loaded: xr.Dataset = opened.load()
    return loaded


def read_rows(output: str, folder_before: str = "") -> pd.DataFrame:
    """The rows of a series, to go on from; without those that were screened, whose values are not there.

    Also without local files where the series lies elsewhere: of those it has but the name. Where it was moved, those
    that did not move with it are named from the folder in which it was before.
    """
    found = open_series(output).to_dataframe().reset_index()
    found = found[found["status"] != "screened"]
    if not storage.is_local(output):
        found = found[[_local(key)[1] is None for key in found["key"]]]
    observed = found.pop("time_source") == "T_OBS"
    found["key"] = _given(found["key"], output, folder_before)
    found["time"] = _texts(found["time"]).where(observed, None)
    found["start"] = _texts(found["start"]) if "start" in found else None
    counts = found.select_dtypes("integer")
    return found.assign(**counts.where(counts != NOT_KNOWN)).reset_index(drop=True)


def _texts(times: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    texts = np.datetime_as_string(times.to_numpy().astype("datetime64[us]")).astype(object) + "Z"
    return pd.Series(texts, times.index).where(times.notna(), None)


def write_parquet(found: pd.DataFrame, path: str, attrs: Mapping[str, Any]) -> None:
    """Write a table as Parquet, whole or not at all, with the attributes of its series."""
    import pyarrow
    import pyarrow.parquet

    made = pyarrow.Table.from_pandas(found, preserve_index=False)
    own = {OWNER: json.dumps(dict(attrs))}
    stream = io.BytesIO()
    pyarrow.parquet.write_table(made.replace_schema_metadata((made.schema.metadata or {}) | own), stream)
    storage.write_bytes(path, stream.getvalue())


def _refuse_other_table(path: str) -> None:
    """Leave alone what is not a table that springline wrote."""
    import pyarrow
    import pyarrow.parquet

    fs, place = storage.filesystem(path)
    if not fs.exists(place):
        return
    try:
        with fs.open(place) as stream:
            own = OWNER in (pyarrow.parquet.read_schema(stream).metadata or {})
    except (OSError, pyarrow.ArrowInvalid):
        own = False
    if not own:
        raise OutputError(f"{path} exists and is not a table that springline wrote.", "Choose another --parquet.")


def _encoded(made: xr.Dataset) -> dict[str, bytes]:
    """The objects of the store, root metadata last."""
    from zarr.storage import MemoryStore

    chunk = {"chunks": (min(max(made.sizes["time"], 1), CHUNK),)}
    encoding: dict[str, dict[str, Any]] = {name: dict(chunk) for name in map(str, made.variables)}
    for name in {"time", "start"} & set(encoding):
        encoding[name] |= {"units": "microseconds since 1970-01-01", "dtype": "int64"}
    objects: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not")  # without it, readers are warned
        made.to_zarr(MemoryStore(objects), mode="w", zarr_format=3, consolidated=True, encoding=encoding)
    files = {name: bytes(buffer.to_bytes()) for name, buffer in objects.items()}
    return files | {MARKER: files.pop(MARKER)}


def _replace(target: Path, files: Mapping[str, bytes]) -> None:
    """Write the objects below a scratch directory beside the target, then let it take the target's place."""
    target = target.resolve()
    scratch, old = (target.with_name(f".{word}-{target.name}") for word in ("part", "old"))
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        for name, content in files.items():
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        try:
            scratch.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _upload(output: str, files: Mapping[str, bytes]) -> None:
    """Write the objects to an object store: empty while it lasts, the root with all metadata last."""
    fs, path = storage.filesystem(output)
    storage.write_json(f"{output}/{MARKER}", UNFINISHED)
    fs.invalidate_cache()
    there = {str(name).rstrip("/") for name in fs.find(path)}
    old = there - {f"{path}/{name}" for name in files}
    fs.pipe({f"{path}/{name}": content for name, content in files.items() if name != MARKER})
    if old:
        fs.rm(sorted(old))
    storage.write_bytes(f"{output}/{MARKER}", files[MARKER])


def _portable(keys: pd.Series[Any], output: str) -> pd.Series[Any]:
    """Names of local files from the folder of the output; alone, where that is no local one."""
    folder = Path(storage.absolute(output)).parent if storage.is_local(output) else None

    def portable(key: str) -> str:
        scheme, path = _local(key)
        if path is None:
            return key
        return scheme + (os.path.relpath(path, folder) if folder else storage.basename(path))

    return keys.map(portable).astype(object)


def _given(keys: pd.Series[Any], output: str, folder_before: str) -> pd.Series[Any]:
    """Names of files as they were given: the other way round."""
    folder = Path(storage.absolute(output)).parent if storage.is_local(output) else None

    def given(key: str) -> str:
        scheme, path = _local(key)
        if path is None or folder is None:
            return key
        stayed = folder_before and not (folder / path).exists() and Path(folder_before, path).exists()
        return scheme + os.path.normpath(Path(folder_before if stayed else folder, path))

    return keys.map(given).astype(object)


def _local(key: str) -> tuple[str, str | None]:
    """The scheme and path of a local file; None as path for others."""
    if key.startswith(FILE):
        return FILE, key.removeprefix(FILE)
    return "", key if storage.is_plain(key) else None
