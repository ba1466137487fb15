"""How sessions end, and what does not end them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.slurm.laptop import Springline
from tests.slurm.upping import live, start, until


def test_file_shut_down_frees_the_allocation_and_ends_up(springline: Springline) -> None:
    """JupyterLab's own File → Shut Down ends the job and its workers, and `up` says so with exit code 0."""
    running = start(springline, "--name", "shut", "--workers", "1")
    token = running.token
    until(lambda: live(springline) == 2)
    url = running.line["url"].removesuffix("/lab") + "/api/shutdown"
    running.on_laptop(["curl", "-s", "-X", "POST", "-H", f"Authorization: token {token}", url])
    assert running.process.wait(timeout=40) == 0
    assert running.process.stderr is not None and "shut down" in running.process.stderr.read()
    until(lambda: live(springline) == 0)


def test_the_old_command_line(springline: Springline) -> None:
    """An old section and the old options: JupyterLab on port 8889, and the new command said once."""
    ini = springline.home / ".config" / "springline" / "platforms.ini"
    with ini.open("a", encoding="utf-8") as lines:
        lines.write(
            "\n[old-uid]\nplatform = testbed\nhost = login\nuser = alice\n"
            "keypath = /home/scientist/.ssh/id_ed25519\nkey_pass = False\n"
        )
    cluster = springline.cluster
    command = [str(Path(sys.executable).parent / "runJupyterDaskOnSLURM"), "--uid", "old-uid", "--mode", "run"]
    process = cluster.laptop.popen(command, user=cluster.laptop_user, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "JupyterLab  http://127.0.0.1:8889/lab"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    process.stdout.close()
    assert "ready" in springline("ls").stdout


def test_silence_is_not_an_end(springline: Springline) -> None:
    """Without accounting, a controller that is away makes a session unknown: not failed, not forgotten."""
    assert springline("up", "testbed", "--name", "quiet", "--detach").returncode == 0
    springline.cluster.stop_slurmctld()
    assert json.loads(springline("status", "quiet", "--json").stdout)["state"] == "unknown"
    springline.cluster.start_slurmctld()
    assert json.loads(springline("status", "quiet", "--json").stdout)["state"] == "ready"
