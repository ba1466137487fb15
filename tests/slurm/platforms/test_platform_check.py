"""`springline platform check` on the real cluster: what is whole, and what is broken in one way each."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from launcher.checking.model import STEPS
from tests.slurm.hosts import Host
from tests.slurm.laptop import Springline, mounted, section
from tests.slurm.processes import wait_until

# name, what the section says, the step that fails, exit code, words of what was seen, words of what to do
SECTIONS = [
    ("unknown-host", "host = nowhere.invalid", "network", 10, "nowhere.invalid", "platforms.ini"),
    ("wrong-key", "keypath = ~/.ssh/id_mallory", "login", 11, "does not accept user 'alice'", "`keypath`"),
    ("too-long", "partition = short\nwalltime = 10:00:00", "limits", 20, "more than the 00:05:00", "`walltime`"),
    ("no-jupyter", "python = /usr/bin/python3", "python", 2, "has no jupyterlab, ", "env install no-jupyter"),
]

# Other programs of the cluster may answer at such ports, and do; nobody may begin to talk to one.
CLOSED_PORTS = """\
nft add table inet closed
nft 'add chain inet closed out { type filter hook output priority 0; }'
nft 'add rule inet closed out oif != lo tcp dport 30000-65535 tcp flags & (syn|ack) == syn reject with tcp reset'
"""


# As if slurmctld were not there, for commands on its own host; the nodes go on to see it.
NO_CONTROLLER = """\
nft add table inet away
nft 'add chain inet away out { type filter hook output priority 0; }'
nft 'add rule inet away out oif lo tcp dport 6817 reject with tcp reset'
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
def test_a_healthy_platform(shared_springline: Springline) -> None:
    """Every step is ok, the ways to the node were walked, a session came and went, and nothing is left behind."""
    checked = Checked(shared_springline, "testbed", "--deep")
    assert checked.names("ok") == list(checked.steps) == list(STEPS), checked.said
    assert checked.code == 0
    assert "Unix sockets and ports" in checked.steps["node-ssh"]["seen"]
    assert "it would start at once on node" in checked.steps["limits"]["seen"]
    assert checked.document["versions"]["there"]["jupyterlab"]
    for stage in ("queue", "JupyterLab started", "reached (socket)", "one worker joined", "stopped"):
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


def test_an_unknown_host_key_and_what_is_warned_of(shared_springline: Springline) -> None:
    """Without a terminal it is refused; with --yes it is remembered, and the check goes on.

    A shell that prints is named with file and line, a clock that is two hours off (and half a minute, for a slow
    machine) is told.
    """
    section(shared_springline, "new", "user = nora\npartition = nope")
    login = shared_springline.cluster.login
    login.run("printf '#!/bin/sh\\necho $(($(/run/date +%%s) + 7230))\\n' >/run/later && chmod 755 /run/later")
    login.run("cp /usr/bin/date /run/date")
    known = shared_springline.home / ".ssh" / "known_hosts"
    before = known.read_bytes()
    try:
        known.write_bytes(b"")
        Checked(shared_springline, "testbed").fails("host-key", 12, "not known yet", "--yes")
        with mounted(shared_springline, "--bind /run/later /usr/bin/date", "/usr/bin/date"):
            accepted = Checked(shared_springline, "new", "--yes")
        accepted.fails("limits", 20, "Invalid partition name", "sinfo")
        assert accepted.names("warning") == ["shell", "clock"]
        shell = accepted.steps["shell"]["seen"]
        assert "Welcome! Your quota is 97% full." in shell and "~/.bashrc line 1" in shell
        assert "2 h 00 min ahead" in accepted.steps["clock"]["seen"]
        assert accepted.steps["host-key"]["seen"] == "it was unknown, and is remembered now"
    finally:
        known.write_bytes(before)


def test_a_shell_that_leaves(shared_springline: Springline) -> None:
    """An `exit` in .bashrc ends every command before it begins."""
    rc = shared_springline.cluster.cluster_home() / ".bashrc"
    before = rc.read_bytes()
    try:
        rc.write_bytes(b"exit 0\n")
        Checked(shared_springline, "testbed").fails("shell", 10, "ends before a command has run", "~/.bashrc")
    finally:
        rc.write_bytes(before)


def test_a_run_dir_that_takes_nothing(shared_springline: Springline) -> None:
    """There is no room."""
    section(shared_springline, "full", "run_dir = /mnt/springline")
    with mounted(shared_springline, "-t tmpfs -o mode=1777,size=16k tmpfs /mnt", "/mnt"):
        Checked(shared_springline, "full").fails("run-dir", 2, "No space left", "`run_dir` of [full]")


def test_a_run_dir_that_nodes_do_not_see(shared_springline: Springline) -> None:
    """The job cannot even write its log."""
    section(shared_springline, "apart", "run_dir = /var/tmp/springline")
    Checked(shared_springline, "apart").fails("node", 40, "JobLaunchFailure", "not shared with all nodes")


def test_an_sshd_that_forwards_nothing(shared_springline: Springline) -> None:
    """Then no session can be reached."""
    section(shared_springline, "mute", "partition = nope")
    with sshd(shared_springline.cluster.login, shared_springline, "s/^AllowTcpForwarding yes/AllowTcpForwarding no/"):
        checked = Checked(shared_springline, "mute")
    assert checked.names("failed") == ["limits", "forwarding"], checked.said
    found = checked.steps["forwarding"]
    assert found["code"] == 50 and "prohibited" in found["seen"] and "AllowTcpForwarding local" in found["advice"]


def test_nodes_that_cannot_be_reached(shared_springline: Springline) -> None:
    """No SSH to nodes is a warning; where their ports are closed, too, there is no way at all.

    What a node has is looked at all the same, and what workers need there.
    """
    section(shared_springline, "closed", "transport = openssh\nworker_local_directory = /nope/scratch")
    cluster = shared_springline.cluster
    for node in cluster.nodes:
        cluster.daemon("sshd", node).stop()
    cluster.login.run(CLOSED_PORTS)
    try:
        checked = Checked(shared_springline, "closed")
        assert (checked.names("failed"), checked.code) == (["node-network", "node-workers"], 50), checked.said
        assert "does not reach a port of" in checked.steps["node-network"]["seen"]
        assert "SSH to nodes" in checked.steps["node-network"]["advice"]
        assert "cannot create directory ‘/nope’" in checked.steps["node-workers"]["seen"]
        assert checked.names("warning") == ["node-ssh"]
        assert checked.names("skipped") == ["node-clock"]
    finally:
        cluster.login.run("nft delete table inet closed")
        for node in cluster.nodes:
            cluster.daemon("sshd", node).start()


def test_a_scheduler_that_is_away(shared_springline: Springline) -> None:
    """It is asked nothing more."""
    shared_springline.cluster.login.run(NO_CONTROLLER)
    try:
        Checked(shared_springline, "testbed").fails("scheduler", 20, "DOWN", "maintenance")
    finally:
        shared_springline.cluster.login.run("nft delete table inet away")


def test_a_full_cluster(shared_springline: Springline) -> None:
    """The job for the node waits as long as was asked for, or until the check is told to end; then it is cancelled."""
    cluster = shared_springline.cluster
    cluster.fill_nodes()
    checked = Checked(shared_springline, "testbed", "--wait", "1")
    assert (checked.code, checked.steps["node"]["status"]) == (0, "skipped"), checked.said
    assert "still in the queue" in checked.steps["node"]["seen"]
    assert nothing_is_left(shared_springline)
    waiting = shared_springline.popen("platform", "check", "testbed", "--wait", "60")
    wait_until(lambda: not nothing_is_left(shared_springline), what="submission of the job", timeout=20)
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(timeout=20) == 130
    assert nothing_is_left(shared_springline)
