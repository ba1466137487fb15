"""One item: how each way to fail ends, and that its neighbours never notice."""

from __future__ import annotations

import time

from tests.jobs.batch.conftest import Map, Sources

WAYS = (
    "hang",
    "hang in C",
    "die",
    "crash",
    "leak",
    "fork",
    "interrupt",
    "mute",
    "unprintable",
    "exit",
    "nothing",
    "value",
    "stale",
    "always stale",
)


def test_every_way_to_fail_costs_its_own_item_only(mapped: Map) -> None:
    """Hanging, dying, leaking and failing items end as such beside good ones; nothing half-written is left."""
    for way in WAYS:
        mapped.source(f"{way}.txt", way)
    for number in range(20):
        mapped.source(f"good{number}.txt")
    began = time.monotonic()
    values = mapped.values("bad", "--wall-limit", "1.5", "--memory-limit", "500MB", "--retries", "1", code=1)
    assert time.monotonic() - began < 60
    assert (values["done"], values["failed"], values["retried"]) == (21, 13, 8)
    assert mapped.written() == {f"good{number}.out": "whole" for number in range(20)} | {"stale.out": "whole"}
    ends = {
        way: [(line["attempt"], line["state"], line.get("error", "")) for line in mapped.attempts(f"{way}.txt")]
        for way in WAYS
    }
    killed = [(1, "retry", "ItemKilled"), (2, "failed", "ItemKilled")]
    assert ends == {
        "hang": killed, "hang in C": killed, "die": killed, "crash": killed, "leak": killed, "fork": killed,
        "interrupt": [(1, "failed", "KeyboardInterrupt")],
        "mute": [(1, "failed", "ValueError")],
        "unprintable": [(1, "failed", "Unprintable")],
        "exit": [(1, "failed", "SystemExit")],
        "nothing": [(1, "failed", "FileNotFoundError")],
        "value": [(1, "failed", "ValueError")],
        "stale": [(1, "retry", "OSError"), (2, "done", "")],
        "always stale": [(1, "retry", "OSError"), (2, "failed", "OSError")],
    }  # fmt: skip
    messages = {way: mapped.attempts(f"{way}.txt")[-1]["message"] for way in ("hang", "die", "crash")}
    assert "wall limit of 1.5 s" in messages["hang"]
    assert "killed (signal 9)" in messages["die"]
    assert "SIGSEGV" in messages["crash"]


def test_a_leaking_item_is_told_what_it_may_use(mapped: Map) -> None:
    """Memory has a limit of its own, however slow the machine is."""
    mapped.source("leak.txt", "leak")
    mapped.values("bad", "--memory-limit", "500MB", code=1)
    assert "GB it may use" in mapped.attempts("leak.txt")[-1]["message"]


def test_an_error_is_told_with_its_traceback_and_what_was_printed(mapped: Map) -> None:
    """The ledger has the user's lines and no line of the engine's; what the item printed is kept."""
    mapped.source("value.txt", "value")
    mapped.source("die.txt", "die")
    done = mapped("bad", code=1)
    (value,) = mapped.attempts("value.txt")
    assert value["traceback"].count("Traceback") == 1 and 'raise ValueError("line 1' in value["traceback"]
    assert "jobs/batch/child.py" not in value["traceback"]
    assert "about to die" in mapped.attempts("die.txt")[-1]["traceback"]
    assert done.stderr.count("value.txt failed: ValueError: line 1") == 1  # as it comes, in one line
    failed = (mapped.run_dir / "failed.csv").read_text().splitlines()
    assert len(failed) == 3 and "line 1 line 2 of a message" in "".join(failed)


def test_the_ledger_says_what_an_item_used(mapped: Map) -> None:
    """Bytes read and written, the largest memory, the worker and what the function returned."""
    mapped.source("a.txt", "x" * 5_000_000)
    mapped("copy", "--times", "2")
    (line,) = mapped.attempts()
    assert 5_000_000 <= line["bytes_in"] < 5_100_000
    assert line["bytes_out"] == 10_000_000
    assert 20e6 < line["peak_memory"] < 200e6
    assert line["result"] == {"characters": 5_000_000}
    assert line["seconds"] > 0 and ":" in line["worker"]


def test_directories_appear_whole(mapped: Map, sources: Sources) -> None:
    """A target may be a directory, as Zarr is."""
    sources(3)
    mapped("tree")
    assert {len(list(path.iterdir())) for path in mapped.output.iterdir()} == {5}
    assert sum(line["bytes_out"] for line in mapped.attempts()) == 3 * 5 * len("text 0\n")


def test_modules_are_no_input(mapped: Map, sources: Sources) -> None:
    """What an item imports is not counted as what it read."""
    sources(2)
    mapped("needs_much", "--workers", "1")
    first, second = (line["bytes_in"] for line in mapped.attempts())
    assert first < 500_000 and second < 500_000
