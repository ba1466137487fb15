"""What was measured for a series before: the ledger tells, from where on a note beside it says.

The note also says what the series is made of, so that no run mixes into it what is something else. Where the ledger
does not know all, what the series itself tells is kept beside the new one: where it is lost or has moved, and where
another run directory's run has written the series since.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from jobs import storage
from jobs.errors import InputError, OutputError
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


def is_replacing(asked: Asked) -> bool:
    """Whether the series that is there is to go: by --overwrite, now or in a run that did not come to its end."""
    note = _note(asked)
    return asked.overwrite or (note is not None and note["replaced"] is not None and _story(asked) == note["replaced"])


def begin(asked: Asked) -> str:
    """Note what the series is made of, and from which line on the ledger tells of it; returns the name of its story."""
    lines = sum(1 for _ in asked.records())
    note = _note(asked)
    if asked.overwrite or note is None:
        from_line, replaced = (lines, _story(asked)) if asked.overwrite else (0, None)
        new = {"id": secrets.token_hex(4), "made_of": _made_of(asked), "from_line": from_line, "replaced": replaced}
    else:
        new = {**note, "from_line": lines} if _has_moved(asked, note) else note
    if asked.overwrite:
        (asked.run_dir / RECOVERED).unlink(missing_ok=True)
    elif _series_knows_more(asked, note):
        told = series.read_rows(asked.output, note["folder"] if note else "")
        storage.write_bytes(str(asked.run_dir / RECOVERED), told.to_parquet(None))
    storage.write_json(str(asked.run_dir / NOTE), {**new, "folder": _folder(asked)})
    return str(new["id"])


def story(asked: Asked) -> str:
    """The name that a series carries of the run directory that wrote it last."""
    note = _note(asked)
    return note["id"] if note else ""


def rows(asked: Asked) -> Iterator[Found]:
    """The last that is known of each file that was ever tried, by its `key`: the path or URL of its item."""
    note = _note(asked)
    start = note["from_line"] if note else 0
    told = () if note and _has_moved(asked, note) else islice(asked.records(), start, None)
    tried = (_row(record) for record in told if record.get("state") in ("done", "failed"))
    found: dict[str, Found] = {}
    for row in chain(_recovered(asked, note), tried):
        found[row["key"]] = row
    yield from found.values()


def _has_moved(asked: Asked, note: Found) -> bool:
    """Whether the ledger names local files from where the series was before."""
    return bool(note["folder"] != _folder(asked))


def _series_knows_more(asked: Asked, note: Found | None) -> bool:
    if not storage.is_zarr(asked.output):
        return False
    if note is None or _has_moved(asked, note) or next(asked.records(), None) is None:
        return True
    return _story(asked) not in (note["id"], note["replaced"])


def _story(asked: Asked) -> str:
    attributes = (storage.read_json(f"{asked.output}/{series.MARKER}") or {}).get("attributes", {})
    return str(attributes.get("springline_story", ""))


def _recovered(asked: Asked, note: Found | None) -> Iterator[Found]:
    """What the series itself tells, or told when a run began."""
    import pandas as pd

    kept = asked.run_dir / RECOVERED
    if not asked.overwrite and _series_knows_more(asked, note):
        told = series.read_rows(asked.output, note["folder"] if note else "")
    elif kept.exists():
        try:
            told = pd.read_parquet(kept)
        except (OSError, ValueError) as error:
            raise _damaged(asked, kept.name) from error
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
        "catalog": _one_spelling(options.get("catalog", "")),
    }


def _one_spelling(url: str) -> str:
    return str(Path(storage.absolute(url)).resolve()) if url and storage.is_local(url) else url.rstrip("/")


def _folder(asked: Asked) -> str:
    """Where the series lies; empty where that is not on this machine."""
    return str(Path(asked.output).parent) if storage.is_plain(asked.output) else ""


def _note(asked: Asked) -> Found | None:
    path = asked.run_dir / NOTE
    try:
        note = storage.read_json(str(path))
    except InputError as error:
        raise _damaged(asked, NOTE) from error
    if path.exists() and not (note and note.keys() >= {"id", "made_of", "from_line", "replaced", "folder"}):
        raise _damaged(asked, NOTE)
    return note


def _damaged(asked: Asked, name: str) -> OutputError:
    return OutputError(
        f"{asked.run_dir / name} is damaged.", f"Remove {asked.run_dir}: the series itself tells what is done."
    )
