"""A job whose items make one output, stopped before its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jobs.batch import job
from jobs.errors import InterruptedRunError
from jobs.model import Asked, BatchJob, Finished, Report, Request, Row
from jobs.progress import Quiet

HERE = "tests.jobs.batch.test_stopped"
ITEMS = 6


def plan(asked: Asked) -> Iterator[Row]:
    """Some items, done as their files are there."""
    for number in range(ITEMS):
        done = Path(asked.output, str(number)).exists()
        yield Row(f"item {number}", columns={"path": f"{asked.output}/{number}"}, done=done)


def begin(asked: Asked) -> None:
    """Make the place."""
    Path(asked.output).mkdir(exist_ok=True)


def write(source: str, *, path: str) -> dict[str, int]:
    """Write one file, slowly."""
    time.sleep(0.3)
    return {"bytes_out": Path(path).write_bytes(bytes(1000))}


def finish(asked: Asked) -> Finished:
    """Note what there is; as told, be stopped."""
    there = len(list(Path(asked.output).glob("[0-9]")))
    if asked.inputs == ("impatient",):
        raise KeyboardInterrupt
    Path(asked.output, "all").write_text(str(there))
    return Finished({"there": there})


class Stops(Quiet):
    """Like Ctrl-C when the first item is done."""

    told = False

    def show(self, done: int, text: str, values: Mapping[str, Any]) -> None:
        """Stop, once."""
        if done and not self.told:
            self.told = True
            raise KeyboardInterrupt


def start(output: Path, progress: Quiet, *inputs: str) -> Report:
    """Run it on one thread."""
    from jobs.model import Option

    batch = BatchJob(
        "x", "", f"{HERE}:write", "", columns=(Option("path", ""),), plan=f"{HERE}:plan", begin=f"{HERE}:begin",
        finish=f"{HERE}:finish", returns_row=True,
    )  # fmt: skip
    return job.run(batch, Request(inputs, str(output), {}, progress, thread))


@contextmanager
def thread(tasks: int, **_: object) -> Iterator[object]:
    """A cluster of one thread."""
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
        yield client


def test_the_output_of_a_stopped_run_is_closed(tmp_path: Path) -> None:
    """What is done of it can be used; a second Ctrl-C leaves even that, and the same command goes on after either."""
    output = tmp_path / "out"
    with pytest.raises(InterruptedRunError, match=r"Stopped with \d of 6 items left"):
        start(output, Stops(), "impatient")
    assert output.is_dir() and not (output / "all").exists()
    with pytest.raises(InterruptedRunError):
        start(output, Stops())
    assert 0 < int((output / "all").read_text()) < ITEMS
    values = start(output, Quiet()).values
    assert (values["there"], (output / "all").read_text()) == (ITEMS, str(ITEMS))
    assert values["done"] < ITEMS and values["bytes_out"] == 1000 * values["done"]  # as the items say
