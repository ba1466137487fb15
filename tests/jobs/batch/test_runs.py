"""Whole runs: what is skipped, refused, resumed; what is said."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from jobs.cli import cli
from tests.jobs.batch.conftest import FUNCTIONS, Map, Sources
from tests.jobs.conftest import ROOT


def test_what_is_done_is_not_done_again(mapped: Map, sources: Sources) -> None:
    """The same command does only what is new; --overwrite does all again, whole or not at all."""
    sources(5)
    assert mapped.values("copy")["done"] == 5
    mapped.source("new.txt")
    again = mapped.values("copy", "--case", "upper")
    assert (again["done"], again["skipped"]) == (1, 5)
    assert mapped.written()["000.out"] == "text 0\n"
    assert mapped.values("copy", "--case", "upper", "--overwrite")["done"] == 6
    assert mapped.written()["000.out"] == "TEXT 0\n"


def test_overwrite_replaces_directories(mapped: Map, sources: Sources) -> None:
    """The old directory stays until the new one is whole, and then goes."""
    sources(1)
    mapped("tree")
    mapped.source("000.txt", "new")
    mapped("tree", "--overwrite")
    assert [path.name for path in mapped.output.iterdir()] == ["000.out"]
    assert (mapped.output / "000.out" / "0.txt").read_text() == "new"


def test_only_failed_limit_and_max_failures(mapped: Map, sources: Sources) -> None:
    """A first try of a few; the failed ones again, and only those; an end to a run in which everything fails."""
    sources(4)
    for name in "abc":
        mapped.source(f"{name}.txt", "value")
    assert mapped.values("bad", "--limit", "2")["done"] == 2
    assert mapped.values("bad", code=1)["failed"] == 3
    mapped.source("a.txt", "repaired")
    mapped.source("new.txt")
    some = mapped.values("bad", "--only-failed", code=1)
    assert (some["done"], some["failed"], some["skipped"]) == (1, 2, 4)
    assert not (mapped.output / "new.out").exists()
    for number in range(100, 150):
        mapped.source(f"{number}.txt", "value")
    stopped = mapped.values("bad", "--max-failures", "5", code=1)
    assert stopped["failed"] < 20 and stopped["not_run"] > 30 and stopped["why"] == "max-failures"


def test_what_failed_before_comes_last(mapped: Map, sources: Sources) -> None:
    """So that a run that is short of time, and goes on by itself, tries new items first."""
    mapped.source("000.txt", "value")
    mapped("bad", code=1)
    for name in "abc":
        mapped.source(f"{name}.txt")
    mapped("bad", "--workers", "1", code=1)
    assert [Path(line["item"]).stem for line in mapped.attempts()] == ["000", "a", "b", "c", "000"]


def test_dry_run_writes_nothing(mapped: Map, sources: Sources) -> None:
    """It says what there is to do."""
    sources(30)
    done = mapped("copy", "--dry-run")
    assert "30 items: 30 to do, 0 done before, 0 would fail" in done.stdout
    assert f"{mapped.folder}/in/000.txt → {mapped.output}/000.out" in done.stdout and "… and 10 more" in done.stdout
    assert not mapped.output.exists() and not mapped.run_dir.exists()


REFUSED = {
    "one target for all": (["--target", "{folder}/out/all.out"], "the same for every item"),
    "one target twice": (["--target", "{folder}/out/a{{ext}}"], "000.txt and "),
    "target = source": (["--target", "{{dir}}/{{name}}"], "would overwrite or change its source"),
    "target in the source": (["--target", "{{dir}}/{{name}}/x"], "would overwrite or change its source"),
    "unknown name": (["--target", "{folder}/{{stm}}"], "Did you mean {stem}?"),
    "no folder": (["--target", "/dev/null/{{stem}}"], "is no directory"),
    "no function": (["--target", "{folder}/out/{{stem}}"], "has no function nowhere"),
    "no items": (["--inputs", "{folder}/*.none", "--target", "{folder}/out/{{stem}}"], "Nothing matches"),
    "bad time": (["--target", "{folder}/out/{{stem}}", "--wall-limit", "soon"], "is no time"),
    "nothing failed": (["--target", "{folder}/out/{{stem}}", "--only-failed"], "No item failed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_right_is_refused_before_anything_runs(mapped: Map, sources: Sources, case: str) -> None:
    """Exit 2 with a sentence that says what to change; nothing is written."""
    sources(2)
    arguments, words = REFUSED[case]
    function = f"{FUNCTIONS}:{'nowhere' if case == 'no function' else 'copy'}"
    inputs = [] if "--inputs" in arguments else ["--inputs", f"{mapped.folder}/in/*.txt"]
    said = mapped.refused("map", function, *inputs, *(text.format(folder=mapped.folder) for text in arguments))
    assert words in said
    assert {path.name for path in mapped.folder.rglob("*")} == {"in", "000.txt", "001.txt"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on(mapped: Map, sources: Sources, number: signal.Signals) -> None:
    """Killed or interrupted at any moment, the same command finishes the rest; each item is done exactly once."""
    sources(30)
    command = [sys.executable, "-m", "jobs", *mapped.arguments("tree")]
    # A shell that runs tests in the background has them ignore Ctrl-C; the command under test must not.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=listen)
    while not mapped.output.exists() or len(mapped.whole()) < 5:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(number)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == (-9 if number == signal.SIGKILL else 130), errors
    assert "Traceback" not in errors
    first = len(mapped.whole())
    assert first < 30
    values = mapped.values("tree")
    assert values["done"] + values["skipped"] == 30 and values["skipped"] >= first
    assert sorted(path.name for path in mapped.output.iterdir()) == [f"{n:03}.out" for n in range(30)]
    assert {len(list(path.iterdir())) for path in mapped.output.iterdir()} == {5}
    done = [line["item"] for line in mapped.attempts() if line["state"] == "done"]
    assert len(done) == len(set(done))


def test_two_drivers_do_not_work_on_one_output(mapped: Map, sources: Sources) -> None:
    """The second says so and leaves the first alone."""
    sources(20)
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs", *mapped.arguments("tree")], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    while not mapped.output.exists():
        time.sleep(0.02)
    assert "Another run is writing" in mapped("tree", code=2).stderr
    assert process.wait(30) == 0


def test_a_ledger_that_was_cut_in_a_line_is_gone_on_with(mapped: Map, sources: Sources) -> None:
    """What a kill left of the last line is passed over; the next line stands alone."""
    sources(1)
    mapped("copy")
    with (mapped.run_dir / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"item": "/half/a/li')
    mapped.source("new.txt")
    assert mapped.values("copy")["done"] == 1
    whole = [line for line in (mapped.run_dir / "ledger.jsonl").read_text().splitlines() if line.endswith("}")]
    assert [Path(r["item"]).name for r in map(json.loads, whole) if "item" in r] == ["000.txt", "new.txt"]


def test_lists_and_tables(mapped: Map) -> None:
    """A list names sources; a table gives items their own options and targets."""
    for name in "abc":
        mapped.source(f"{name}.txt")
    listed = mapped.folder / "items.txt"
    listed.write_text(f"# two of them\n{mapped.folder}/in/a.txt\n\n{mapped.folder}/in/b.txt\n")
    assert mapped.values("copy", "--items", listed, "--target", f"{mapped.output}/{{stem}}.out")["done"] == 2
    table = mapped.folder / "items.csv"
    with table.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["source", "times", "site", "target"])
        rows.writerow([mapped.folder / "in/a.txt", 3, "north", mapped.output / "own.out"])
        rows.writerow([mapped.folder / "in/c.txt", "", "south", ""])
    pattern = f"{mapped.output}/{{site}}-{{stem}}.out"
    assert mapped.values("copy", "--items", table, "--target", pattern)["done"] == 2
    assert mapped.written()["own.out"] == "text\n" * 3
    assert mapped.written()["south-c.out"] == "text\n"
    table.write_text(f"source,times\n{mapped.folder}/in/a.txt,many\n")
    assert "column times" in mapped("copy", "--items", table, "--target", pattern, code=2).stderr
    table.write_text(f"source,times\n{mapped.folder}/in/a.txt\n")
    assert "line 2" in mapped("copy", "--items", table, "--target", pattern, code=2).stderr


def test_a_failed_list_is_a_list(mapped: Map) -> None:
    """failed.csv brings its items back to the letter, with their own options, and nothing of how they failed."""
    name = "odd name, \u2028\n.txt"
    mapped.source(name, "fail")
    table = mapped.folder / "items.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([["source", "N"], [mapped.folder / "in" / name, 7]])
    target = f"{mapped.output}/{{stem}}.out"
    assert mapped.values("options", "--items", table, "--target", target, code=1)["failed"] == 1
    mapped.source(name, "repaired")
    failed = mapped.run_dir / "failed.csv"
    assert mapped.values("options", "--items", failed, "--target", target)["done"] == 1
    assert list(mapped.written().values()) == ["7 1.0 True ()"]


def test_options_arrive_whatever_their_names(mapped: Map) -> None:
    """Capital letters, switches that are on by default; what no text can give keeps its default."""
    mapped.source("a.txt")
    mapped("options", "--N", "3", "--no-keep", "--seconds", "2")
    assert mapped.written()["a.out"] == "3 2.0 False ()"


def test_other_options_are_noticed(mapped: Map, sources: Sources) -> None:
    """What was done with other options stays, and that is said."""
    sources(1)
    mapped("copy")
    assert "other options (times 1, case as-is)" in mapped("copy", "--times", "2").stderr


def test_places_that_are_the_same_by_another_name_are_refused(mapped: Map, sources: Sources) -> None:
    """A link to the sources' directory, a target in another target; a script that ends itself."""
    sources(2)
    (mapped.folder / "link").symlink_to("in")
    where = ["map", f"{FUNCTIONS}:copy", f"{mapped.folder}/in/*.txt", "--target"]
    assert "would overwrite" in mapped.refused(*where, f"{mapped.folder}/link/{{name}}", "--overwrite")
    table = mapped.folder / "nested.csv"
    table.write_text(f"source,target\n{mapped.folder}/in/000.txt,o/x/y\n{mapped.folder}/in/001.txt,o/x\n")
    assert "lie in another" in mapped.refused("map", f"{FUNCTIONS}:copy", "--items", str(table), "--dry-run")
    (mapped.folder / "main.py").write_text("import sys\nsys.exit(0)\n")
    assert "__main__" in mapped.refused("map", f"{mapped.folder}/main.py:f", f"{mapped.folder}/in/*.txt")


def test_parquet_tables(mapped: Map) -> None:
    """The same from Parquet."""
    mapped.source("a.txt")
    table = mapped.folder / "items.parquet"
    pd.DataFrame({"source": [f"{mapped.folder}/in/a.txt"], "times": [2]}).to_parquet(table)
    assert mapped.values("copy", "--items", table, "--target", f"{mapped.output}/{{stem}}.out")["done"] == 1
    assert mapped.written() == {"a.out": "text\ntext\n"}


def test_a_functions_parameters_are_options(mapped: Map) -> None:
    """Their types, choices and defaults, and the first lines of the function's own help."""
    shown = CliRunner().invoke(cli, ["run", "map", f"{FUNCTIONS}:copy", "--help"]).output
    assert "Write the text of the source to the target." in shown and "More than one line" not in shown
    assert "--times INTEGER" in shown and "--case [as-is|upper]" in shown and "Default: 1." in shown
    assert "many" in mapped.refused(*mapped.arguments("copy", "--times", "many")[1:])
    assert "f(source, target, …)" in mapped.refused("map", f"{FUNCTIONS}:one_parameter", "--help")


def test_a_module_of_this_directory_is_found(mapped: Map) -> None:
    """`map module:function` for a module that lies where the command is given, in the item processes too."""
    mapped.source("a.txt")
    (mapped.folder / "mine.py").write_text("def f(source, target):\n    open(target, 'w').write('mine')\n")
    command = [sys.executable, "-m", "jobs", "run", "map", "mine:f", "in/*.txt", "--target", "out/{stem}.out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=mapped.folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert mapped.written() == {"a.out": "mine"}
