"""What a job is, and what it is given: values that the command line, a worker or a notebook can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Option:
    """One option of a job's command line."""

    name: str
    help: str
    type: type[int] | type[float] | type[str] | type[bool] = str
    default: Any = None
    choices: tuple[str, ...] = ()
    metavar: str = ""
    multiple: bool = False
    required: bool = False
    aliases: tuple[str, ...] = ()
    """Further spellings, with their hyphens."""


class Progress(Protocol):
    """Where a job says how far it is; the command line draws it."""

    def note(self, text: str) -> None:
        """Say one thing worth knowing, now."""

    def start(self, total: int, unit: str, label: str) -> None:
        """Begin counting up to `total` `unit`s."""

    def advance(self, amount: int, label: str = "") -> None:
        """Count `amount` more, optionally with what is under way."""

    def show(self, done: int, text: str, values: Mapping[str, Any]) -> None:
        """Say how far it is in a job's own words: `text` for people, `values` with the keys of progress.json."""

    def close(self) -> None:
        """End the count."""


@dataclass(frozen=True)
class Request:
    """One run of a job: where from, where to, how, and the means to do it."""

    inputs: tuple[str, ...]
    output: str
    options: Mapping[str, Any]
    progress: Progress
    connect: Callable[..., AbstractContextManager[Any]]
    """Given the number of tasks, opens a Dask client for the time of the run; see `clusters.connect`."""
    overwrite: bool = False


@dataclass(frozen=True)
class Report:
    """What a run did: `values` are the public JSON keys, `lines` say the same to a person."""

    values: Mapping[str, Any]
    lines: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Item → why, for what could not be done."""
    unfinished: int = 0
    """How many are not done, where they are too many to be named once more."""


@dataclass(frozen=True)
class Job:
    """A packaged analysis: registered under the entry point group `springline.jobs`."""

    name: str
    summary: str
    run: Callable[[Request], Report]
    input_help: str
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ()
    """Arguments after `run NAME`, one example each."""
    has_output: bool = True
    """Whether there is --output; a job may say where results go in another way."""
    needs_output: bool = True
    """Whether no call goes without it."""
    has_input: bool = True
    """Whether it needs --input; a job may find its input in another way."""
    output_aliases: tuple[str, ...] = ()
    """Further spellings of --output, with their hyphens."""
    about: str = ""
    """What its --help says below the summary: two or three sentences."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a source of items says of one of them."""

    source: str
    target: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """What the function is given for this item alone, by the names of the job's options and columns."""
    done: bool = False
    """Whether a job that knows it better than a look at the target says so."""
    problem: str = ""
    """Why it cannot be done, where its source knows: it fails with these words, the others go on."""
    from_catalog: bool = False
    """Whether others wrote its columns: in a target they are names, and no paths."""


@dataclass(frozen=True)
class Asked:
    """What the hooks of a job are given whose items make one output together."""

    inputs: tuple[str, ...]
    items: str | None
    """The file or reference of --items."""
    rows: Callable[..., Iterator[Row]]
    """Called with storage options: what --input and --items name, as for any batch job."""
    output: str
    options: Mapping[str, Any]
    """The job's own that were given or have a default, by their names with underscores, and the filters given."""
    run_dir: Path
    overwrite: bool
    note: Callable[[str], None]
    """Says one line to the person."""
    records: Callable[[], Iterator[Mapping[str, Any]]]
    """The ledger so far, oldest line first."""


@dataclass(frozen=True)
class Finished:
    """What a job adds at the end: JSON keys, and lines for a person."""

    values: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    failed: int = 0
    """How many things are not as they should be although their items are done."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What only run.json says besides."""


@dataclass(frozen=True)
class BatchJob:
    """A function `f(source, target, **options)` over many items, registered as a `Job` is; `jobs.batch` runs it.

    The hooks are written "module:function", so that a worker can import them and nothing else.
    """

    name: str
    summary: str
    function: str
    input_help: str
    options: tuple[Option, ...] = ()
    """Given to the function as keywords, by their names with underscores."""
    target: str = ""
    """`target(source, output, options) -> str`, or a pattern: "{output}/{stem}.zarr"; empty: the user says it."""
    check: str = ""
    """`check(source, options) -> None`: looks at an item before anything is scheduled; raises `InputError`."""
    select: str = ""
    """`select(sources, options) -> sources`: chooses among all of them first."""
    answer: str = ""
    """`answer(asked) -> Report | None`: answers a question that is no run, such as --list."""
    plan: str = ""
    """`plan(asked) -> rows`: what there is to do and what of it is done, where the items make one output together."""
    begin: str = ""
    """`begin(asked) -> None`: makes that output ready, after the plan and before anything is scheduled."""
    finish: str = ""
    """`finish(asked) -> Finished`: closes that output as far as it is done, at the end or when the run is stopped."""
    prefetch: str = ""
    """`prefetch(sources, options) -> None`: told in the item's process what will be asked for next."""
    hook_options: tuple[Option, ...] = ()
    """Options for its hooks alone, which the function is not given."""
    columns: tuple[Option, ...] = ()
    """What a row may say of its item besides the options; given to the function as keywords."""
    returns_row: bool = False
    """The function is `f(source, **options) -> row`: it writes nothing, what it returns is kept in the ledger."""
    one_object: bool = False
    """The function writes its target at once, as one file or object, which on an object store needs no marker."""
    output_aliases: tuple[str, ...] = ()
    """Further spellings of --output, with their hyphens."""
    catalogs: bool = True
    """Whether --input may be a STAC catalog, from which options filter."""
    assets: str = ""
    """`assets(rows) -> rows`: makes its items of a catalog's assets; by default each asset is one."""
    wall_limit: float | None = None
    """Seconds an item may take unless the user says otherwise; None: as long as it likes."""
    examples: tuple[str, ...] = ()
    about: str = ""
    """What its --help says below the summary: two or three sentences."""
    script: str = ""
    """The text of the file the function stands in, where it is no module that could be imported."""
