"""One item: a block of a year, in a process that lives on for further ones."""

from __future__ import annotations

from typing import Any

from jobs.spring_index import output, work
from jobs.spring_index.compute import compute_block
from jobs.spring_index.inputs.headers import check_unseen


def compute(source: str, *, plan: str, region: str = "", year: int, block: str) -> dict[str, Any]:
    """Compute one block, note that it is done, and let the year appear if it was the last.

    Parameters
    ----------
    source
        The item in words.
    plan
        File of the regions; see `work`.

    Returns
    -------
    The facts of the block, as they stand in its note, and the bytes it took.
    """
    where = work.read(plan)[region]
    one = where.years[year]
    output.refuse_unwanted(one.place.waiting)
    for slot in one.slots.values():
        check_unseen(slot, year, where.plan.grid, where.plan.units)
    done = compute_block(where.plan, where.block(one, block))
    facts = {
        "cells": done.cells, "valid_cells": done.valid, "gap_cells": done.gaps,
        "seconds": round(done.seconds, 3), "sums": done.sums, "day_length": done.day_length,
    }  # fmt: skip
    output.write_note(one.place, block, facts)
    names = {name for name, _ in where.blocks()}
    if output.noted(one.place) >= names and (notes := output.notes(one.place)).keys() >= names:
        output.finish_year(one.place, list(notes.values()))
    return facts | {"bytes_out": done.written}
