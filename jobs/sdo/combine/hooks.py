"""The store as a whole: which chunks lack what, room for them, and what is written down at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.errors import InputError, OutputError, UsageError
from jobs.model import Asked, Finished, Report, Row
from jobs.sdo.combine import closing, legacy, moment, npz, steps, tasks
from jobs.sdo.combine import store as stores
from jobs.sdo.combine.chunk import read_image
from jobs.sdo.combine.inventory import Inventory, Wanted, minutes_of, read
from jobs.sdo.combine.steps import Axis, Bools, Work
from jobs.sdo.combine.store import Layout, Store, chunk_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

PROBES, ENOUGH = 64, 5
"""Files that are opened to learn the size of the images, until so many of them could be read."""


@dataclass(frozen=True)
class Planned:
    """What there is to do."""

    inventory: Inventory
    store: Store | None
    """What is there."""
    layout: Layout
    """Its size is (0, 0) until a file was opened."""
    axis: Axis
    have: Bools
    """(time, channel): what the store holds; it may be shorter than the axis."""
    work: Work
    table: pa.Table
    path: Path
    """Where the table goes."""


_last: list[tuple[object, Planned]] = []
"""The plan that was made last, for `begin`, which follows it at once: an inventory of millions is read only once."""


def plan(asked: Asked) -> Iterator[Row]:
    """A row for each chunk the inventory has files for. Writes nothing."""
    planned = _planned(asked)
    _last[:] = [(_key(asked), planned)]
    todo, minutes = planned.work, planned.axis.minutes
    columns = (todo.chunks, todo.first, todo.count, minutes[todo.begin], minutes[todo.end])
    for index, first, count, begin, end in zip(*(column.tolist() for column in columns), strict=True):
        name = steps.text_of(begin) + (f"--{steps.text_of(end)}" if end > begin else "")
        given = {"plan": str(planned.path), "first": first, "count": count}
        yield Row(name, chunk_of(asked.output, index), given, done=not count)


def begin(asked: Asked) -> None:
    """Make the store or room in it, and write down which files go where."""
    planned = _last[0][1] if _last and _last[0][0] == _key(asked) else _planned(asked)
    _last.clear()
    store = planned.store
    if not asked.overwrite and _state(stores.find(asked.output)) != _state(store):  # where no lock reaches, as on S3
        raise OutputError(f"Another run has changed {asked.output} meanwhile.", "Run the same command again.")
    if store is None:
        layout = planned.layout
        size = _image_size(planned.inventory)
        store = stores.create(
            asked.output, Layout(layout.channels, size, layout.kind, layout.shard_steps, layout.binning), planned.axis
        )
    elif len(planned.axis.minutes) > len(store.axis.minutes):
        store = stores.extend(store, planned.axis)
    tasks.write(planned.table, planned.path)
    _write_sources(store, planned)
    closing.begin(asked, store, planned.have)


def _state(store: Store | None) -> object:
    """What of a store is not the same once another run has made it, or made it longer."""
    return store and (store.id, len(store.axis.minutes))


def finish(asked: Asked) -> Finished:
    """Write down what the store holds."""
    return closing.finish(asked)


def answer(asked: Asked) -> Report | None:
    """Show a moment, if that is what is asked."""
    when = asked.options.get("show")
    if when is None:
        return None
    if not asked.output:
        raise UsageError("--show needs --output.", "Name the store to look into.")
    return moment.show(asked.output, minutes_of(when, "--show"))


def _key(asked: Asked) -> object:
    return asked.inputs, asked.output, dict(asked.options), asked.run_dir, asked.overwrite


def _planned(asked: Asked) -> Planned:
    import pyarrow as pa

    _refuse(asked)
    options = asked.options
    stores.attributes(asked.output)  # nothing of others is removed
    store = None if asked.overwrite else stores.find(asked.output)
    found = read(asked.inputs[0], options.get("root"), _wanted(options), asked.note)
    if absent := sorted(set(_wanted(options).channels) - set(found.channels)):
        asked.note(f"there are no files of the channels {', '.join(absent)}")
    layout = _layout(asked.output, options, found, store)
    axis = _axis(options, found, store)
    places = axis.places(found.minutes)
    number = {name: code for code, name in enumerate(layout.channels)}
    codes = np.array([number[name] for name in found.channels], np.int16)[found.codes]
    none = np.zeros((0, len(number)), bool)
    have = closing.known(store, asked).valid if store else none
    todo = steps.work(places, codes, have, layout.shard_steps, _without_legacy(asked, found, axis, store, have))
    rows = todo.rows
    files = found.files if len(rows) == len(places) else found.files.take(pa.array(rows))
    columns = (places[rows], found.minutes[rows], codes[rows], files)
    table = tasks.table(asked.output, found.root, layout.channels, columns)
    found = Inventory(found.minutes, codes, layout.channels, found.files, found.root)
    return Planned(found, store, layout, axis, have, todo, table, tasks.path_of(table, asked.run_dir))


def _refuse(asked: Asked) -> None:
    """Refuse what cannot be, before anything is read."""
    options = asked.options
    if len(asked.inputs) != 1 or asked.items:
        raise UsageError(
            "One --input is needed, and no --items.", "Name an inventory, or the directory that holds the files."
        )
    for name, least in (("shard_steps", 1), ("cadence", 0)):
        if options.get(name) is not None and options[name] < least:
            raise UsageError(
                f"--{name.replace('_', '-')} {options[name]} is less than {least}.", "Give a larger number."
            )
    if options.get("legacy_pkl"):
        storage.refuse_unwritable(storage.absolute(options["legacy_pkl"]))
    closing.refuse_inventory(asked)


def _wanted(options: Any) -> Wanted:  # noqa: ANN401 - a mapping of options
    named = filter(None, (name.strip() for name in str(options.get("channels") or "").split(",")))
    channels = tuple(dict.fromkeys(name.zfill(4) if name.isdecimal() else name for name in named))
    limits = {
        name: minutes_of(options[name], f"--{name}") for name in ("start", "stop") if options.get(name) is not None
    }
    return Wanted(channels, **limits)


def _layout(output: str, options: Any, found: Inventory, store: Store | None) -> Layout:  # noqa: ANN401
    """The layout of a new store, or of the one that is there if it is not at odds with what is asked."""
    if store is None:
        kind = options.get("layout") or (stores.POSIX if storage.is_local(output) else stores.OBJECT)
        shard_steps = int(options.get("shard_steps") or 8) if kind == stores.POSIX else 1
        channels = tuple(sorted(_wanted(options).channels or found.channels))
        return Layout(channels, (0, 0), kind, shard_steps, options.get("binning") or "sum")
    layout = store.layout
    fixed = {"layout": layout.kind, "binning": layout.binning, "cadence": store.axis.cadence}
    fixed |= {"shard_steps": layout.shard_steps} if layout.kind == stores.POSIX else {}
    for name, value in fixed.items():
        if options.get(name) not in (None, value):
            raise OutputError(
                f"{output} was made with --{name.replace('_', '-')} {value}, not {options[name]}.",
                "Leave the option out, choose another --output, or make it anew with --overwrite.",
            )
    new = [name for name in found.channels if name not in layout.channels]
    if new:
        raise InputError(
            f"{output} has no room for the channels {', '.join(new)}; it has {', '.join(layout.channels)}.",
            "Leave them out with --channels, choose another --output, or make it anew with --overwrite.",
        )
    return layout


def _axis(options: Any, found: Inventory, store: Store | None) -> Axis:  # noqa: ANN401 - a mapping of options
    if store is not None:
        return steps.extended(store.axis, found.steps)
    return steps.new_axis(found.steps, options.get("cadence"), _wanted(options).start)


def _without_legacy(asked: Asked, found: Inventory, axis: Axis, store: Store | None, have: Bools) -> Bools | None:
    """(time,): steps whose file for old readers is wanted and not there, or lacks what the store holds."""
    folder = asked.options.get("legacy_pkl")
    if not folder:
        return None
    again = np.zeros(len(axis.minutes), bool)
    again[axis.places(found.steps)] = legacy.absent(folder, found.steps)
    if store:
        again[: len(have)] |= (closing.written(store, asked.records(), folder) != have).any(axis=1)
    return again


def _image_size(found: Inventory) -> tuple[int, int]:
    """Rows and columns of most of a few images from all over the inventory."""
    why, sizes = "", Counter[tuple[int, ...]]()
    for at in np.unique(np.linspace(0, len(found.files) - 1, PROBES).astype(int)):
        file = str(found.files[int(at)])
        try:
            sizes[read_image(f"{found.root.rstrip('/')}/{file}")[0].shape] += 1
        except npz.DamagedError as error:
            why = f"{file}: {error}"
        if sizes.total() == ENOUGH:
            break
    if not sizes:
        raise InputError(f"None of {PROBES} files from all over the inventory can be read; {why}.", "Check --root.")
    rows, columns = sizes.most_common(1)[0][0]
    return rows, columns


def _write_sources(store: Store, planned: Planned) -> None:
    """Write the names of the files, but for images that are there already, whatever file they came from."""
    places = store.axis.places(planned.inventory.minutes)
    for first, names in stores.sources(store):
        rows = slice(*np.searchsorted(places, (first, first + len(names))))
        have = np.zeros(names.shape, bool)
        have[: max(0, len(planned.have) - first)] = planned.have[first : first + len(names)]
        new = names.copy()
        new[places[rows] - first, planned.inventory.codes[rows]] = planned.inventory.files[rows].to_pylist()
        new = np.where(have & (names != ""), names, new)
        if (new != names).any():
            stores.write_sources(store, first, new)
