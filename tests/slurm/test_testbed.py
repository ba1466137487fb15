"""The test cluster itself: what the other tests here stand on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.laptop import on_laptop, reaches, ssh
from tests.slurm.processes import wait_until
from tests.slurm.requirements import CHECKOUT, VENV_PYTHON, test_data


def outside() -> dict[str, set[str]]:
    """What the machine has outside of clusters: links, named namespaces, filters, mounts, users."""
    commands = {
        "links": "ip -o link | cut -d: -f2 | cut -d@ -f1",
        "named": "ip netns list",
        "filters": "nft list ruleset",
    }
    seen = {
        key: set(subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout.splitlines())
        for key, line in commands.items()
    }
    seen["mounts"] = set(Path("/proc/mounts").read_text().splitlines())
    seen["users"] = set(Path("/etc/passwd").read_text().splitlines())
    return seen


def networks(pids: str) -> set[int]:
    """The network namespaces that processes live in; `pids` is a pattern."""
    found = set()
    for path in Path("/proc").glob(f"{pids}/ns/net"):
        with suppress(OSError):  # ended meanwhile
            found.add(path.stat().st_ino)
    return found


@pytest.fixture
def fresh() -> Iterator[Cluster]:
    """A cluster of one node for one test that takes it down itself."""
    cluster = Cluster.up(nodes=1)
    yield cluster
    cluster.down()


def test_up_takes_seconds() -> None:
    """The cluster is up, ready for jobs, and down again, without waiting for anything that times out."""
    start = time.monotonic()
    cluster = Cluster.up()
    up = time.monotonic()
    cluster.down()
    down = time.monotonic()
    print(f"up {up - start:.2f} s, down {down - up:.2f} s")
    assert up - start < 30
    assert down - up < 15


def test_jobs_run_on_both_nodes(cluster: Cluster) -> None:
    """Two jobs that alice submits from the laptop run on different nodes, in her shared home."""
    submit = "sbatch --parsable --output=%j.out --wrap='hostname; sleep 1'"
    ids = on_laptop(cluster, f"{submit}; {submit}").stdout.split()
    wait_until(
        lambda: {job["state"] for job in cluster.jobs() if job["id"] in ids} == {"COMPLETED"},
        what="end of two jobs",
        timeout=20,
        every=0.2,
    )
    logs = [on_laptop(cluster, f"cat {job}.out").stdout.strip() for job in ids]
    assert sorted(logs) == ["node1", "node2"]


def test_checkout_is_usable_by_every_user(cluster: Cluster) -> None:
    """Users of every host run the checkout's Python with its packages and read the real data; none can write."""
    script = f"import dask, fabric, os; os.listdir({str(CHECKOUT)!r}); print(os.access({str(CHECKOUT)!r}, os.W_OK))"
    for host, user in ((cluster.laptop, "scientist"), (cluster.login, "alice"), (cluster.nodes[1], "mallory")):
        assert host.run([str(VENV_PYTHON), "-c", script], user=user).stdout == "False\n"
        if test_data().is_dir():
            host.run(["ls", str(test_data())], user=user)


def test_laptop_reaches_ssh_on_login_and_nothing_else(cluster: Cluster) -> None:
    """From the laptop login:22 answers; slurmctld's port and the nodes do not, though they do from inside."""
    assert reaches(cluster.laptop, "login", 22)
    assert reaches(cluster.nodes[0], "login", 6817)
    assert reaches(cluster.login, "node2", 6818)
    assert not reaches(cluster.laptop, "login", 6817)
    assert not reaches(cluster.laptop, "10.77.0.11", 6818)


def test_nodes_reach_each_other_on_any_port(cluster: Cluster) -> None:
    """A server of alice's on one node is reached from the other node and from login."""
    server = cluster.nodes[0].popen([str(VENV_PYTHON), "-m", "http.server", "8123"], user="alice")
    try:
        wait_until(lambda: cluster.nodes[0].listens(8123), what="start of a server", timeout=10)
        assert reaches(cluster.nodes[1], "node1", 8123)
        assert reaches(cluster.login, "node1", 8123)
    finally:
        server.kill()
        server.communicate()


def test_users_are_separate(cluster: Cluster) -> None:
    """Mallory logs in with her own key only, and reads neither alice's home nor anybody's keys."""
    denied = cluster.login.run(["ls", "/home/alice"], user="mallory", check=False)
    assert "Permission denied" in denied.stderr
    for path in ("/etc/munge/munge.key", "/etc/shadow", "/etc/ssh/ssh_host_ed25519_key"):
        assert cluster.login.run(["cat", path], user="mallory", check=False).returncode != 0
    own = ssh(cluster, "id -un", key=cluster.mallory_key, user="mallory")
    assert cluster.laptop.run(own, user="scientist").stdout == "mallory\n"
    foreign = ssh(cluster, "id -un", key=cluster.mallory_key, user="alice")
    assert "Permission denied" in cluster.laptop.run(foreign, user="scientist", check=False).stderr


def test_laptop_has_platform_and_known_host(cluster: Cluster) -> None:
    """The laptop's user finds the platform section in place."""
    text = cluster.laptop.run("cat ~/.config/springline/platforms.ini", user="scientist").stdout
    assert text == cluster.platforms()
    assert on_laptop(cluster, "true").returncode == 0


def test_signals_reach_the_command(cluster: Cluster) -> None:
    """SIGINT to a command started on a host arrives at that command, and its exit code comes back."""
    script = "import sys, time\ntry:\n  print('go', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: sys.exit(7)"
    process = cluster.laptop.popen([str(VENV_PYTHON), "-c", script], user="scientist")
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 7


def test_timeout_kills_the_command(cluster: Cluster) -> None:
    """A command that takes too long is killed with its children, not left behind."""
    with pytest.raises(subprocess.TimeoutExpired):
        cluster.login.run("sleep 4242 & sleep 4242", timeout=0.3)
    wait_until(
        lambda: cluster.login.run("pgrep -x -f 'sleep 4242'", check=False).returncode == 1,
        what="end of the sleeps",
        timeout=5,
    )


def test_memory_limit(cluster: Cluster) -> None:
    """A job that takes more memory than it asked for is killed, and its log says why."""
    hungry = f"{VENV_PYTHON} -c 'import time; text = bytes(1) * 300_000_000; time.sleep(30)'"
    submit = f'sbatch --parsable --mem=100M --output=hungry.out --wrap "{hungry}"'
    job = cluster.login.run(submit, user="alice").stdout.strip()
    wait_until(
        lambda: {known["id"]: known["state"] for known in cluster.jobs()}[job] in ("FAILED", "OUT_OF_MEMORY"),
        what="end of a hungry job",
        timeout=20,
        every=0.3,
    )
    assert "memory" in cluster.login.run("cat hungry.out", user="alice").stdout


def test_accounting_is_off(cluster: Cluster) -> None:
    """Without accounting sacct says so."""
    assert "accounting storage is disabled" in cluster.login.run("sacct", user="alice", check=False).stderr


def test_accounting_knows_the_job(accounting_cluster: Cluster) -> None:
    """With accounting sacct has a finished job, with its exit code."""
    login = accounting_cluster.login
    job = login.run("sbatch --parsable --wrap 'exit 3'", user="alice").stdout.strip()
    query = f"sacct -X -n -P -j {job} -o State,ExitCode,Account"
    wait_until(
        lambda: login.run(query, user="alice").stdout == "FAILED|3:0|lab\n",
        what="the job's record",
        timeout=20,
        every=0.3,
    )


def test_side_by_side_and_down_without_a_trace(cluster: Cluster, fresh: Cluster) -> None:
    """A second instance works beside the first; it leaves nothing and does the first no harm."""
    during = outside()
    assert fresh.login.run("srun hostname", user="alice").stdout == "node1\n"
    inside = {inode for host in fresh.hosts.values() for inode in networks(str(host.record.pid))}
    assert len(inside) == 6
    records = [host.record for host in fresh.hosts.values()]
    fresh.down()
    fresh.down()
    assert not any(record.alive() for record in records)
    assert not fresh.state.exists()
    assert not inside & networks("[0-9]*")
    assert outside() == during
    assert cluster.login.run("sinfo -h -o %D -p normal").stdout == "2\n"


def test_ends_with_its_owner(tmp_path: Path) -> None:
    """When the owner is killed the hosts end; the files go with the next instance."""
    script = "from tests.slurm.cluster import Cluster; print(Cluster.up(nodes=1).state, flush=True); input()"
    argv = [sys.executable, "-c", script]
    owner = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    assert owner.stdout is not None
    state = Path(owner.stdout.readline().strip())
    hosts = Cluster.load(state)
    assert hosts is not None
    assert hosts.alive()
    owner.kill()
    owner.communicate()
    wait_until(lambda: not hosts.alive(), what="end of the hosts", timeout=5)
    Cluster.up(nodes=1).down()
    assert not state.exists()


def test_failed_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When a server does not start, its last words are in the error, and what was made is gone."""
    monkeypatch.setattr("tests.slurm.configuration.slurm_conf", lambda **_: "ClusterName=broken\nNoSuchThing=1\n")
    with pytest.raises(Exception, match=r"(?s)slurmctld on login ended.*NoSuchThing"):
        Cluster.up(state=tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_person_s_instance(tmp_path: Path) -> None:
    """`up` prints the section and returns; the instance stays for `status` and `shell` until `down`."""

    def testbed(*words: str) -> str:
        argv = [sys.executable, "-m", "tests.slurm", "--state", str(tmp_path / "state"), *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=CHECKOUT, timeout=60).stdout

    try:
        assert testbed("up").startswith("[testbed]\nhost = login\n")
        assert "node2" in testbed("status")
        assert testbed("shell", "laptop", "--user", "scientist", "--", "hostname") == "laptop\n"
        testbed("fault", "stop-munge", "node2")
        testbed("fault", "crash-node")
        testbed("fault", "freeze-laptop")
        testbed("heal")
    finally:
        testbed("down")
    assert not (tmp_path / "state").exists()


def test_person_s_instance_ends_with_its_directory(tmp_path: Path) -> None:
    """An instance whose state directory was removed, by `make clean` say, does not run on unseen."""
    cluster = Cluster.up(nodes=1, state=tmp_path / "state")
    cluster.detach()
    shutil.rmtree(cluster.state)
    wait_until(lambda: not cluster.alive(), what="end of the hosts", timeout=10)
    cluster.down()


@pytest.mark.parametrize("closed", ["checkout", "parent"])
def test_checkout_below_a_closed_directory(closed: str, tmp_path: Path) -> None:
    """A checkout in a directory nobody else may enter, or itself such a one, is still seen by every user."""
    checkout = tmp_path / "parent" / "checkout"
    (checkout / "inner").mkdir(parents=True)
    (checkout / "inner/file").write_text("seen\n")
    (checkout / "link").symlink_to("inner/file")
    (checkout if closed == "checkout" else checkout.parent).chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.slurm.layouts.visible", lambda: [str(checkout)])
        cluster = Cluster.up(nodes=1)
    try:
        assert cluster.login.run(["cat", str(checkout / "link")], user="alice").stdout == "seen\n"
        assert cluster.login.run(["touch", str(checkout / "inner/new")], check=False).returncode != 0
    finally:
        cluster.down()


def test_environment_of_the_outside_stays_outside(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sees its user's own environment and home directory, and what it is given."""
    monkeypatch.setitem(os.environ, "SECRET_OF_THE_OUTSIDE", "1")
    text = cluster.login.run("pwd; env", user="alice", env={"GIVEN": "1"}).stdout
    assert text.startswith("/home/alice\n")
    assert "GIVEN=1" in text
    assert "SECRET_OF_THE_OUTSIDE" not in text
