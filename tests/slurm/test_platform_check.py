"""`springline platform check` on the real cluster: what is whole, and what is broken in one way each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from launcher.checking.model import STEPS
from tests.slurm.hosts import Host
from tests.slurm.laptop import Springline
from tests.slurm.test_bad_input import mounted, section

# name, what the section says, the step that fails, exit code, words of what was seen, words of what to do
SECTIONS = [
    ("unknown-host", "host = nowhere.invalid", "network", 10, "nowhere.invalid", "platforms.ini"),
    ("wrong-key", "keypath = ~/.ssh/id_mallory", "login", 11, "does not accept user 'alice'", "`keypath`"),
    ("no-partition", "partition = nope", "limits", 20, "Invalid partition name", "sinfo"),
    ("too-long", "partition = short\nwalltime = 10:00:00", "limits", 20, "more than the 00:05:00", "`walltime`"),
    ("no-jupyter", "python = /usr/bin/python3", "python", 2, "has no jupyterlab, dask", "env install no-jupyter"),
]

# Other programs of the cluster may answer at such ports, and do; nobody may begin to talk to one.
CLOSED_PORTS = """\
nft add table inet closed
nft 'add chain inet closed out { type filter hook output priority 0; }'
nft 'add rule inet closed out oif != lo tcp dport 30000-65535 tcp flags & (syn|ack) == syn reject with tcp reset'
"""


class Checked:
    """What one check said."""

    def __init__(self, springline: Springline, platform: str, *arguments: str) -> None:
        answer = springline("platform", "check", platform, "--json", *arguments)
        assert "Traceback" not in answer.stderr and answer.stdout, answer.stderr
        self.document: dict[str, Any] = json.loads(answer.stdout)
        self.code, self.said = answer.returncode, answer.stderr
        self.steps = {step["step"]: step for step in self.document["steps"]}

    def names(self, status: str) -> list[str]:
        """The steps that came out so."""
        return [name for name, step in self.steps.items() if step["status"] == status]

    def fails(self, step: str, code: int, seen: str, advice: str) -> None:
        """One step failed, with these words; the exit code is its own."""
        assert self.names("failed") == [step], self.said
        found = self.steps[step]
        assert (self.code, found["code"], self.document["ok"]) == (code, code, False)
        assert seen in found["seen"] and advice in found["advice"], found


def nothing_is_left(springline: Springline, user: str = "alice") -> bool:
    """No job waits or runs, and no directory of a check is there."""
    live = [job for job in springline.cluster.jobs(user) if job["state"] in ("PENDING", "RUNNING")]
    return not live and not list(springline.cluster.cluster_home(user).glob(".springline/sessions/*"))


@contextmanager
def sshd(host: Host, springline: Springline, words: str) -> Iterator[None]:
    """Other words in a host's sshd_config for a while."""
    daemon = springline.cluster.daemon("sshd", host)
    host.run(f"cp /etc/ssh/sshd_config /run/sshd_config.kept && sed -i '{words}' /etc/ssh/sshd_config")
    daemon.signal("HUP")
    try:
        yield
    finally:
        host.run("cat /run/sshd_config.kept >/etc/ssh/sshd_config")
        daemon.signal("HUP")


@pytest.mark.slow
@pytest.mark.parametrize(("transport", "deep"), [("fabric", ["--deep"]), ("openssh", [])], ids=["deep", "openssh"])
def test_a_healthy_platform(shared_springline: Springline, transport: str, deep: list[str]) -> None:
    """Every step is ok, the ways to the node were walked, a session came and went, and nothing is left behind."""
    section(shared_springline, f"well-{transport}", f"transport = {transport}")
    checked = Checked(shared_springline, f"well-{transport}", *deep)
    assert checked.names("ok") == list(checked.steps), checked.said
    assert checked.code == 0 and len(checked.steps) == 18 + len(deep)
    assert "Unix sockets and ports" in checked.steps["node-ssh"]["seen"]
    assert "it would start at once on node" in checked.steps["limits"]["seen"]
    assert checked.document["versions"]["there"]["jupyterlab"]
    for stage in ("queue", "JupyterLab started", "reached (socket)", "one worker joined", "stopped") if deep else ():
        assert stage in checked.steps["deep"]["seen"]
    assert nothing_is_left(shared_springline)
    assert shared_springline("ls").stdout.startswith("no sessions")


@pytest.mark.parametrize(("name", "text", "step", "code", "seen", "advice"), SECTIONS, ids=[row[0] for row in SECTIONS])
def test_a_wrong_section(
    shared_springline: Springline, name: str, text: str, step: str, code: int, seen: str, advice: str
) -> None:
    """The step, what was seen, what to do; what needs it is skipped because of it. The report names nobody."""
    section(shared_springline, name, text)
    checked = Checked(shared_springline, name, "--report", f"/home/{shared_springline.user}/report.md")
    checked.fails(step, code, seen, advice)
    assert checked.steps["node-network"]["seen"] == f"because '{STEPS[step]}' failed"
    report = (shared_springline.home / "report.md").read_text()
    assert f"| {STEPS[step]} | **failed** |" in report
    for secret in ("alice", "scientist", "/home/", "10.77.", "id_mallory", "SHA256:"):
        assert secret not in report, report


def test_a_changed_host_key(shared_springline: Springline) -> None:
    """It is never accepted, not with --yes either."""
    shared_springline.cluster.change_host_key()
    try:
        Checked(shared_springline, "testbed", "--yes").fails("host-key", 12, "CHANGED", "ssh-keygen -R")
    finally:
        shared_springline.cluster.heal()


def test_an_unknown_host_key(shared_springline: Springline) -> None:
    """Without a terminal it is refused; with --yes it is remembered, and the check goes on."""
    section(shared_springline, "new", "partition = nope")
    known = shared_springline.home / ".ssh" / "known_hosts"
    before = known.read_bytes()
    try:
        known.write_bytes(b"")
        Checked(shared_springline, "testbed").fails("host-key", 12, "not known yet", "--yes")
        accepted = Checked(shared_springline, "new", "--yes")
        assert accepted.steps["host-key"]["seen"] == "it was unknown, and is remembered now"
    finally:
        known.write_bytes(before)


def test_a_noisy_shell(shared_springline: Springline) -> None:
    """What prints is named with file and line; a session works all the same."""
    section(shared_springline, "noisy", "user = nora\npartition = nope")
    shell = Checked(shared_springline, "noisy").steps["shell"]
    assert shell["status"] == "warning"
    assert "Welcome! Your quota is 97% full." in shell["seen"] and "~/.bashrc line 1" in shell["seen"]


def test_a_shell_that_leaves(shared_springline: Springline) -> None:
    """An `exit` in .bashrc ends every command before it begins."""
    rc = shared_springline.cluster.cluster_home() / ".bashrc"
    before = rc.read_bytes()
    try:
        rc.write_bytes(b"exit 0\n")
        Checked(shared_springline, "testbed").fails("shell", 10, "ends before a command has run", "~/.bashrc")
    finally:
        rc.write_bytes(before)


@pytest.mark.parametrize(
    ("options", "words"), [("size=16k", "No space left"), ("size=64m,ro", "Read-only")], ids=["full", "read-only"]
)
def test_a_run_dir_that_takes_nothing(shared_springline: Springline, options: str, words: str) -> None:
    """No room, or mounted read-only."""
    section(shared_springline, words.partition(" ")[0], "run_dir = /mnt/springline")
    with mounted(shared_springline, f"-t tmpfs -o mode=1777,{options} tmpfs /mnt", "/mnt"):
        Checked(shared_springline, words.partition(" ")[0]).fails("run-dir", 2, words, "`run_dir` of [")


def test_a_run_dir_that_nodes_do_not_see(shared_springline: Springline) -> None:
    """The job cannot even write its log."""
    section(shared_springline, "apart", "run_dir = /var/tmp/springline")
    Checked(shared_springline, "apart").fails("node", 40, "JobLaunchFailure", "not shared with all nodes")


def test_an_sshd_that_forwards_nothing(shared_springline: Springline) -> None:
    """Then no session can be reached; what a node has is looked at all the same."""
    with sshd(shared_springline.cluster.login, shared_springline, "s/^AllowTcpForwarding yes/AllowTcpForwarding no/"):
        checked = Checked(shared_springline, "testbed")
    checked.fails("forwarding", 50, "prohibited", "AllowTcpForwarding local")
    assert checked.steps["node-python"]["status"] == "ok"
    assert checked.steps["node-network"]["seen"] == "because 'SSH forwarding' failed"


def test_nodes_that_cannot_be_reached(shared_springline: Springline) -> None:
    """No SSH to nodes is a warning; where their ports are closed, too, there is no way at all."""
    cluster = shared_springline.cluster
    for node in cluster.nodes:
        cluster.daemon("sshd", node).stop()
    cluster.login.run(CLOSED_PORTS)
    try:
        checked = Checked(shared_springline, "testbed")
        checked.fails("node-network", 50, "does not reach a port of", "SSH to nodes")
        assert checked.names("warning") == ["node-ssh"]
        assert checked.names("skipped") == ["node-clock"]
    finally:
        cluster.login.run("nft delete table inet closed")
        for node in cluster.nodes:
            cluster.daemon("sshd", node).start()


def test_a_scheduler_that_is_away(shared_springline: Springline) -> None:
    """It is asked nothing more."""
    shared_springline.cluster.stop_slurmctld()
    try:
        Checked(shared_springline, "testbed").fails("scheduler", 20, "DOWN", "maintenance")
    finally:
        shared_springline.cluster.heal()


def test_a_clock_that_is_off(shared_springline: Springline) -> None:
    """Two hours are told (and half a minute, for a slow machine)."""
    section(shared_springline, "late", "partition = nope")
    login = shared_springline.cluster.login
    login.run("printf '#!/bin/sh\\necho $(($(/run/date +%%s) + 7230))\\n' >/run/later && chmod 755 /run/later")
    login.run("cp /usr/bin/date /run/date")
    with mounted(shared_springline, "--bind /run/later /usr/bin/date", "/usr/bin/date"):
        clock = Checked(shared_springline, "late").steps["clock"]
    assert clock["status"] == "warning" and "2 h 00 min ahead" in clock["seen"], clock


def test_a_full_cluster(shared_springline: Springline) -> None:
    """The job for the node waits as long as was asked for, and is cancelled."""
    shared_springline.cluster.fill_nodes()
    checked = Checked(shared_springline, "testbed", "--wait", "2")
    assert (checked.code, checked.steps["node"]["status"]) == (0, "skipped"), checked.said
    assert "still in the queue" in checked.steps["node"]["seen"]
    assert nothing_is_left(shared_springline)
