"""The report page and the list of failed items: what they say is what the ledger says, whatever is in it."""

from __future__ import annotations

import csv
import io
import json
import random
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.batch.failures import COLUMNS, failed_csv
from jobs.batch.report import report_page
from jobs.batch.report.advice import PREFLIGHT, advice
from jobs.batch.report.bins import LogHistogram, TimeBins
from jobs.batch.report.groups import Causes, normalised
from jobs.batch.report.tally import count_all
from jobs.batch.report.timeline import Axis

Record = dict[str, Any]
BEGAN = 1790000000.0
VOID = {"meta", "br", "hr"}
HOUR = 3600.0
NASTY = (
    '</title></style></svg><script>alert(1)</script><img src=x onerror=alert(1)>"\' onload="x" &amp; \udce9\x00\u202e'
)


class Page(HTMLParser):
    """A page read as a browser would: elements, their attributes, and the text in each class of element."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[tuple[str, str]] = []
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.values: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.stack == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the element."""
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.values += [value for name, value in attrs if value and name in ("src", "href", "xlink:href", "action")]
        if tag not in VOID:
            self.stack.append((tag, dict(attrs).get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open."""
        assert self.stack.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        """Remember the text with where it stands."""
        self.texts.append((" ".join(f"{tag}.{class_}" for tag, class_ in self.stack), data))

    def within(self, where: str) -> list[str]:
        """All texts under elements of this kind: `tag.class`."""
        return [text.replace("\N{NO-BREAK SPACE}", " ") for path, text in self.texts if where in path]

    def tiles(self) -> tuple[int, ...]:
        """Done, failed, skipped and not run, as the page says."""
        kinds = ("tile done", "tile failed", "tile skipped", "tile left")
        return tuple(int(self.within(f"div.{kind}")[0].replace(",", "")) for kind in kinds)

    @property
    def text(self) -> str:
        """All that a person could read."""
        return " ".join(self.within("body."))


def page(records: Iterable[Mapping[str, Any]], title: str = "map") -> Page:
    """The report of these records, checked for what every report must be."""
    text = report_page(records, title)
    text.encode(errors="surrogateescape")
    read = Page(text)
    assert not read.names & {"script", "link", "img", "iframe", "object", "form"}
    assert not [name for name in read.attributes if name.startswith("on")] and read.values == []
    return read


def start(total: int, skipped: int = 0, at: float = 0.0) -> Record:
    """A driver begins."""
    command = ["springline", "run", "map", "my dir/*.tif"]
    return {"event": "start", "time": BEGAN + at, "job": "map", "total": total, "skipped": skipped, "command": command}


def end(at: float, why: str = "finished") -> Record:
    """A driver ends."""
    return {"event": "end", "time": BEGAN + at, "why": why}


def attempt(number: int, /, state: str = "done", at: float = 0.0, **more: object) -> Record:
    """An attempt of 2 s."""
    record: Record = {
        "item": f"/in/{number}.tif", "target": f"/out/{number}.zarr", "attempt": 1, "state": state, "time": BEGAN + at,
        "seconds": 2.0, "worker": f"node{number % 3}:{number % 9}", "bytes_in": 10, "bytes_out": 5, "peak_memory": 2e8,
    }  # fmt: skip
    if state != "done":
        record |= {"error": "ValueError", "message": f"{number} is wrong", "traceback": f"Traceback of {number}"}
    return record | more


def test_counts_are_those_of_the_ledger() -> None:
    """Done, failed, skipped, not run, retried and bytes are what the records say."""
    dice = random.Random(1)
    states = [dice.choice(("done", "done", "failed")) for _ in range(300)]
    again = [attempt(i, "retry", at=i) for i in range(0, 300, 10)]
    records = [
        start(1000, 250),
        *again,
        *(attempt(i, s, at=i + 1) for i, s in enumerate(states)),
        end(400, "interrupted"),
    ]
    read = page(records)
    failed = states.count("failed")
    assert read.tiles() == (300 - failed, failed, 250, 450)
    assert f"{failed} of 1,000 items failed." in read.text and "The run was interrupted." in read.text
    assert "30 attempts failed and were repeated." in read.text
    assert "3.30 kB → 1.65 kB" in read.text
    assert "springline run map 'my dir/*.tif'" in read.text
    assert read.within("span.badge") == [f"{failed} items"]


def test_item_of_several_attempts_and_runs_counts_once() -> None:
    """What failed and was done later is done; what was done twice is done once; what failed again has one cause."""
    first = [attempt(1, "retry"), attempt(1, attempt=2), attempt(2, "failed"), attempt(3, "failed"), attempt(4)]
    second = [attempt(2, at=99), attempt(3, "failed", at=99, error="KeyError", message="'time'"), attempt(4, at=99)]
    read = page([start(4), *first, end(9), start(4, 1, at=90), *second, end(110)])
    assert read.tiles() == (3, 1, 0, 0)
    assert read.within("article.cause h3") == read.within("h3.") == ["KeyError: 'time'"]
    assert "2 items needed more than one attempt" in read.text


def test_pause_between_runs_is_shown_and_is_not_work() -> None:
    """A run that was killed and went on eight hours later worked for the time of its two halves."""
    first = [start(260, 20), *(attempt(i, at=i * 6) for i in range(100))]
    second = [start(260, 120, at=8 * HOUR + 596), *(attempt(i, at=8 * HOUR + i * 6) for i in range(100, 200))]
    read = page([*first, *second, end(8 * HOUR + 1200, "interrupted")])
    assert read.tiles() == (200, 0, 20, 40)
    assert "20 min" in read.within("dd.") and "2 runs, paused 8 h between" in read.text
    assert read.within("svg. g. text.x") == ["paused 8 h"]
    bars = [text for text in read.within("svg. g. title.") if "items/min" in text]
    assert sum(int(text.rpartition(", ")[2].removesuffix(" done")) for text in bars) == 200
    assert all(", 10.0 s: " in text for text in bars)


def test_time_axis_is_cut_at_pauses() -> None:
    """A stretch of time within a run is one piece; one over a pause is two, with the strip of the pause between."""
    axis = Axis(begins=(0.0, 100.0), clocks=(BEGAN, BEGAN + 9000), length=200.0)
    assert axis.spans(50, 75) == [(24.0, 36.0)]
    assert axis.spans(75, 125) == [(36.0, 48.0), (52.0, 64.0)]
    assert axis.clock(125) == BEGAN + 9025


def test_items_refused_before_the_start_belong_to_it() -> None:
    """Items that fail their check are in the ledger before the start: they are one run's, and need no attempt."""
    refused = [attempt(i, "failed", attempt=0, error="InputError", seconds=0.0, worker="") for i in (1, 2)]
    read = page(records := [*refused, start(3, at=5), attempt(3, at=6), end(9)])
    assert read.tiles() == (1, 2, 0, 0)
    assert "2 runs" not in read.text and "4.00 s" in read.within("dd.")
    assert PREFLIGHT in read.text
    assert [(run.done, run.failed) for run in count_all(records).runs] == [(1, 2)]


@pytest.mark.parametrize(
    ("records", "tiles", "said"),
    [
        ([], (0, 0, 0, 0), "The ledger holds no run."),
        ([start(5, 2)], (0, 0, 2, 3), "killed, or is still at work"),
        ([start(7, 7), end(1)], (0, 0, 7, 0), "all 7 items were there already"),
        ([start(1), attempt(1), end(3)], (1, 0, 0, 0), "The item is done."),
        ([start(2), attempt(1, "failed"), attempt(2, "failed"), end(3)], (0, 2, 0, 0), "All 2 items failed."),
        ([attempt(1)], (1, 0, 0, 0), "killed, or is still at work"),
        ([{"state": "done"}, {"state": "failed"}, {"event": "lost"}, {"event": "what"}, {}], (0, 1, 0, 0), "failed"),
        (
            [attempt(1, seconds=None, time="x", bytes_in=-1, worker=None, peak_memory=float("nan"))],
            (1, 0, 0, 0),
            "done",
        ),
        ([attempt(1, time=1e300, seconds=1e18), attempt(2, time=-5)], (2, 0, 0, 0), "done"),
    ],
)
def test_little_or_odd_ledgers_have_a_page(records: list[Record], tiles: tuple[int, ...], said: str) -> None:
    """Nothing, a start alone, one item, keys that miss and values that cannot be: there is a page, and it is right."""
    read = page(records)
    assert read.tiles() == tiles and said in read.text


def test_what_items_and_errors_say_is_only_text() -> None:
    """Names, messages, tracebacks, workers, options and the title may hold markup: none of it becomes an element."""
    nasty: dict[str, Any] = dict.fromkeys(("error", "message", "traceback", "worker"), NASTY)
    options = {NASTY: NASTY, "secret_key": "hunter2"}
    records = [
        start(9) | {"job": NASTY, "version": NASTY, "command": [NASTY], "options": options},
        *(attempt(i, s, item=NASTY + str(i), **nasty) for i, s in enumerate(("failed", "retry", "done", "failed"))),
        {"event": "lost", "time": BEGAN, "worker": NASTY, "items": 3, "why": NASTY},
        end(9, NASTY),
    ]
    read = page(records, NASTY)
    assert read.text.count("<script>alert(1)</script>") > 12
    assert "hunter2" not in read.text


def many(number: int, failing: float = 0.05) -> Iterator[Record]:
    """A ledger of many items with long names and tracebacks, made as it is read."""
    dice = random.Random(2)
    yield start(number)
    for i in range(number):
        more = {"item": "/in/" + "x" * 500 + str(i), "seconds": dice.lognormvariate(0, 3), "worker": f"n{i % 5000}:1"}
        if dice.random() < failing:
            more |= {
                "error": f"E{i % 997}",
                "message": f"{'abc'[i % 3] * (i % 60)} {i}\n" * 50,
                "traceback": "T" * 50_000,
            }
        yield attempt(i, "failed" if "error" in more else "done", at=i * 0.3, **more)


def test_page_stays_small() -> None:
    """Thousands of failures for hundreds of reasons make a page below 1 MB that still counts them all."""
    text = report_page(many(30_000), "map")
    assert len(text.encode()) < 1_000_000
    done, failed, *_ = Page(text).tiles()
    assert done + failed == 30_000 and failed == sum(r.get("state") == "failed" for r in many(30_000))


def test_memory_does_not_grow_with_items() -> None:
    """Ten times the items take a few bytes an item more, not their records."""

    def peak(number: int) -> int:
        tracemalloc.start()
        report_page(many(number, failing=0), "map")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)  # what is imported and cached once
    assert peak(30_000) - peak(5_000) < 25_000 * 60


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("size is 10 bytes, not 2,000", "size is 7 bytes, not 31", True),
        ("/a/1.tif: no such band", "/b/c/d2.tif: no such band", True),
        ("[Errno 5] Input/output error: '/tmp/x1'", "[Errno 5] Input/output error: '/tmp/y'", True),
        ("[Errno 5] Input/output error", "[Errno 116] Input/output error", False),
        ("HTTP 404 for https://a/b", "HTTP 503 for https://a/b", False),
        ("shape (3, 4, 5)", "shape (30, 40)", False),
        ("bad values: 1, 2, 3", "bad values: 4, 5, 6, 7, 8", True),
        ("late: 2021-12-01T06:23:11.5Z", "late: 2021-12-01", True),
        ("object at 0x7f3a", "object at 0x11", True),
        ("no variable time", "no variable lat", False),
        ("first\nsecond 1", "first\nother", True),
    ],
)
def test_messages_of_one_cause_are_one(one: str, other: str, same: bool) -> None:
    """Numbers, paths, addresses and times are folded; words and error numbers are not."""
    assert (normalised(one) == normalised(other)) is same


def test_message_that_names_its_item_is_folded() -> None:
    """The item's path, its name and its stem are the item, however the message says it."""
    messages = ("/in/scene_a.SAFE: broken", "scene_a.SAFE: broken", "scene_a: broken")
    assert {normalised(m, "/in/scene_a.SAFE", "/out/scene_a.zarr") for m in messages} == {"‹item›: broken"}


@pytest.mark.parametrize(
    ("error", "message", "what"),
    [
        ("ItemKilled", "it took longer than the wall limit of 1800 s", "wall limit"),
        ("ItemKilled", "it used 4.20 GB of the 4.00 GB it may use", "memory"),
        ("ItemKilled", "its process was killed (signal 9): out of memory, or by somebody", "memory"),
        ("ItemKilled", "its process crashed with signal 11 (SIGSEGV)", "process died"),
        ("WorkerLost", "its worker was lost, 2 times", "process died"),
        ("OSError", "[Errno 122] Disk quota exceeded", "make room"),
        ("ModuleNotFoundError", "No module named 'rasterio'", "lacks a package"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: '/x'", "not where it should be"),
        ("OSError", "[Errno 116] Stale file handle", "file system"),
        ("InputError", "the manifest is truncated", "look wrong"),
        ("ValueError", "unexpected", "read the traceback"),
    ],
)
def test_causes_have_advice(error: str, message: str, what: str) -> None:
    """What the engine and Python say leads to the advice that helps."""
    causes = Causes()
    assert what in advice(causes.add(1, attempt(1, "failed", error=error, message=message)))


def test_failures_on_one_node_alone_are_pointed_out() -> None:
    """Ten failures on one node of three are not chance; two may be."""
    rest = [attempt(i, at=i) for i in range(60)]
    for number, hint in ((10, True), (2, False)):
        bad = [attempt(100 + i, "failed", at=i, worker="node7:1") for i in range(number)]
        assert ("suspect the node" in page([start(99), *rest, *bad, end(99)]).text) is hint


@given(st.lists(st.floats(1e-4, 1e7), min_size=1, max_size=200), st.floats(0.01, 1))
def test_quantiles_are_good_to_two_per_cent(values: list[float], share: float) -> None:
    """The histogram's quantile is the number at that place, to the width of a bin."""
    histogram = LogHistogram()
    for value in values:
        histogram.add(value)
    exact = np.quantile(values, share, method="inverted_cdf")
    assert histogram.quantile(share) == pytest.approx(exact, rel=0.024)


@given(st.lists(st.integers(0, 10**8).map(lambda eighths: eighths / 8), max_size=200))
@example([1.0, 2.0, 7.0])
def test_time_bins_stay_few_and_lose_nothing(moments: list[float]) -> None:
    """However long it takes, there are at most so many bins, with everything in them at its place."""
    bins = TimeBins(kinds=2, most=20)
    for moment in moments:
        bins.add(moment, 1)
    expected: dict[int, int] = {}
    for moment in moments:
        expected[int(moment / bins.width)] = expected.get(int(moment / bins.width), 0) + 1
    assert {index: counts[1] for index, counts in bins.bins.items()} == expected
    assert all(index < 20 for index in bins.bins)


def test_failed_list_reads_back() -> None:
    """One row an item that is failed now, on one line, whatever its message and name hold."""
    records = [
        {"event": "start"}, attempt(1, "failed"), attempt(2, "failed"), attempt(1, "retry"), attempt(1, attempt=2),
        attempt(2, "failed", attempt=3, message='a, "b"\n\n  c\r\nd', item='/in/a "x", y\udce9.tif', seconds=1.23456),
        attempt(3, "failed", attempt=0, worker=None, seconds=None, time=None), {"state": "failed"},
    ]  # fmt: skip
    text = failed_csv(records)
    text.encode(errors="surrogateescape")
    names, second, third, unknown = list(csv.reader(io.StringIO(text)))
    assert tuple(names) == COLUMNS and len(text.splitlines()) == 4
    assert second[:7] == [
        '/in/a "x", y\udce9.tif', "/out/2.zarr", "3", "ValueError", 'a, "b" c d', "1.235", "node2:2",
    ]  # fmt: skip
    assert (
        second[7].startswith("2026-09-21T") and third[2] == "0" and third[5:] == ["", "", "", ""] and not any(unknown)
    )


def test_records_may_come_from_json() -> None:
    """What was written as JSON lines and read back makes the same page."""
    records = [start(3), attempt(1), attempt(2, "failed"), {"event": "lost", "time": BEGAN, "items": 2}, end(9)]
    lines = [json.loads(json.dumps(record)) for record in records]
    assert page(lines).text.partition("Written")[0] == page(records).text.partition("Written")[0]
