"""The laptop's side of the test cluster: the `springline` fixture."""

from __future__ import annotations

from tests.slurm.laptop import Springline, clean, on_laptop
from tests.slurm.processes import wait_until


def test_springline_runs_as_the_laptop_s_user(springline: Springline) -> None:
    """The checkout's own command runs on the laptop, to the end and in the background."""
    done = springline("--help")
    assert done.returncode == 0, done.stderr
    assert "springline" in done.stdout
    process = springline.popen("--help")
    assert process.communicate(timeout=20)[0] == done.stdout


def test_every_test_starts_afresh(springline: Springline) -> None:
    """Cleaning ends alice's jobs and processes and empties both homes, but both still get in."""
    cluster = springline.cluster
    stubborn = "trap : TERM; touch started; setsid sleep 4243 & while :; do sleep 1; done"
    job = cluster.login.run(f"sbatch --parsable --wrap '{stubborn}'", user="alice").stdout.strip()
    wait_until((cluster.cluster_home() / "started").exists, what="start of a job", timeout=10)
    cluster.laptop.run("touch left", user=cluster.laptop_user)
    (cluster.laptop_home() / ".ssh/known_hosts").unlink()
    clean(cluster)
    assert {known["id"]: known["state"] for known in cluster.jobs()}[job] == "CANCELLED"
    for node in cluster.nodes:
        assert node.run(["pgrep", "-u", "alice"], check=False).returncode == 1
    assert on_laptop(cluster, "ls").stdout == ""
    assert cluster.laptop.run("ls", user=cluster.laptop_user).stdout == ""
