"""The series as a whole: which files there are and which are done, what is written at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.errors import OutputError, UsageError
from jobs.model import Asked, Finished, Report, Row
from jobs.sdo import catalog, remote
from jobs.sdo.irradiance import before, image, series
from jobs.sdo.irradiance.table import About

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 100
"""Of so many files whose DATAMEAN is trusted one is measured all the same."""
MOST_APART = 1e-3
"""Relative difference between DATAMEAN and the mean of a file of the sample from which on it is said."""


def answer(asked: Asked) -> Report | None:
    """The datasets of a catalog, for --list."""
    options = asked.options
    if not options.get("list"):
        return None
    if "catalog" not in options:
        raise UsageError("--list needs --catalog.", "Such as --catalog s3://gov-nasa-hdrl-data1/.")
    return catalog.listing(options["catalog"], remote.storage_options(options))


def plan(asked: Asked) -> Iterator[Row]:
    """Every file once, in the order of the registry, and whether it was measured before.

    Raises
    ------
    UsageError, InputError, OutputError
        If the options exclude each other, the registry has no such files, or the output holds another series.
    """
    options = asked.options
    if options["verify"] and options["trust"]:
        raise UsageError("--verify and --trust exclude each other.", "Choose one.")
    image.require(options["statistic"])
    _refuse_places(asked)
    before.refuse_mixing(asked)
    series.prepare(asked.output, _about(asked), before.is_replacing(asked), options.get("parquet"))
    done = set() if asked.overwrite else {row["key"] for row in before.rows(asked) if _is_done(row, options["verify"])}
    sampled = before.statistic(asked) == "header:DATAMEAN"
    every = {row.source: row for row in _files(asked)}
    for number, (key, row) in enumerate(every.items()):
        more = {"sample": True} if sampled and number % SAMPLE == 0 else {}
        yield Row(key, columns={**row.columns, **more}, done=key in done)


def begin(asked: Asked) -> None:
    """Note what the series is made of."""
    before.begin(asked)


def finish(asked: Asked) -> Finished:
    """Write the series of all that was ever measured for it, and draw it."""
    import pandas as pd

    asked.note("writing the series")
    rows = pd.DataFrame(list(before.rows(asked)))
    options = asked.options
    made = series.write(
        rows,
        asked.output,
        _about(asked),
        quality=options.get("quality"),
        overwrite=True,
        parquet=options.get("parquet"),
    )
    counts = {str(name): int(count) for name, count in made["status"].to_series().value_counts().items()}
    timeless = made.attrs["files_without_time"]
    values: dict[str, Any] = {"files": len(rows), "status": counts, "files_without_time": timeless, "plot": None}
    every = counts | ({"without a time, not in it": timeless} if timeless else {})
    told = ", ".join(f"{count:,} {name}" for name, count in every.items())
    lines = [f"series      {asked.output} ({told})", *_checks(rows, before.statistic(asked))]
    if options.get("parquet"):
        lines.append(f"table       {options['parquet']}")
    if options.get("plot"):
        from jobs.sdo.irradiance import plot

        values["plot"] = _picture(asked.output)
        storage.write_bytes(values["plot"], plot.draw(made))
        lines.append(f"plot        {values['plot']}")
    return Finished(values, tuple(lines))


def _picture(output: str) -> str:
    return storage.beside(output, ".png")


def _refuse_places(asked: Asked) -> None:
    """Refuse a table that would lie in or on something else that is written."""
    table = asked.options.get("parquet")
    if not table:
        return
    place = storage.absolute(table)
    others = [storage.absolute(asked.output), str(asked.run_dir), storage.absolute(_picture(asked.output))]
    if any(f"{place}/".startswith(f"{other}/") or other.startswith(f"{place}/") for other in others):
        raise OutputError(f"--parquet {table} is where something else is written.", "Choose another name.")
    storage.refuse_unwritable(table.rpartition("/")[0] or ".")


def _is_done(row: dict[str, Any], verify: bool) -> bool:
    return row["status"] == "ok" and (not verify or row.get("checked") == "CHECKSUM")


def _files(asked: Asked) -> Iterator[Row]:
    options = asked.options
    access = remote.storage_options(options)
    if "catalog" not in options:
        if wrong := [f"--{name}" for name in ("dataset", "start", "stop") if name in options]:
            raise UsageError(f"{' and '.join(wrong)} without --catalog mean nothing.", "Name the catalog too.")
        return asked.rows(access)
    if asked.inputs or asked.items:
        raise UsageError("Files are named beside --catalog.", "Give one or the other.")
    if "dataset" not in options:
        raise UsageError("Which dataset of the catalog? --dataset is missing.", "--list shows them.")
    window = "/".join(options.get(name, "") for name in ("start", "stop"))
    reference = f"{options['catalog']}#{options['dataset']}/{window}"
    return catalog.rows(reference, access, asked.note)


def _about(asked: Asked) -> About:
    options = asked.options
    dataset, catalog = options.get("dataset", "files"), options.get("catalog", "")
    return About(dataset, before.statistic(asked), catalog, before.story(asked), options)


def _checks(rows: pd.DataFrame, statistic: str) -> list[str]:
    """What is to be said of how far the numbers can be relied on."""
    if statistic.startswith("header:"):
        return _sample(rows) if "mean_of_sample" in rows else []
    unsure = int((rows["checked"] == "").sum()) if "checked" in rows else 0
    return [f"unverified  {unsure:,} files: no checksum was there, or it was not looked at"] if unsure else []


def _sample(rows: pd.DataFrame) -> list[str]:
    """What files that were read whole say of their DATAMEAN."""
    sample = rows[rows["mean_of_sample"].notna()]
    told, true = (sample[name].to_numpy(float) for name in ("datamean_hdr", "mean_of_sample"))
    apart = abs(told / true - 1)
    wrong = ~(apart <= MOST_APART)  # also where there is no DATAMEAN
    if not wrong.any():
        return [f"DATAMEAN is the mean of the image in {len(sample)} of {len(sample)} files that were read whole"]
    worst = int(np.flatnonzero(wrong)[0])
    return [
        f"DATAMEAN is not the mean of the image in {wrong.sum()} of {len(sample)} files that were read whole, "
        f"such as {sample['key'].iloc[worst]}: {told[worst]:g}, not {true[worst]:g}. Use --statistic mean."
    ]
