"""A batch job from its command line to its report: plan, drive, tell."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from jobs import ledger, storage
from jobs.batch import options, plan, targets
from jobs.batch.closing import close
from jobs.batch.items import normal, parent
from jobs.batch.run import Run, prepare
from jobs.batch.story import end_record, printable, start_record
from jobs.batch.tally import Tally
from jobs.batch.verdict import Rules
from jobs.batch.work import Setup
from jobs.errors import InterruptedRunError, UsageError
from jobs.functions import resolve
from jobs.model import BatchJob, Finished, Job, Progress, Report, Request, Row
from jobs.progress import Snapshot, Together

SHOWN = 20
"""Items that --dry-run shows."""


def as_job(batch: BatchJob) -> Job:
    """The batch job as the command line knows jobs."""
    return Job(
        name=batch.name,
        summary=batch.summary,
        run=partial(run, batch),
        input_help=batch.input_help,
        options=options.options_of(batch),
        examples=batch.examples,
        has_output=_has_output(batch),
        needs_output=_has_output(batch) and not batch.answer,
        has_input=False,
        output_aliases=batch.output_aliases,
        about=batch.about,
    )


def _has_output(batch: BatchJob) -> bool:
    return bool(batch.plan) or "{output}" in batch.target or ":" in batch.target


def run(batch: BatchJob, request: Request) -> Report:
    """Run the job of `request`, or say what it would do."""
    one = prepare(batch, request)
    answer: Report | None = one.hook(batch.answer)
    if answer is not None:
        return answer
    if _has_output(batch) and not request.output:
        raise UsageError("Missing option --output.", f"run {batch.name} --help shows the options.")
    if batch.plan:
        if request.overwrite and one.settings.only_failed:
            raise UsageError("--overwrite would lose what --only-failed leaves out.", "Choose one.")
        storage.refuse_unwritable(parent(normal(one.root)))
    request.progress.note("looking at the items")
    with ExitStack() as stack:
        if not one.settings.dry_run:
            for place in one.locks():
                stack.enter_context(storage.exclusive(one.root or place, place))
        planned = stack.enter_context(plan.Plan())
        _plan(one, planned)
        return _dry_run(one, planned) if one.settings.dry_run else _run(one, planned)


def _plan(one: Run, planned: plan.Plan) -> None:
    chosen, check = one.settings, one.batch.check
    failed = plan.failed_before(ledger.read(one.ledger))
    if chosen.only_failed and not failed:
        raise UsageError("No item failed in the runs before.", "Leave --only-failed out.")
    planner = plan.Planner(
        one.to_item,
        plan.Wishes(one.request.overwrite, failed, chosen.only_failed, chosen.limit, bool(one.batch.plan)),
        resolve(check) if check else None,
        one.options,
        one.request.progress.note,
    )
    found: list[Row] | None = list(one.rows()) if chosen.items == "-" else None  # stdin can be read only once
    planner.fill(planned, one.rows if found is None else lambda: found)
    if not planned.total:
        raise UsageError(
            "There is nothing to work on: the list is empty.", "Check --inputs or --items, and what leaves items out."
        )


def _dry_run(one: Run, planned: plan.Plan) -> Report:
    """Say what would be done; the checks were made, and what they found was told."""
    items = (item for item, _ in zip(planned.items(), range(SHOWN), strict=False))
    first = [printable(f"  {item.source}" + (f" → {item.target}" if item.target else "")) for item in items]
    more = planned.todo - len(first)
    lines = [
        f"{one.batch.name}: {planned.total:,} items: {planned.todo:,} to do, {planned.skipped:,} done before, "
        f"{planned.refused:,} would fail" + (f", {planned.left_out:,} left out" if planned.left_out else ""),
        *first, *([f"  … and {more:,} more"] if more > 0 else []),
    ]  # fmt: skip
    values = {
        "schema_version": 1, "job": one.batch.name, "dry_run": True, "total": planned.total, "todo": planned.todo,
        "skipped": planned.skipped, "would_fail": planned.refused, "left_out": planned.left_out,
        "run_dir": str(one.run_dir),
    }  # fmt: skip
    return Report(values, tuple(lines))


def _run(one: Run, planned: plan.Plan) -> Report:
    """Drive and tell; an interruption is told too."""
    request, book = one.request, ledger.Ledger(one.ledger)
    one.hook(one.batch.begin)
    tally = Tally(planned.total - planned.left_out, planned.skipped, refused=planned.refused)
    progress = Together(request.progress, Snapshot(one.run_dir, one.batch.name, request.output, one.run_dir))
    why, finished = "interrupted", Finished()
    try:
        why = _work(one, planned, tally, book, progress)
        book.flush()
        finished = one.hook(one.batch.finish) or finished
    except KeyboardInterrupt:
        finished = _finish_early(one, tally, book) if why == "interrupted" else finished
        why = "interrupted"
    finally:
        _show(one, progress, tally)
        progress.close()
        book.add(end_record(one.id, time.time(), why, tally))
        book.close()
    report = close(one.batch.name, one.run_dir, request, tally, why, finished)
    if why == "interrupted":
        left = f"{tally.left:,} of {tally.total:,} items left"
        raise InterruptedRunError(f"Stopped with {left}.", "The same command goes on where this one stopped.")
    return report


def _finish_early(one: Run, tally: Tally, book: ledger.Ledger) -> Finished:
    """Close the output of a run that was stopped, so that what is done of it can be used."""
    note = one.request.progress.note
    if one.batch.finish and tally.done + tally.skipped:
        note("stopped: closing the output; Ctrl-C again leaves it as it is")
        try:
            book.flush()
            return one.hook(one.batch.finish) or Finished()
        except KeyboardInterrupt:
            note("the output is not closed; the same command does it at its end")
        except Exception as error:  # noqa: BLE001 - what is told is that the run was stopped
            note(f"the output cannot be closed: {type(error).__name__}: {error}")
    return Finished()


def _work(one: Run, planned: plan.Plan, tally: Tally, book: ledger.Ledger, progress: Progress) -> str:
    """Do what there is to do; returns why it ended."""
    starts = [r for r in ledger.read(one.ledger) if r.get("event") == "start" and "run" in r]
    if starts and tally.skipped and not one.batch.plan and starts[-1].get("options") != dict(one.options):
        before = ", ".join(f"{name} {value}" for name, value in starts[-1].get("options", {}).items()) or "defaults"
        progress.note(
            f"what is done before was done with other options ({before}) and stays; --overwrite does it again"
        )
    counts = {"total": tally.total, "skipped": tally.skipped}
    book.add(start_record(one.id, one.batch.name, time.time(), counts, one.options))
    for record in planned.refusals():
        book.add(record)
    book.flush()
    progress.start(tally.total, "items", one.batch.name)
    _clear(one, planned, [str(start["run"]) for start in starts])
    return _drive(one, planned, tally, book, progress) if planned.todo else "finished"


def _drive(one: Run, planned: plan.Plan, tally: Tally, book: ledger.Ledger, progress: Progress) -> str:
    from jobs.batch.driver import Driver
    from jobs.batch.queue import Queue

    batch, chosen = one.batch, one.settings
    setup = Setup(
        one.id, batch.function, batch.script, dict(one.options), one.request.overwrite or bool(batch.plan),
        batch.returns_row, batch.one_object, batch.prefetch,
        chosen.wall_limit, chosen.memory_limit, str(one.ended(one.id)), str(Path.cwd()),
    )  # fmt: skip
    rules = Rules(chosen.retries, chosen.max_failures)
    with one.request.connect(planned.todo, threads=True) as client:
        tally.restart()
        driver = Driver(client, setup, Queue(planned.items(), planned.todo), tally, book, rules, progress.note)
        try:
            return driver.run(lambda: _show(one, progress, tally))
        finally:
            if driver.losses:
                _clear(one, planned, [one.id])


def _clear(one: Run, planned: plan.Plan, runs: list[str]) -> None:
    """Remove what runs that are over left half-written; first whoever is still at it is told that it is in vain."""
    for run in runs:
        one.ended(run).parent.mkdir(exist_ok=True)
        one.ended(run).touch()
    if runs:
        targets.sweep((item.target for item in planned.items()), runs)


def _show(one: Run, progress: Progress, tally: Tally) -> None:
    places = {"run_dir": str(one.run_dir), "output": one.root or None}
    progress.show(tally.total - tally.left, tally.text(), {**tally.values(), **places})
