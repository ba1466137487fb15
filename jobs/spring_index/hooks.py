"""What the batch engine asks of spring-index: which blocks there are, a store to write them to, and its end."""

from __future__ import annotations

import time
from collections.abc import Iterator

from jobs import storage
from jobs.model import Asked, Finished, Row
from jobs.spring_index import check, compute, output, planning, record, template
from jobs.spring_index.planning import Run
from jobs.spring_index.record import Told
from jobs.spring_index.work import Region, Year

MANY = 8
"""With so many blocks it pays to compile the kernels before the processes of all workers do so at once."""
_last: list[tuple[object, Run]] = []
"""The plan that was made last, for `begin` and `finish`, which follow it: many headers are read only once."""


def plan(asked: Asked) -> Iterator[Row]:
    """A row for each block of each year."""
    run = planning.planned(asked)
    check.refuse_unusable(run)
    _last[:] = [(_key(asked), run)]
    for note in planning.notes(run):
        asked.note(note)
    yield from run.problems
    names = {region.name: [name for name, _ in region.blocks()] for region in run.regions.values()}
    for region, year, known in run.years():
        given = {"plan": run.file, "region": region.name, "year": year.year}
        for name in names[region.name]:
            done = known.attrs is not None or name in known.blocks
            yield Row(region.item(year.year, name), columns=given | {"block": name}, done=done)


def begin(asked: Asked) -> None:
    """Make the store or room in it."""
    run = _current(asked)
    todo = [(region, year) for region, year, known in run.years() if known.attrs is None]
    if not todo:
        return
    region = todo[0][0]
    if len(todo) * len(list(region.blocks())) >= MANY or not compute.is_compiled():
        compute.warm_up(region.plan)
    if asked.overwrite:  # only now, with all of it checked, is an old store replaced
        storage.remove(run.output)
    if run.has_regions:
        attrs = record.provenance(run.settings) | {"springline_signature": record.root_signature(run.settings)}
        output.start_group(run.output, attrs | {output.REGIONS: True})
    for region in {region.name: region for region, _ in todo}.values():
        attrs = record.provenance(run.settings, region)
        signature = record.signature(region, run.settings)
        output.start_group(region.plan.output, attrs | {"springline_signature": signature})
    storage.write_bytes(run.file, run.content)
    files = {name: template.files(region.plan, region.chunks) for name, region in run.regions.items()}
    for region, year in todo:
        if not run.known[region.path(year.year)].begun:
            attrs = record.year_attrs(run.settings, region, year)
            output.start_year(year.place, files[region.name], attrs)


def finish(asked: Asked) -> Finished:
    """Let years appear whose blocks are all there, and tell of all."""
    run = _current(asked)
    errors, began = _story(asked)
    years = [_close(run, errors, region, year, known) for region, year, known in run.years()]
    if any(year.state != "skipped" for year in years):
        output.clear_plans(run.output)
        output.consolidate(run.output)
    _last.clear()
    return _finished(run, years, time.time() - began, _plot(run, years))


def _close(run: Run, errors: dict[str, str], region: Region, year: Year, known: output.Known) -> Told:
    """One year: make it appear if it is whole; what its blocks noted is not needed then any more."""
    path = region.path(year.year)
    names = [name for name, _ in region.blocks()]
    if known.attrs is not None:
        output.clear(year.place)
        return record.skipped(path, known.attrs, len(names))
    facts = output.notes(year.place)
    told = record.told(path, facts.values(), len(names))
    if told.state == "done":
        output.finish_year(year.place, list(facts.values()))
        output.clear(year.place)
        return told
    missing = (region.item(year.year, name) for name in names if name not in facts)
    told.fail(next((errors[item] for item in missing if item in errors), ""))
    return told


def _story(asked: Asked) -> tuple[dict[str, str], float]:
    """Item → why it failed the last time, and when this run began."""
    errors: dict[str, str] = {}
    began = time.time()
    for line in asked.records():
        if line.get("event") == "start":
            began = float(line["time"])
        elif line.get("state") == "failed":
            errors[str(line["item"])] = f"{line.get('error')}: {line.get('message')}"
        elif line.get("state") == "done":
            errors.pop(str(line["item"]), None)
    return errors, began


def _finished(run: Run, years: list[Told], seconds: float, plots: list[str]) -> Finished:
    """The counts, for programs and people."""
    cells = sum(year.counts["cells"] for year in years if year.state == "done")
    values = {
        "variant": run.settings.variant.name, "years": {year.path: year.values() for year in years},
        "cells": cells, "cells_per_second": round(cells / seconds) if seconds else 0,
        "plot": plots[0] if len(plots) == 1 else plots or None,
    }  # fmt: skip
    inputs = {region.path(year.year): record.input_names(year) for region, year, _ in run.years()}
    versions = {"versions": record.versions()}
    count = {state: sum(y.state == state for y in years) for state in ("done", "skipped", "failed", "waiting")}
    parts = ", ".join(f"{n} {state}" for state, n in count.items() if n)
    lines = [f"{run.output}: {len(years)} years ({parts}), {cells:,} cells in {seconds:.1f} s"]
    lines += [year.line() for year in years if year.state != "skipped"]
    return Finished(values, (*lines, *plots), record={"inputs": inputs} | versions)


def _plot(run: Run, years: list[Told]) -> list[str]:
    """Draw the pictures that were asked for, one of each region; their URLs."""
    if not run.settings.plot:
        return []
    from jobs.spring_index.plot import plot_store

    drawn = []
    for region in run.regions.values():
        states = {year.path: year.state for year in years}
        ready = [year for year in region.years if states[region.path(year)] in ("done", "skipped")]
        if ready:
            drawn.append(storage.beside(run.output, f".{region.name}.png" if region.name else ".png"))
            storage.write_bytes(drawn[-1], plot_store(run.output, ready, region.name))
    return drawn


def _current(asked: Asked) -> Run:
    return _last[0][1] if _last and _last[0][0] == _key(asked) else planning.planned(asked)


def _key(asked: Asked) -> object:
    return asked.inputs, asked.items, asked.output, dict(asked.options), asked.run_dir, asked.overwrite
