"""Analyses on the cluster by one command from the laptop: followed, left alone, found again, cancelled, fetched."""

from __future__ import annotations

import json

from tests.slurm.laptop import Springline, section
from tests.slurm.requirements import SPRINGLINE
from tests.slurm.running import Items, live_jobs
from tests.slurm.terminal import Terminal
from tests.slurm.upping import until


def test_run_on_worker_jobs_survives_its_network(springline: Springline) -> None:
    """The answer to its submission is lost, later the connection: one job, every result, one report, and home."""
    items, cluster = Items.laid(springline, 60, bad=13), springline.cluster
    cluster.lose_answer()
    run = springline.popen(*items.words("one", "--workers", "1:2", "--json"))
    until(lambda: items.done() > 3, 60)
    cluster.kill_connections()
    output, said = run.communicate(timeout=60)
    assert run.returncode == 1, said
    document = json.loads(output)
    assert (document["state"], document["exit_code"], document["done"], document["failed"]) == ("ended", 1, 59, 1)
    assert "13.txt failed: ValueError: no good" in said and "nothing is given up" in said
    names = {job["id"]: job["name"] for job in cluster.jobs()}
    assert [job for job, name in names.items() if "-run_one-" in name and "worker" not in name] == [document["job_id"]]
    worker = f"{names[document['job_id']]}-worker"
    assert list(names.values()).count(worker) == 2, names  # there was work for a second one
    items.complete(bad=13)
    assert set(items.told().values()) == {1}
    until(lambda: not live_jobs(springline), 10)
    mode = (cluster.cluster_home() / "out/1.txt").stat().st_mode & 0o777
    assert mode == 0o644  # as open as what alice writes herself, not as private as the run's own files
    own = cluster.cluster_home() / ".springline/runs/one"  # and nobody but alice enters it
    assert own.stat().st_mode & 0o777 == 0o700 and not (own / "tls.key").exists()
    fetched = springline("fetch", "one", "--results")
    assert fetched.returncode == 0, fetched.stderr
    assert (springline.home / "one/out/7.txt").read_text() == "TEXT 7\n"
    assert "13.txt" in (springline.home / "one/failed.csv").read_text()


def test_run_in_one_job_is_left_and_cancelled_from_another_laptop(springline: Springline) -> None:
    """At a terminal there is a bar; Ctrl-C leaves it, a colleague's Ctrl-C cancels it; what was done stays, whole."""
    items, cluster = Items.laid(springline, 60), springline.cluster
    words = items.words("two", "--in-allocation", "--cores", "2", "--seconds", "0.5")
    with Terminal(cluster.laptop, [str(SPRINGLINE), *words], user=springline.user) as mine:
        assert mine.until(r"map +\d+ % [█▏▎▍▌▋▊▉ ]{6}  \d+ of 60 done", 60)
        mine.press_ctrl_c()
        assert mine.until(r"Run two: \[d\]etach and let it run, \[c\]ancel it, or \[k\]eep watching\?")
        mine.type("d")
        assert mine.finish() == 130 and "springline watch two" in mine.text
    colleague = Springline(cluster, fresh=False, user="colleague")
    (listed,) = json.loads(colleague("runs", "--platform", "testbed", "--json").stdout)["runs"]
    assert (listed["run"], listed["state"], listed["analysis"], listed["total"]) == ("two", "running", "map", 60)
    with Terminal(cluster.laptop, [str(SPRINGLINE), "watch", "two"], user="colleague") as theirs:
        assert theirs.until(r"map +\d+ % ", 60)
        theirs.press_ctrl_c()
        assert theirs.until("eep watching")
        theirs.type("c")
        assert theirs.finish() == 130 and "was cancelled" in theirs.text, theirs.text
    assert springline("watch", "two").returncode == 43
    until(lambda: not live_jobs(springline), 10)
    done = items.done()
    assert 3 < done < 60 and not list((cluster.cluster_home() / "out").glob(".*"))
    assert 0 < len(items.told()) <= done


def test_workers_that_cannot_be(springline: Springline) -> None:
    """Worker jobs that SLURM refuses end the run at once, with SLURM's words: nobody waits for what never comes."""
    section(springline, "wrong", "worker_partition = nosuch")
    items = Items.laid(springline, 3)
    ran = springline(*items.words("three", on="wrong"))
    assert ran.returncode == 40 and "invalid partition" in ran.stderr and "→" in ran.stderr, ran.stderr
    assert not live_jobs(springline) and items.done() == 0
