"""One run, as asked for: what its options mean, where its items come from, where results and the story go."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs import ledger, storage
from jobs.batch import functions, options
from jobs.batch.items import Catalogs, Item, Template, anchored, rows
from jobs.batch.options import Settings
from jobs.errors import UsageError
from jobs.functions import resolve
from jobs.model import Asked, BatchJob, Request, Row


@dataclass
class Run:
    """One run, as asked for."""

    batch: BatchJob
    request: Request
    settings: Settings
    options: Mapping[str, Any]
    """For the function."""
    target: Callable[[Row], str]
    run_dir: Path
    root: str = ""
    """The directory that holds all targets, if there is one."""
    filters: Mapping[str, Any] = field(default_factory=dict)
    """The options that filter a catalog, as far as they were given."""
    id: str = field(default_factory=lambda: secrets.token_hex(3))

    @property
    def ledger(self) -> Path:
        """Where the story is written."""
        return self.run_dir / "ledger.jsonl"

    def ended(self, run: str) -> Path:
        """The file that says that one of the runs in this directory is over."""
        return self.run_dir / "ended" / run

    def locks(self) -> list[str]:
        """Directories whose lock it holds: of its story, and of an output that its items make together."""
        places = [str(self.run_dir)]
        if self.batch.plan and storage.is_plain(self.root):
            places.append(f"{self.root}.run")
        elif self.batch.plan:  # as far as one home reaches: object stores have no locks
            places.append(str(Path.home() / ".springline" / "locks" / _plain_name(self.root)))
        return list(dict.fromkeys(places))

    def hook(self, text: str) -> Any:  # noqa: ANN401 - what the hook gives
        """Call one of the hooks of a job whose items make one output; None if it has none such."""
        return resolve(text)(self._asked()) if text else None

    def _asked(self) -> Asked:
        request, hook_options = self.request, options.own(self.request.options, self.batch.hook_options)
        given = {**self.filters, **self.options, **hook_options}
        return Asked(
            request.inputs, self.settings.items, self._named, self.root, given, self.run_dir,
            request.overwrite, request.progress.note, lambda: ledger.read(self.ledger),
        )  # fmt: skip

    def _named(self, options: storage.Options | None = None) -> Iterator[Row]:
        if not self.request.inputs and not self.settings.items:
            raise UsageError("There is nothing to work on.", "Name inputs, or give a list or table with --items.")
        catalogs = None
        if self.batch.catalogs:
            make = {"make": resolve(self.batch.assets)} if self.batch.assets else {}
            catalogs = Catalogs(self.filters, **make)
        return rows(self.request.inputs, self.settings.items, self.request.progress.note, options, catalogs)

    def rows(self) -> Iterable[Row]:
        """All items as their sources name them."""
        if self.batch.plan:
            planned: Iterable[Row] = self.hook(self.batch.plan)
            return planned
        found: Iterable[Row] = self._named()
        if not self.batch.select:
            return found
        select = resolve(self.batch.select)
        by_source, broken = dict[str, Row](), list[Row]()
        for row in found:
            if row.problem:
                broken.append(row)
            else:
                by_source[row.source] = row
        return [*(by_source[source] for source in select(list(by_source), self.options)), *broken]

    def to_item(self, row: Row) -> Item:
        """An item with its target and its own options."""
        own = {}
        for option in (*self.batch.options, *self.batch.columns):
            name = option.name.replace("-", "_")
            if name in row.columns:
                try:
                    own[name] = functions.convert(row.columns[name], option)
                except (TypeError, ValueError) as error:
                    raise UsageError(
                        f"The item {row.source}: column {name}: {error}.", "Mend the value in the list of items."
                    ) from error
        if row.problem:
            return Item(row.source, row.target, own, problem=row.problem)
        return Item(row.source, anchored(row.target) if row.target else self.target(row), own, row.done)


def prepare(batch: BatchJob, request: Request) -> Run:
    """Check the command line; looks at no item yet."""
    chosen = options.settings(request.options, batch)
    if chosen.items == "-" and (batch.select or batch.plan):
        raise UsageError(f"--items - cannot be used with {batch.name}.", "Write the list to a file.")
    own = options.own(request.options, batch.options)
    target, root = _target(batch, chosen, request.output, own)
    name = batch.name if batch.target else f"{batch.name}-{batch.function.rpartition(':')[2]}"
    run_dir = Path(anchored(chosen.run_dir)) if chosen.run_dir else _run_dir(root, name)
    filters = options.filtering(request.options, batch, request.inputs)
    return Run(batch, request, chosen, own, target, run_dir, root, filters)


def _target(batch: BatchJob, chosen: Settings, output: str, own: Mapping[str, Any]) -> tuple[Callable[[Row], str], str]:
    """How a target follows from an item, and the directory that holds all of them."""
    output = anchored(output) if output else ""
    if batch.plan:
        return (lambda row: ""), output
    if ":" in batch.target and "{" not in batch.target:
        hook = resolve(batch.target)
        return (lambda row: str(hook(row.source, output, {**own, **row.columns}))), output
    text = batch.target or chosen.target
    if not text:
        if chosen.items:
            return _named_in_table, ""
        raise UsageError("--target is missing.", "Say where each result goes, such as --target 'out/{stem}.zarr'.")
    template = Template(text, output, own)
    return template.fill, output or template.root()


def _named_in_table(row: Row) -> str:
    raise UsageError(f"The item {row.source} has no target.", "Add a column target, or --target PATTERN.")


def _run_dir(root: str, name: str) -> Path:
    """Beside the output; in this directory where the output has no place of its own on this machine."""
    if root and storage.is_plain(root) and root != anchored("."):
        return Path(f"{root.rstrip('/')}.run")
    elsewhere = root and not storage.is_plain(root)
    return Path(anchored(f"{_plain_name(root) if elsewhere else name}.run"))


def _plain_name(url: str) -> str:
    """The whole URL as the name of a file: two buckets may hold outputs of one name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", url)
