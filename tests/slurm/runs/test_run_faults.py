"""Faults under a run of 200 items, each on a cluster of its own: every result is there, once and whole."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.hosts import Host, HostProcess
from tests.slurm.laptop import Springline
from tests.slurm.running import Items, live_jobs
from tests.slurm.story import Book
from tests.slurm.upping import until

pytestmark = pytest.mark.slow
COUNT = 200
Fault = Callable[["Running"], None]


class Running:
    """A run that is under way, and what its user sees."""

    def __init__(self, springline: Springline, words: tuple[str, ...], output: str) -> None:
        self.springline, self.cluster, self.output = springline, springline.cluster, output
        self.items = Items.laid(springline, COUNT)
        self.process: HostProcess = springline.popen(*self.items.words("r", *words, output=output))
        until(lambda: self.items.done(output) > 20, 240)

    def job(self, word: str = "run_r-") -> dict[str, str]:
        """The driver, or one of the workers."""
        found = [job for job in live_jobs(self.springline, word) if word != "run_r-" or "worker" not in job["name"]]
        return found[0]

    def node(self, name: str) -> Host:
        """A node by its name."""
        return self.cluster.hosts[name]

    def ends(self, code: int = 0, timeout: float = 300) -> str:
        """Follow to the end; returns what was said."""
        _, said = self.process.communicate(timeout=timeout)
        assert self.process.returncode == code, said
        return str(said)

    def check(self) -> tuple[str, str]:
        """Every result is there, right and whole, and no job is left; returns what the ledger tells."""
        self.items.complete(self.output)
        assert list((self.cluster.cluster_home() / self.output).glob(".*")) == []
        until(lambda: not live_jobs(self.springline), 60)
        ledger = self.items.ledger(self.output)
        events = Counter(line["event"] for line in ledger if "event" in line)
        attempts = Counter(line["state"] for line in ledger if "state" in line)
        twice = sum(count > 1 for count in self.items.told(self.output).values())
        counted = [f"{count} {word}" for word, count in [*events.items(), *attempts.items()]]
        return str(twice), ", ".join(counted)


def worker_is_cancelled(run: Running) -> None:
    """One of the two worker jobs is cancelled."""
    run.cluster.login.run(["scancel", run.job("worker")["id"]])


def slurmd_of_workers_dies(run: Running) -> None:
    """slurmd dies where a worker runs and the run's own job does not; it comes back when the node counts as lost."""
    driver = run.job()["nodes"]
    node = next(job["nodes"] for job in live_jobs(run.springline, "worker") if job["nodes"] != driver)
    slurmd_dies(run, run.node(node))


def slurmd_of_driver_dies(run: Running) -> None:
    """slurmd dies under the run's own job: SLURM starts it again elsewhere while the old one still works."""
    slurmd_dies(run, run.node(run.job()["nodes"]))


def slurmd_dies(run: Running, node: Host) -> None:
    """Kill a node's slurmd, and start it again when the node counts as lost."""
    run.cluster.kill_slurmd(node)
    until(lambda: "down" in run.cluster.login.run(f"sinfo -h -n {node.name} -o %T", check=False).stdout, 90)
    time.sleep(5)
    run.cluster.start_slurmd(node)


def node_is_gone(run: Running) -> None:
    """The node of the run's own job vanishes with all its processes."""
    run.cluster.crash_node(run.node(run.job()["nodes"]))


def driver_is_requeued(run: Running) -> None:
    """An administrator puts the run's own job back into the queue."""
    run.cluster.requeue(run.job()["id"])


def node_is_drained(run: Running) -> None:
    """A node is drained, then a worker on it ends."""
    node = run.job("worker")["nodes"]
    run.cluster.login.run(f"scontrol update nodename={node} state=drain reason=test")
    run.cluster.login.run(["scancel", run.job("worker")["id"]])


def controller_is_away(run: Running) -> None:
    """slurmctld is stopped for 30 s."""
    run.cluster.stop_slurmctld()
    time.sleep(30)
    run.cluster.start_slurmctld()


def watch_is_killed(run: Running) -> None:
    """The command on the laptop is killed; another one follows from where the run is."""
    run.process.kill()
    run.process.communicate()
    run.process = run.springline.popen("watch", "r")


@dataclass(frozen=True)
class Scenario:
    """A fault, and the options of the run that meets it."""

    fault: Fault
    words: tuple[str, ...] = ("--workers", "2", "--seconds", "0.5")
    output: str = "out"


def walltime_is_over(run: Running) -> None:
    """No fault is needed: the walltime is one."""


def disk_is_full(run: Running) -> None:
    """Something else takes all room of the output's disk for half a minute."""
    filler = Path(run.output).parent / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], check=False, capture_output=True)
    time.sleep(30)
    filler.unlink()


@contextmanager
def small_disk() -> Iterator[None]:
    """A disk of 4 MB that every host sees which starts meanwhile."""
    subprocess.run(["umount", "-ql", str(SMALL)], check=False)  # of a run that was killed
    SMALL.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "tmpfs", str(SMALL)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(SMALL)], check=False)
        SMALL.rmdir()


SMALL = Path("/srv/springline-small-disk")  # each host has a /tmp and a /var/tmp of its own
SLOWER = ("--workers", "2", "--seconds", "0.8")
SCENARIOS: Mapping[str, Scenario] = {
    "worker": Scenario(worker_is_cancelled),
    "slurmd-worker": Scenario(slurmd_of_workers_dies, ("--workers", "4", "--seconds", "1.2")),
    "slurmd-driver": Scenario(slurmd_of_driver_dies, SLOWER),
    "node": Scenario(node_is_gone),
    "requeue": Scenario(driver_is_requeued),
    "drain": Scenario(node_is_drained),
    "disk": Scenario(disk_is_full, output=str(SMALL / "out")),
    "ctld": Scenario(controller_is_away, SLOWER),
    "watch": Scenario(watch_is_killed),
    "walltime": Scenario(
        walltime_is_over, ("--workers", "2", "--seconds", "0.8", "--walltime", "00:01:00", "--resubmit")
    ),
}


def of_the_fault(said: str) -> str:
    """Without what every run says."""
    always = ("connect ", "submit ", "run r,", "waiting: just", "the job runs", "looking at", "fetch it", "map 100 %")
    return "\n".join(line for line in said.splitlines() if not line.strip().startswith(always))


def on_its_own(fault: str, book: Book) -> None:
    """Live through a scenario on a cluster of its own."""
    scenario = SCENARIOS[fault]
    cluster = Cluster.up()
    try:
        springline = Springline(cluster)
        try:
            run = Running(springline, scenario.words, scenario.output)
            scenario.fault(run)
            book.note(fault, of_the_fault(run.ends()), *run.check())
        finally:
            springline.close()
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def side_by_side(request: pytest.FixtureRequest, run_book: Book) -> Iterator[Mapping[str, Future[None]]]:
    """All scenarios that this run has selected, started a little after one another."""
    chosen = {item.callspec.params["fault"] for item in request.session.items if item.path == request.path}  # type: ignore[attr-defined]
    with small_disk(), ThreadPoolExecutor(5) as pool:
        futures = {}
        for fault in (fault for fault in SCENARIOS if fault in chosen):
            futures[fault] = pool.submit(on_its_own, fault, run_book)
            time.sleep(6)  # two cores start many Pythons
        yield futures


@pytest.mark.parametrize("fault", SCENARIOS)
def test_a_run_lives_through_it(side_by_side: Mapping[str, Future[None]], fault: str) -> None:
    """Every result is there, right and whole, nothing is half written, and the ledger tells the story."""
    side_by_side[fault].result()
