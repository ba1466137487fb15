"""The series as a whole: which files there are and which are done, what is written at the end.

What was measured stands in the ledger. A note beside it says what the series is made of, so that no run mixes into
it what is something else; where the ledger is lost the series itself tells what is done.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jobs import storage
from jobs.errors import OutputError, UsageError
from jobs.model import Asked, Finished, Report, Row
from jobs.sdo import catalog, remote
from jobs.sdo.irradiance import series
from jobs.sdo.irradiance.table import About, said

if TYPE_CHECKING:
    import pandas as pd

NOTE = "series.json"
STATUS = {"FileNotFoundError": "missing", "CorruptError": "corrupt", "HeaderTooLong": "corrupt"}
"""Error → status of a file; any other error is one."""
MOST_APART = 1e-3
"""Relative difference between DATAMEAN and the mean of a file of the sample from which on it is said."""
OTHER = "Add --overwrite to begin anew, or choose another --output."


def answer(asked: Asked) -> Report | None:
    """The datasets of a catalog, for --list."""
    options = asked.options
    if not options.get("list"):
        return None
    if "catalog" not in options:
        raise UsageError("--list needs --catalog.", "Such as --catalog s3://gov-nasa-hdrl-data1/.")
    return catalog.listing(options["catalog"], remote.storage_options(options))


def plan(asked: Asked) -> Iterator[Row]:
    """Every file, in the order of the registry, and whether it was measured before.

    Raises
    ------
    OutputError
        If the output holds another series.
    """
    if asked.options["verify"] and asked.options["trust"]:
        raise UsageError("--verify and --trust exclude each other.", "Choose one.")
    series.prepare(asked.output, _about(asked), asked.overwrite, asked.options.get("parquet"))
    known = _note(asked)
    if known and not asked.overwrite and known["made_of"] != _made_of(asked):
        was = ", ".join(f"{name} {value}" for name, value in known["made_of"].items() if value)
        raise OutputError(f"{asked.output} was begun with {was}.", OTHER)
    done = set() if asked.overwrite else {row["key"] for row in _rows_before(asked) if row["status"] == "ok"}
    for row in _files(asked):
        yield Row(row.source, columns=row.columns, done=row.source in done)


def begin(asked: Asked) -> None:
    """Write down what the series is made of, and since when the ledger counts."""
    if asked.overwrite or _note(asked) is None:
        since = time.time() if asked.overwrite else 0.0
        note = {"made_of": _made_of(asked), "since": since, "with_output": not asked.overwrite}
        storage.write_json(str(asked.run_dir / NOTE), note)


def finish(asked: Asked) -> Finished:
    """Write the series of all that was ever measured for it, and draw it."""
    import pandas as pd

    asked.note("writing the series")
    rows = pd.DataFrame(list(_rows_before(asked)))
    about, options = _about(asked), asked.options
    made = series.write(
        rows, asked.output, about, quality=options.get("quality"), overwrite=True, parquet=options.get("parquet")
    )
    counts = {str(name): int(count) for name, count in made["status"].to_series().value_counts().items()}
    timeless = made.attrs["files_without_time"]
    values: dict[str, Any] = {"files": len(rows), "status": counts, "files_without_time": timeless, "plot": None}
    every = counts | ({"without a time, not in it": timeless} if timeless else {})
    told = ", ".join(f"{count:,} {name}" for name, count in every.items())
    lines = [f"series      {asked.output} ({told})", *_checks(rows)]
    if options.get("parquet"):
        lines.append(f"table       {options['parquet']}")
    if options.get("plot"):
        from jobs.sdo.irradiance import plot

        values["plot"] = storage.beside(asked.output, ".png")
        storage.write_bytes(values["plot"], plot.draw(made))
        lines.append(f"plot        {values['plot']}")
    return Finished(values, tuple(lines))


def _files(asked: Asked) -> Iterator[Row]:
    options = asked.options
    if "catalog" not in options:
        if wrong := [f"--{name}" for name in ("dataset", "start", "stop") if name in options]:
            raise UsageError(f"{' and '.join(wrong)} without --catalog mean nothing.", "Name the catalog too.")
        return asked.rows()
    if "dataset" not in options:
        raise UsageError("Which dataset of the catalog? --dataset is missing.", "--list shows them.")
    window = "/".join(options.get(name, "") for name in ("start", "stop"))
    reference = f"{options['catalog']}#{options['dataset']}/{window}"
    return catalog.rows(reference, remote.storage_options(options), asked.note)


def _about(asked: Asked) -> About:
    options = asked.options
    name = options.get("dataset") or ", ".join(map(storage.basename, asked.inputs)) or "files"
    where, start, stop = (options.get(name, "") for name in ("catalog", "start", "stop"))
    return About(name, options["statistic"], where, start, stop, options)


def _made_of(asked: Asked) -> dict[str, str]:
    """What must be the same for all rows of a series; a script may lie elsewhere the next time."""
    options = asked.options
    return {"statistic": said(options["statistic"]), "dataset": options.get("dataset", "")}


def _note(asked: Asked) -> dict[str, Any] | None:
    return storage.read_json(str(asked.run_dir / NOTE))


def _rows_before(asked: Asked) -> Iterator[dict[str, Any]]:
    """The last row of each file that was tried: from the ledger; before those the ones only the output knows."""
    note = _note(asked) or {"since": 0.0, "with_output": True}
    rows: dict[str, dict[str, Any]] = {}
    if note["with_output"] and storage.is_zarr(asked.output):
        rows = {
            str(row["key"]): {str(k): v for k, v in row.items()}
            for row in series.read_rows(asked.output).to_dict("records")
        }
    rows.update((row["key"], row) for row in _of_ledger(asked.records(), note["since"]))
    yield from rows.values()


def _of_ledger(records: Iterable[Mapping[str, Any]], since: float) -> Iterator[dict[str, Any]]:
    for record in records:
        if record.get("state") not in ("done", "failed") or record["time"] < since:
            continue
        row = {"key": record["item"], "seconds": record["seconds"], "start": record.get("options", {}).get("start")}
        if record["state"] == "done":
            result = dict(record["result"])
            yield row | {"bytes": result.pop("bytes_in"), **result, "status": "ok"}
        else:
            yield row | {"status": STATUS.get(record["error"], "error"), "message": record["message"]}


def _checks(rows: pd.DataFrame) -> list[str]:
    """What is to be said of how far the numbers can be relied on."""
    unsure = int((rows["checked"] == "").sum()) if "checked" in rows else 0
    said = [f"unverified  {unsure:,} files: no checksum was there, or it was not looked at"] if unsure else []
    return said + _header_check(rows)


def _header_check(rows: pd.DataFrame) -> list[str]:
    """What the sample says of DATAMEAN, if one was taken."""
    if "mean_of_sample" not in rows:
        return []
    sample = rows[rows["mean_of_sample"].notna()]
    told, true = (sample[name].to_numpy(float) for name in ("datamean_hdr", "mean_of_sample"))
    apart = abs(told / true - 1)
    if not (apart > MOST_APART).any():
        return [f"DATAMEAN agrees with the mean of {len(sample)} files that were read whole (≤ {apart.max():.1e})"]
    worst = apart.argmax()
    return [
        f"DATAMEAN is not the mean of the image in {(apart > MOST_APART).sum()} of {len(sample)} files read whole, "
        f"such as {sample['key'].iloc[worst]}: {told[worst]:g}, not {true[worst]:g}. Use --statistic mean."
    ]
