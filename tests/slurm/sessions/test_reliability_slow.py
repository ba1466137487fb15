"""Faults that take minutes, side by side: each on a cluster of its own, all at once, a page open by each transport."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.holding import Held
from tests.slurm.laptop import Springline
from tests.slurm.page import Page
from tests.slurm.sessions.test_reliability_jobs import ends, gist, last_words, on_the_way
from tests.slurm.story import Book
from tests.slurm.upping import begin, start, until

pytestmark = pytest.mark.slow
Scenario = Callable[[Springline, Book], None]


def away(fault: str, seconds: float, leave: Callable[[Cluster], None], come: Callable[[Cluster], None]) -> Scenario:
    """Pages that are open while something is away for some seconds."""

    def scenario(springline: Springline, book: Book) -> None:
        def inject() -> None:
            leave(springline.cluster)
            time.sleep(seconds)
            come(springline.cluster)

        Held.open(springline).live_through(book, fault, inject)

    return scenario


def controller_away(fault: str, leave: Callable[[Cluster], None], come: Callable[[Cluster], None]) -> Scenario:
    """A page goes on without the controller; `status` says unknown within its time, nothing is given up."""

    def scenario(springline: Springline, book: Book) -> None:
        up = start(springline, "--name", "page")
        page = Page.open(up)
        page.run("kept = 41")
        leave(springline.cluster)
        gone = time.monotonic()
        unknown = springline("status", "page")
        assert unknown.returncode == 0 and "unknown" in unknown.stdout, unknown
        assert page.run("print(kept + 1)") == "42\n"
        time.sleep(max(0, gone + 30 - time.monotonic()))
        come(springline.cluster)
        since = time.monotonic()

        def known() -> bool:
            return bool(json.loads(springline("status", "page", "--json").stdout)["state"] == "ready")

        until(known)
        seconds = time.monotonic() - since
        assert page.run("print(kept + 1)") == "42\n" and up.process.poll() is None
        assert [job["state"] for job in springline.cluster.jobs()] == ["RUNNING"]
        book.tell(fault, gist(unknown.stdout), seconds)

    return scenario


def answer_in_silence(springline: Springline, book: Book) -> None:
    """The job that nobody heard of is found and adopted when the network is back: one job only."""
    cluster = springline.cluster
    cluster.lose_answer(hang=True)
    up = begin(springline, "--name", "unheard")
    until(lambda: len(cluster.jobs()) == 1)
    cluster.drop_link()
    time.sleep(20)
    cluster.undrop_link()
    since = time.monotonic()
    up.wait()
    seconds = time.monotonic() - since
    assert [job["id"] for job in cluster.jobs()] == [up.line["job_id"]]
    book.tell("answer-silent", on_the_way(up.said()), seconds)


def node_fails(springline: Springline, book: Book) -> None:
    """`up` ends with 40 and says that it was the node."""
    up = start(springline, "--name", "node")
    springline.cluster.crash_node(springline.cluster.hosts[up.line["node"]])
    said = ends(up.process, 40, "node", timeout=180)
    assert springline("status", "node").returncode == 40
    book.tell("node-fail", last_words(said), None, "the session")


def time_is_up(springline: Springline, book: Book) -> None:
    """`up` ends with 42 and says that the time was up."""
    up = start(springline, "--name", "minute", "--walltime", "00:01:00")
    said = ends(up.process, 42, "time", timeout=240)
    assert springline("status", "minute").returncode == 42
    book.tell("time-limit", last_words(said), None, "the session: its time was up")


SCENARIOS: Mapping[str, Scenario] = {
    "cut-120": away("cut-120", 120, Cluster.cut_link, Cluster.restore_link),
    "drop-120": away("drop-120", 120, Cluster.drop_link, Cluster.undrop_link),
    "frozen-120": away("frozen-120", 120, Cluster.freeze_laptop, Cluster.thaw_laptop),
    "reboot": away("reboot", 30, Cluster.crash_login, lambda cluster: cluster.boot_login(wait=False)),
    "ctld-stop-30": controller_away("ctld-stop-30", Cluster.stop_slurmctld, Cluster.start_slurmctld),
    "ctld-hang-30": controller_away("ctld-hang-30", Cluster.hang_slurmctld, Cluster.resume_slurmctld),
    "answer-silent": answer_in_silence,
    "node-fail": node_fails,
    "time-limit": time_is_up,
}


def on_its_own(scenario: Scenario, book: Book) -> None:
    """Live through a scenario on a cluster of its own."""
    cluster = Cluster.up()
    try:
        springline = Springline(cluster)
        try:
            scenario(springline, book)
        finally:
            springline.close()
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def side_by_side(request: pytest.FixtureRequest, book: Book) -> Iterator[Mapping[str, Future[None]]]:
    """All scenarios that this run has selected, started a little after one another."""
    chosen = {item.callspec.params["fault"] for item in request.session.items if item.path == request.path}  # type: ignore[attr-defined]
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        futures = {}
        for fault in (fault for fault in SCENARIOS if fault in chosen):
            futures[fault] = pool.submit(on_its_own, SCENARIOS[fault], book)
            time.sleep(4)  # two cores start eight Jupyters
        yield futures


@pytest.mark.parametrize("fault", SCENARIOS)
def test_a_session_lives_through_it_or_says_why_not(side_by_side: Mapping[str, Future[None]], fault: str) -> None:
    """What the scenario asserts."""
    side_by_side[fault].result()
