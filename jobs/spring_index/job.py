"""The job: inputs → blocks → a Zarr group per year, with a record of the run beside it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from jobs import storage
from jobs.errors import InterruptedRunError, JobError, OutputError
from jobs.model import Job, Report, Request
from jobs.spring_index import output, record
from jobs.spring_index.blocks import Block, Done, Plan
from jobs.spring_index.layout import batch_days, block_shape
from jobs.spring_index.model import Window
from jobs.spring_index.options import OPTIONS, settings
from jobs.spring_index.record import Run, Year
from jobs.spring_index.source import CSV

if TYPE_CHECKING:
    from distributed import Future


def run(request: Request) -> Report:
    """Compute the spring indices of the inputs of `request`."""
    began = time.perf_counter()
    planned = plan_run(request)
    todo = [y for y in planned.years.values() if y.state == "waiting"]
    stopped = False
    try:
        if todo:
            with storage.exclusive(request.output):
                _compute(planned, todo)
    except KeyboardInterrupt:
        stopped = True
    if todo and storage.is_zarr(request.output):
        output.consolidate(request.output)
    seconds = time.perf_counter() - began
    plot = None if stopped else _plot(planned)
    outcome = record.report(planned, seconds, plot)
    storage.write_json(storage.beside(request.output, ".run/run.json"), record.record(planned, outcome))
    if stopped:
        left = sum(y.state == "waiting" for y in todo)
        raise InterruptedRunError(
            f"Stopped with {left} of {len(planned.years)} years left.",
            "The same command goes on where this one stopped.",
        )
    return outcome


def plan_run(request: Request) -> Run:
    """Look at inputs and output and decide what there is to do; computes nothing yet."""
    from jobs.spring_index.inputs import open_collection

    chosen = settings(request.options)
    collection = open_collection(request.inputs, chosen.years)
    if chosen.bbox:
        from jobs.spring_index.region import clip

        collection = clip(collection, chosen.bbox)
    if chosen.coarsen > 1 and (collection.grid.is_points or min(collection.grid.shape) < chosen.coarsen):
        raise OutputError(
            f"--coarsen {chosen.coarsen} leaves nothing of {collection.grid.shape} cells.", "Choose less."
        )
    chunks = block_shape(collection, chosen.chunks, chosen.coarsen)
    is_single = not collection.grid.is_points or next(iter(collection.years.values()))["tmin"].kind != CSV
    plan = Plan(
        collection.grid, collection.units, chosen.variant, chosen.plants, collection.dayl_source,
        chosen.coarsen, batch_days(collection, chunks, chosen.coarsen), storage.absolute(request.output), is_single,
    )  # fmt: skip
    planned = Run(request, chosen, collection, plan, chunks, {y: Year(y) for y in collection.years})
    _look_at_output(planned)
    return planned


def _look_at_output(planned: Run) -> None:
    """Refuse a foreign store and one that is an input; mark the years that are done. Changes nothing."""
    where, request = planned.request.output, planned.request
    storage.refuse_overlap(where, request.inputs)
    output.prepare(where, output.signature(record.identity(planned)), request.overwrite)
    for year in planned.years.values() if not request.overwrite else ():
        found = output.year_done(where, year.year)
        if found is None:
            continue
        if found.get("springline_inputs_signature") != record.inputs_signature(planned, year.year):
            raise OutputError(
                f"{where} has {year.year} already, from other input files.",
                "Add --overwrite to replace the store, or choose another --output.",
            )
        year.state = "skipped"
        year.cells, year.valid, year.gaps = (int(found.get(f"springline_{k}", 0)) for k in record.COUNTS)


def _start_store(planned: Run) -> None:
    """Write the root group; only now, with workers at hand, is an old store replaced."""
    sign = output.signature(record.identity(planned))
    attrs = record.provenance(planned) | {"springline_signature": sign}
    output.start_store(planned.request.output, attrs, planned.request.overwrite)


def _compute(planned: Run, todo: list[Year]) -> None:
    """All blocks of all years to do, as tasks of a Dask cluster."""
    from distributed import as_completed

    from jobs.spring_index.blocks import compute_block, dtype
    from jobs.spring_index.stream import warm_up

    for note in _notes(planned):
        planned.request.progress.note(note)
    per_year = len(list(_cells(planned)))
    warming = threading.Thread(target=warm_up, args=(planned.plan.variant, dtype(planned.plan)))
    warming.start()  # while the cluster starts
    with planned.request.connect(per_year * len(todo)) as client:
        warming.join()
        _start_store(planned)
        futures: dict[Future[Done], Block] = {}
        plan = client.scatter(planned.plan, broadcast=True)
        for rank, year in enumerate(todo):
            for block in _start(planned, year):
                futures[client.submit(compute_block, plan, block, pure=False, priority=-rank)] = block
        progress = planned.request.progress
        before = sum(y.cells for y in planned.years.values() if y.state == "skipped")
        progress.start(before + sum(_size(b) for b in futures.values()), "cells", f"{len(todo)} years")
        progress.advance(before)
        try:
            for future in as_completed(list(futures)):
                _collect(planned, future, futures)
        except BaseException:
            client.cancel(list(futures), force=True)
            raise
        finally:
            progress.close()


def _collect(planned: Run, future: Future[Done], futures: dict[Future[Done], Block]) -> None:
    """Take in one finished task; an unreadable file fails its year, a mistake in the command the run."""
    block = futures.pop(future)
    year = planned.years[block.year]
    if year.state == "failed":
        return
    try:
        year.add(future.result())
    except JobError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a worker met belongs in the report, by year
        year.state, year.error = "failed", f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        planned.request.progress.note(f"{year.year} failed: {year.error}")
        return
    if year.blocks == 0:
        year.state = "done"
        facts = dict(zip((f"springline_{k}" for k in record.COUNTS), (year.cells, year.valid, year.gaps), strict=True))
        output.finish_year(planned.request.output, year.year, year.marker, facts)
    planned.request.progress.advance(_size(block), str(year.year))


def _start(planned: Run, year: Year) -> list[Block]:
    """Lay out a year's arrays and cut it into blocks."""
    slots = planned.collection.years[year.year]
    chosen = planned.settings.window
    window = Window(chosen.first, min(chosen.last, slots["tmin"].days))
    attrs = record.provenance(planned) | {
        "springline_inputs": ", ".join(record.input_names(planned, year.year)),
        "springline_inputs_signature": record.inputs_signature(planned, year.year),
        "springline_window": f"day {window.first} to {window.last}",
    }
    year.marker = output.start_year(planned.plan, year.year, planned.chunks, attrs)
    blocks = [Block(year.year, window, dict(slots), cells) for cells in _cells(planned)]
    year.blocks = len(blocks)
    return blocks


def _cells(planned: Run) -> Iterator[tuple[slice, ...]]:
    """Blocks of the output grid, row by row."""
    sizes = [n // planned.settings.coarsen for n in planned.collection.grid.shape]
    cuts = [
        [slice(a, min(a + step, n)) for a in range(0, n, step)] for n, step in zip(sizes, planned.chunks, strict=True)
    ]
    return itertools.product(*cuts)


def _size(block: Block) -> int:
    return int(np.prod([c.stop - c.start for c in block.cells]))


def _notes(planned: Run) -> Iterator[str]:
    """What the user should know before waiting."""
    yield from planned.collection.notes
    last = planned.settings.window.last
    short = [y for y, slots in planned.collection.years.items() if slots["tmin"].days < last]
    if short:
        yield f"{', '.join(map(str, short))}: fewer than {last} days; the search ends with the data."
    if planned.plan.dayl_source != "file":
        yield f"No day length in the input: computed from latitude ({planned.plan.dayl_source} formula)."


def _plot(planned: Run) -> str | None:
    """Draw the picture that was asked for; its URL."""
    ready = [y.year for y in planned.years.values() if y.state in ("done", "skipped")]
    if not (planned.settings.plot and ready):
        return None
    from jobs.spring_index.plot import plot_store

    target = storage.beside(planned.request.output, ".png")
    storage.write_bytes(target, plot_store(planned.request.output, ready))
    return target


JOB = Job(
    name="spring-index",
    summary="First leaf, first bloom, last freeze and damage from daily temperatures (SI-x).",
    run=run,
    input_help="Daymet NetCDF files, single-pixel CSV files or a Zarr store: paths, directories, globs or URLs.",
    options=OPTIONS,
    examples=(
        "--input daymet/ --output spring.zarr --plot",
        "--input 'daymet/*_198?.nc' --output spring.zarr --bbox=-125,24,-66,50 --coarsen 4",
        "--input pixels/*.csv --output stations.zarr --years 2000:2002 --variant rsdat",
    ),
)
