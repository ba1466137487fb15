"""Analyses on the cluster by one command from the laptop: followed, left alone, found again, cancelled, fetched."""

from __future__ import annotations

import json
import time

from tests.slurm.laptop import Springline
from tests.slurm.running import Items, live_jobs
from tests.slurm.upping import until


def test_run_on_worker_jobs_survives_its_network(springline: Springline) -> None:
    """The answer to its submission is lost, later the connection: one job, every result, one report, and home."""
    items, cluster = Items.laid(springline, 60, bad=13), springline.cluster
    cluster.lose_answer()
    run = springline.popen(*items.words("one", "--workers", "2", "--json"))
    until(lambda: items.done() > 3, 60)
    cluster.kill_connections()
    output, said = run.communicate(timeout=60)
    assert run.returncode == 1, said
    document = json.loads(output)
    assert (document["state"], document["exit_code"], document["done"], document["failed"]) == ("ended", 1, 59, 1)
    assert "13.txt failed: ValueError: no good" in said and "nothing is given up" in said
    drivers = [
        job for job in cluster.jobs() if job["name"].startswith("springline-run_one-") and "worker" not in job["name"]
    ]
    assert [job["id"] for job in drivers] == [document["job_id"]]
    items.complete(bad=13)
    assert set(items.told().values()) == {1}
    until(lambda: not live_jobs(springline), 10)
    mode = (cluster.cluster_home() / "out/1.txt").stat().st_mode & 0o777
    assert mode == 0o644  # as open as what alice writes herself, not as private as the run's own files
    fetched = springline("fetch", "one", "--results")
    assert fetched.returncode == 0, fetched.stderr
    assert (springline.home / "one/out/7.txt").read_text() == "TEXT 7\n"
    assert "13.txt" in (springline.home / "one/failed.csv").read_text()


def test_run_in_one_job_is_found_and_cancelled_from_another_laptop(springline: Springline) -> None:
    """A run whose laptop is gone is listed, watched and ended by a colleague; what was done stays, whole."""
    items, cluster = Items.laid(springline, 60), springline.cluster
    words = items.words("two", "--in-allocation", "--cores", "2", "--seconds", "0.5")
    first = springline.popen(*words)
    until(lambda: items.done() > 3, 60)
    first.kill()
    assert len(live_jobs(springline)) == 1
    colleague = Springline(cluster, fresh=False, user="colleague")
    try:
        (listed,) = json.loads(colleague("runs", "--platform", "testbed", "--json").stdout)["runs"]
        assert (listed["run"], listed["state"], listed["analysis"], listed["total"]) == ("two", "running", "map", 60)
        watching = colleague.popen("watch", "two")
        time.sleep(1)
        cancelled = colleague("cancel", "two", "--json")
        assert cancelled.returncode == 0, cancelled.stderr
        assert json.loads(cancelled.stdout)["state"] == "ended"
        assert watching.wait(30) == 43
    finally:
        colleague.close()
    assert not live_jobs(springline)
    done = items.done()
    assert 3 < done < 60 and len(list((cluster.cluster_home() / "out").glob(".*"))) == 0
    assert 0 < len(items.told()) <= done
