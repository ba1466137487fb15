"""The command line of every batch job, from text to values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobs.errors import UsageError
from jobs.model import BatchJob, Option
from jobs.stac import filters
from jobs.stac.roots import catalogs_among, why_none

ITEMS = Option(
    "items",
    "More items from a list (.txt, one a line; - for stdin) or a table (.csv, .parquet) with the column source, and "
    "perhaps target and columns named as the job's options; or of a cloud registry: CATALOG#DATASET/START/STOP.",
    metavar="FILE",
)
ITEMS_OR_IDS = replace(
    ITEMS,
    help=f"{ITEMS.help} Of a STAC catalog as --input the items to take, ids or patterns with commas (\\, in an id).",
    metavar="FILE|IDS",
)
TARGET = Option(
    "target",
    "Where each result goes: a pattern such as out/{stem}.zarr, with {dir}, {name}, {stem}, {ext} of the source, "
    "columns of the table, {item}, {asset}, {collection} of a STAC catalog, and options.",
    metavar="PATTERN",
)
ENGINE = (
    ITEMS,
    Option("run-dir", "Where the ledger and the report go; default beside the output, with .run.", metavar="DIR"),
    Option("limit", "Do so many items at most.", type=int, metavar="N"),
    Option("only-failed", "Only the items whose last attempt failed.", type=bool, default=False),
    Option("dry-run", "Look at all items, say what would be done, do nothing.", type=bool, default=False),
    Option("max-failures", "Give up when more items than this have failed.", type=int, metavar="N"),
    Option("retries", "Further attempts at what may be transient.", type=int, default=2, metavar="N"),
    Option("wall-limit", "Longest time for one item, seconds or HH:MM:SS; it is ended then.", metavar="TIME"),
    Option("memory-limit", "Most memory for one item, such as 2GB; default its share of the worker's.", metavar="SIZE"),
)
TAKEN = {option.name for option in (*ENGINE, TARGET)} | {
    "input", "inputs", "output", "overwrite", "dask", "workers", "wait", "json", "quiet", "help", "more",
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What the options of the engine mean."""

    items: str | None
    target: str | None
    run_dir: str | None
    limit: int | None
    only_failed: bool
    dry_run: bool
    max_failures: int | None
    retries: int
    wall_limit: float | None
    memory_limit: float | None


def options_of(batch: BatchJob) -> tuple[Option, ...]:
    """All options of a batch job: its own, then the engine's.

    Raises
    ------
    UsageError
        If the function's parameter has the name of one of the engine's options.
    """
    for option in (*batch.options, *batch.hook_options):
        if option.name in TAKEN:
            raise UsageError(
                f"{batch.function} has a parameter {option.name!r}, which is an option of springline's own.",
                "Give the parameter another name.",
            )
    target = () if batch.target or batch.plan else (TARGET,)
    items = ITEMS_OR_IDS if batch.catalogs else ITEMS
    return (*batch.options, *batch.hook_options, items, *ENGINE[1:], *target, *filters_of(batch))


def filters_of(batch: BatchJob) -> tuple[Option, ...]:
    """The options that filter a catalog, but those whose names the job has itself."""
    own = {option.name for option in (*batch.options, *batch.hook_options)}
    return tuple(option for option in filters.OPTIONS if option.name not in own) if batch.catalogs else ()


def filtering(options: Mapping[str, Any], batch: BatchJob, inputs: tuple[str, ...]) -> dict[str, Any]:
    """The filters that were given.

    Raises
    ------
    UsageError
        If there is no catalog that they could filter, or one of them cannot be understood.
    """
    given = own(options, filters_of(batch))
    filters.filters(given, None)
    if given and not catalogs_among(inputs):
        named = " and ".join(f"--{name}" for name in given)
        what = f"{inputs[0]} is none: {why_none(inputs[0]).rstrip('.')}" if inputs else "there is none"
        raise UsageError(f"{named} choose from a STAC catalog; {what}.", "Name its catalog.json with --input.")
    return given


def settings(options: Mapping[str, Any], batch: BatchJob) -> Settings:
    """Check the engine's options and make values of them."""
    for name, least in (("limit", 1), ("max_failures", 0), ("retries", 0)):
        value = options.get(name)
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} {value} must be {least} or more.", "Give a larger number.")
    wall = options.get("wall_limit")
    retries = options.get("retries")
    return Settings(
        options.get("items"), options.get("target"), options.get("run_dir"), options.get("limit"),
        bool(options.get("only_failed")), bool(options.get("dry_run")), options.get("max_failures"),
        2 if retries is None else retries, batch.wall_limit if wall is None else _seconds(wall),
        _bytes(options.get("memory_limit")),
    )  # fmt: skip


def own(options: Mapping[str, Any], wanted: tuple[Option, ...]) -> dict[str, Any]:
    """The values of a job's options as keywords; those that were not given are left to the function's defaults."""
    names = [option.name.replace("-", "_") for option in wanted]
    return {name: options[name] for name in names if options.get(name) is not None}


def _seconds(text: str) -> float:
    """90, 1:30 or 0:01:30 → seconds."""
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)", str(text).strip())
    seconds = (
        sum(float(part or 0) * unit for part, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    )
    if seconds <= 0:
        raise UsageError(f"--wall-limit {text} is no time.", "Write seconds, MM:SS or HH:MM:SS.")
    return seconds


def _bytes(text: str | None) -> float | None:
    """2GB → bytes."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *([kMGT]?)i?B?", text.strip(), re.IGNORECASE)
    size = float(match[1]) * 1000.0 ** " kmgt".index(match[2].lower() or " ") if match else 0
    if size <= 0:
        raise UsageError(f"--memory-limit {text} is no size.", "Write it as 500MB or 2GB.")
    return size
