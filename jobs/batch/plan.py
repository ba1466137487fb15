"""Before anything runs: which items there are, which are done, and what cannot be right. Memory stays flat."""

from __future__ import annotations

import json
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any, TypeVar

import numpy as np

from jobs import storage
from jobs.batch import targets
from jobs.batch.items import Item, ancestors, normal, parent
from jobs.batch.story import first_line, printable, refused_record
from jobs.errors import InputError, OutputError
from jobs.model import Row

TOGETHER = 512
"""Items looked at side by side."""
THREADS = 8
Answer = TypeVar("Answer")
SHOWN = 3
"""Examples in an error about many items."""


@dataclass(frozen=True)
class Wishes:
    """What to do of all there is."""

    overwrite: bool = False
    failed: frozenset[int] = frozenset()
    """Hashes of the keys of items that failed before: they come last, so that a run short of time does new ones."""
    only_failed: bool = False
    limit: int | None = None
    trust: bool = False
    """The source of the items says what is done: no look at their targets."""


class Plan:
    """What was found. The items lie in temporary files, which go with the process: a million takes no memory."""

    def __init__(self) -> None:
        self.total = self.skipped = self.todo = self.refused = 0
        """All items; of them those that are done, those to do, and those whose check failed."""
        self.left_out = 0
        """Beyond the limit, or not among those that failed before."""
        self._todo, self._again, self._refused = _spool(), _spool(), _spool()

    def __enter__(self) -> Plan:
        return self

    def __exit__(self, *_: object) -> None:
        self._todo.close()
        self._again.close()
        self._refused.close()

    def items(self) -> Iterator[Item]:
        """The items to do, in their order, those that failed before last; one walk at a time."""
        lines = chain(_lines(self._todo), _lines(self._again))
        return (Item(source, target, options) for source, target, options in lines)

    def refusals(self) -> Iterator[dict[str, Any]]:
        """The ledger's records of the items whose check failed."""
        yield from _lines(self._refused)

    def add(self, item: Item, again: bool) -> None:
        """One more to do, perhaps `again`: it failed in a run before."""
        self.todo += 1
        (self._again if again else self._todo).write(json.dumps([item.source, item.target, item.options]) + "\n")

    def refuse(self, record: dict[str, Any]) -> None:
        """One more whose check failed."""
        self.refused += 1
        self._refused.write(json.dumps(record) + "\n")


def _spool() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape")


def _lines(spool: IO[str]) -> Iterator[Any]:
    spool.seek(0)
    return map(json.loads, spool)


Check = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Planner:
    """How to look at items."""

    to_item: Callable[[Row], Item]
    wishes: Wishes
    check: Check | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    note: Callable[[str], None] = lambda text: None
    """Told of each item whose check fails, at once."""

    def fill(self, plan: Plan, rows: Callable[[], Iterable[Row]]) -> None:
        """Look at all items.

        Raises
        ------
        OutputError
            For two items with one target, a target that is its source, and a place where nothing can be written.
        """
        seen, above, looking = array("q"), set[str](), targets.Looking()
        items = (self.to_item(row) for row in rows())
        with ThreadPoolExecutor(THREADS) as pool:
            while chunk := list(islice(items, TOGETHER)):
                for item in chunk:
                    self._refuse(item)
                seen.extend(hash_of(item.key) for item in chunk)
                above.update(parent(normal(item.target)) for item in chunk if item.target)
                self._sort(plan, chunk, looking, pool)
        plan.total = len(seen)
        self._refuse_twice(seen, rows)
        self._refuse_nested(seen, above)

    @staticmethod
    def _refuse(item: Item) -> None:
        if not item.source:
            raise InputError(f"An item has no source; its target would be {item.target}.", "Give each item a source.")
        if item.target:
            targets.refuse(item.source, item.target)
            storage.refuse_unwritable(parent(item.target))

    def _sort(self, plan: Plan, chunk: list[Item], looking: targets.Looking, pool: Executor) -> None:
        """Done, beyond what is wished, refused or to do."""
        wishes = self.wishes
        look = (lambda item: item.done) if wishes.trust else (lambda item: looking.is_done(item.target))
        if wishes.overwrite:
            look = lambda item: False  # noqa: E731
        asked = []
        for item, is_done in _side_by_side(pool, look, chunk):
            if is_done:
                plan.skipped += 1
            elif wishes.only_failed and hash_of(item.key) not in wishes.failed:
                plan.left_out += 1
            else:
                asked.append(item)
        for item, error in _side_by_side(pool, self._checked, asked):
            if wishes.limit is not None and plan.todo + plan.refused >= wishes.limit:
                plan.left_out += 1
            elif error is not None:
                plan.refuse(refused_record(item, error, time.time()))
                self.note(f"{printable(item.source)} failed: {type(error).__name__}: {first_line(str(error))}")
            else:
                plan.add(item, again=hash_of(item.key) in wishes.failed)

    def _checked(self, item: Item) -> Exception | None:
        """What is wrong with an item, as far as a look from outside tells."""
        if item.problem:
            return InputError(item.problem)
        if self.check is None:
            return None
        try:
            self.check(item.source, {**self.options, **item.options})
        except (InputError, OSError) as error:
            return error
        return None

    @staticmethod
    def _refuse_nested(seen: array[int], above: set[str]) -> None:
        """Refuse a target that would lie in another."""
        folders = {folder for path in above for folder in ancestors(path)}
        known = np.fromiter(map(hash, folders), np.int64, len(folders))
        if np.isin(known, np.frombuffer(seen, np.int64)).any() if seen else False:
            hashes = set(seen)
            inner = next(folder for folder in folders if hash(folder) in hashes)
            raise OutputError(f"A target would lie in another one, {inner}.", "Choose another --target.")

    def _refuse_twice(self, seen: array[int], rows: Callable[[], Iterable[Row]]) -> None:
        """Refuse two items with one target, by name."""
        hashes = np.sort(np.frombuffer(seen, np.int64)) if seen else np.empty(0, np.int64)
        doubtful = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        if not doubtful:
            return
        first: dict[str, str] = {}
        pairs = []
        for item in (self.to_item(row) for row in rows()):
            target = normal(item.key)
            if hash(target) in doubtful and not item.problem:
                if target in first:
                    pairs.append(f"{first[target]} and {item.source} → {target}")
                first.setdefault(target, item.source)
            if len(pairs) == SHOWN:
                break
        if pairs:
            raise OutputError(
                f"Several items would have one target: {'; '.join(pairs)}.",
                "Let the target tell them apart: {stem}, {dir} and a table's columns may stand in it, and "
                "{collection}, {item} and {asset} of a STAC catalog.",
            )


def _side_by_side(pool: Executor, look: Callable[[Item], Answer], items: list[Item]) -> Iterator[tuple[Item, Answer]]:
    """Items and what a look at each found, in their order; a thread takes several, for one may cost next to nothing."""
    size = max(1, len(items) // THREADS)
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    for part, answers in zip(parts, pool.map(lambda part: [look(item) for item in part], parts), strict=True):
        yield from zip(part, answers, strict=True)


def hash_of(key: str) -> int:
    """An item's key as a small number, the same within one process."""
    return hash(normal(key))


def failed_before(records: Iterable[Mapping[str, Any]]) -> frozenset[int]:
    """Items whose last attempt failed, as `hash_of` names their keys."""
    failed: set[int] = set()
    for record in records:
        if record.get("state") == "failed":
            failed.add(hash_of(record["target"] or record["item"]))
        elif record.get("state") == "done":
            failed.discard(hash_of(record["target"] or record["item"]))
    return frozenset(failed)
