"""What waiting in the queue costs the cluster: Slurm requests and remote commands, counted by the servers.

Goals: fewer than 10 requests in a wait of 60 s; `springline ls` asks once, however many sessions wait.
"""

from __future__ import annotations

import json
import time

from tests.bench.report import goal, machine, table
from tests.bench.rig import Account, Counts, Rig, rig

SECONDS = 60.0
GOAL = 10
SESSIONS = 5
ACCOUNT = Account("wa", "fabric")
FULL = "sbatch --nodes=2 --exclusive --time=10 --output=/dev/null --wrap='sleep 600'"


def fill(found: Rig) -> None:
    """Give all nodes to somebody else."""
    found.cluster.login.run(FULL, user="mallory")
    while found.cluster.login.run("squeue -h -u mallory -t R").stdout.strip() == "":
        time.sleep(0.2)


def waited(found: Rig, seconds: float) -> tuple[Counts, Counts]:
    """What `up` asks until its job is in the queue, and in so many seconds of waiting there."""
    before = found.counts()
    process = found.start(ACCOUNT.command("up", "bench", "--no-browser", "--json"))
    while not found.cluster.jobs():
        time.sleep(0.02)
    queued = found.counts()
    time.sleep(seconds)
    assert process.poll() is None, "springline did not wait"
    after = found.counts()
    process.kill()
    return queued.since(before), after.since(queued)


def listed(found: Rig) -> tuple[int, Counts]:
    """How many waiting sessions `springline ls` shows, and what it asks for that."""
    waiting = [
        found.start(ACCOUNT.command("up", "bench", "--no-browser", "--json", "--wait", "1"))
        for _ in range(SESSIONS - 1)
    ]
    for process in waiting:
        process.communicate()
    before = found.counts()
    done = found.cluster.laptop.run(ACCOUNT.command("ls", "--json"), user=found.cluster.laptop_user)
    return len(json.loads(done.stdout)["sessions"]), found.counts().since(before)


def main(seconds: float = SECONDS) -> None:
    """Print the table and the goals."""
    with rig() as found:
        if found is None:
            return
        found.add(ACCOUNT)
        fill(found)
        start, wait = waited(found, seconds)
        reason = found.cluster.jobs()[0]["reason"]
        sessions, ls = listed(found)
    print(f"{machine()}\n\nThe job waits for {reason}.\n")
    rows = {
        "`up` until its job is queued": start,
        f"`up` in {seconds:.0f} s of waiting": wait,
        f"`ls` with {sessions} sessions waiting": ls,
    }
    cells = [[what, str(n.connections), str(n.commands), str(n.slurm)] for what, n in rows.items()]
    table(["", "ssh logins", "remote commands", "Slurm requests"], cells)
    print()
    goal(f"{wait.slurm} Slurm requests in {seconds:.0f} s, fewer than {GOAL}", reached=wait.slurm < GOAL)
    goal(f"{ls.commands} remote command for `ls`, one", reached=ls.commands == 1)


if __name__ == "__main__":
    main()
