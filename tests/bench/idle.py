"""What a held `springline up` costs while nobody does anything: CPU time and memory, its ssh included.

Goal: at most 0.1 s of CPU in a minute.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from tests.bench.report import goal, machine, table
from tests.bench.rig import Account, Rig, last_words, rig
from tests.bench.usage import Usage, usage
from tests.slurm.hosts import HostProcess

SECONDS = 120.0
SETTLED = 5.0  # s after the session is ready
GOAL = 0.1  # CPU s in a minute
ACCOUNTS = [
    Account("fa", "fabric"),
    Account("os", "openssh"),
    Account("pa", "fabric", ssh=False),
]


@dataclass(frozen=True)
class Idle:
    """One that idled."""

    account: Account
    root: int
    process: HostProcess
    before: Usage


def started(found: Rig, account: Account) -> HostProcess:
    """A `springline up` that holds its tunnel."""
    found.add(account)
    process = found.start(account.command("up", "bench", "--no-browser", "--json"))
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{name(account)}: {last_words(process)}")
    json.loads(line)
    return process


def begun(account: Account, process: HostProcess) -> Idle:
    """The beginning of its idleness."""
    root = process.inner_pid()
    assert root is not None, f"{name(account)} has ended"
    return Idle(account, root, process, usage(root))


def name(account: Account) -> str:
    """The name of a row."""
    return f"springline {account.transport}" + ("" if account.ssh else ", paramiko alone")


def main(seconds: float = SECONDS) -> None:
    """Print the table and the goal."""
    with rig() as found:
        if found is None:
            return
        processes = [(account, started(found, account)) for account in ACCOUNTS]
        time.sleep(SETTLED)
        everybody = [begun(*pair) for pair in processes]
        time.sleep(seconds)
        spent = [(idle, usage(idle.root)) for idle in everybody]
        ended = [name(idle.account) for idle in everybody if idle.process.poll() is not None]
        assert not ended, f"ended in the meantime: {ended}"
    print(f"{machine()}\n\n{seconds:.0f} s, extrapolated to an hour.\n")
    rates = {name(idle.account): (after.cpu - idle.before.cpu) * 60 / seconds for idle, after in spent}
    rows = [
        [who, f"{rates[who]:.3f}", f"{rates[who] * 60:.1f}", f"{after.peak:.0f}"]
        for who, (_, after) in zip(rates, spent, strict=True)
    ]
    table(["", "CPU s in a minute", "CPU s in an hour", "peak memory MB"], rows)
    print()
    for who, rate in rates.items():
        goal(f"{who}: {rate:.3f} CPU s in a minute, at most {GOAL}", reached=rate <= GOAL)


if __name__ == "__main__":
    main()
