"""What was measured for a series before: the ledger tells, from where on a note beside it says.

The note also says what the series is made of, so that no run mixes into it what is something else. Where the ledger
is lost, what the series itself tells is kept beside the new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from jobs import storage
from jobs.errors import OutputError
from jobs.functions import read_script
from jobs.model import Asked
from jobs.sdo.irradiance import image, series
from jobs.sdo.irradiance.table import said

NOTE, RECOVERED = "series.json", "recovered.parquet"
STATUS = {"FileNotFoundError": "missing", "CorruptError": "corrupt", "HeaderTooLong": "corrupt"}
"""Error → status of a file; any other error is one."""
Found = dict[str, Any]


def statistic(asked: Asked) -> str:
    """The statistic in one spelling."""
    text = asked.options["statistic"]
    key = image.keyword(text)
    return f"header:{key}" if key else said(text)


def refuse_mixing(asked: Asked) -> None:
    """Refuse to go on with a series that is made of something else.

    Raises
    ------
    OutputError
        Saying what differs.
    """
    known, now = _note(asked), _made_of(asked)
    if known is None or asked.overwrite or known["made_of"] == now:
        return
    was = (f"{name} {value or 'none'}" for name, value in known["made_of"].items() if value != now.get(name))
    raise OutputError(
        f"{asked.output} was begun with {', '.join(was)}.", "Add --overwrite to begin anew, or choose another --output."
    )


def begin(asked: Asked) -> None:
    """Note what the series is made of, and from which line on the ledger tells of it."""
    lines = sum(1 for _ in asked.records())
    recovered = asked.run_dir / RECOVERED
    note = _note(asked)
    if asked.overwrite or note is None or not lines:
        recovered.unlink(missing_ok=True)
        if not asked.overwrite and storage.is_zarr(asked.output):
            series.read_rows(asked.output).to_parquet(recovered)
        note = {"made_of": _made_of(asked), "from_line": lines if asked.overwrite else 0}
    folders = sorted({*note.get("folders", ()), _folder(asked)})
    storage.write_json(str(asked.run_dir / NOTE), {**note, "folders": folders})


def rows(asked: Asked) -> Iterator[Found]:
    """The last that is known of each file that was ever tried, by its `key`: the path or URL of its item."""
    note = _note(asked)
    told = (record for record in _since(asked, note) if record.get("state") in ("done", "failed"))
    found: dict[str, Found] = {}
    for row in chain(_recovered(asked, note), map(_row, told)):
        row["key"] = _moved(row["key"], note["folders"] if note else (), _folder(asked))
        found[row["key"]] = row
    yield from found.values()


def _since(asked: Asked, note: Found | None) -> Iterator[Mapping[str, Any]]:
    return islice(asked.records(), note["from_line"] if note else 0, None)


def _moved(key: str, folders: Iterable[str], new: str) -> str:
    """Files that lie with the series have moved with it."""
    for old in folders:
        if old and new and old != new and key.startswith(f"{old}/"):
            return new + key.removeprefix(old)
    return key


def _recovered(asked: Asked, note: Found | None) -> Iterator[Found]:
    """What the series itself told when the ledger was lost, or tells now that it is."""
    import pandas as pd

    kept = asked.run_dir / RECOVERED
    if kept.exists():
        told = pd.read_parquet(kept)
    elif (note is None or next(asked.records(), None) is None) and storage.is_zarr(asked.output):
        told = series.read_rows(asked.output)
    else:
        return
    for row in told.to_dict("records"):
        yield {str(name): value for name, value in row.items()}


def _row(record: Mapping[str, Any]) -> Found:
    """A line of the ledger as a row."""
    row = {"key": record["item"], "seconds": record["seconds"], "start": record.get("options", {}).get("start")}
    if record["state"] == "failed":
        return row | {"status": STATUS.get(record["error"], "error"), "message": record["message"]}
    result = dict(record["result"])
    return row | {"bytes": result.pop("bytes_in"), **result, "status": "ok"}


def _made_of(asked: Asked) -> dict[str, str]:
    """What must be the same for all rows of a series; a script may lie elsewhere the next time, but not be another."""
    options = asked.options
    script = read_script(options["statistic"]).encode(errors="surrogateescape")
    return {
        "statistic": statistic(asked),
        "text of the script": hashlib.sha256(script).hexdigest()[:12] if script else "",
        "dataset": options.get("dataset", ""),
        "catalog": storage.absolute(options["catalog"]) if "catalog" in options else "",
    }


def _folder(asked: Asked) -> str:
    """Where the series lies; empty where that is not on this machine."""
    return str(Path(asked.output).parent) if storage.is_plain(asked.output) else ""


def _note(asked: Asked) -> Found | None:
    return storage.read_json(str(asked.run_dir / NOTE))
