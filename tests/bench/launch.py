"""Seconds from a command to the first good answer of its JupyterLab, side by side on one cluster.

Goal: springline at most 1.1 times the tight floor, by any transport.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench import floor, peers
from tests.bench.report import goal, machine, table
from tests.bench.rig import OUR_TOKEN, PLAIN_TOKEN, Account, Counts, Rig, answer, free_port, last_words, rig

RUNS = 4
GOAL = 1.1
LONGEST = 25.0  # s before a launch is given up
ACCOUNTS = [Account(f"{t[:2]}-{w[:2]}", t, w) for t in ("fabric", "openssh") for w in ("socket", "node-tls")]


@dataclass
class Contestant:
    """One way to launch, and what its runs took."""

    name: str
    command: Callable[[int], Sequence[str]]  # of the local port
    token: str = PLAIN_TOKEN
    says: bool = False  # whether it prints a line when it is ready
    trouble: str | None = None
    seconds: list[float] = field(default_factory=list)
    said: list[float] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)


def contestants() -> list[Contestant]:
    """Everybody, the floor first."""
    return [
        Contestant("tight floor: one ssh, wait there", lambda local: floor.tight(local, free_port())),
        Contestant("the same, Jupyter with our shortcuts", lambda local: floor.tight(local, free_port(), floor.QUICK)),
        Contestant("by hand, polling", lambda local: floor.polling(local, free_port())),
        Contestant("jupyter-forward", peers.jupyter_forward, trouble=peers.install("jupyter-forward")),
        Contestant("milatools", peers.milatools, trouble=peers.install("milatools")),
        *(_springline(account) for account in ACCOUNTS),
    ]


def _springline(account: Account) -> Contestant:
    def command(local: int) -> list[str]:
        return account.command("up", "bench", "--local-port", str(local), "--no-browser", "--json")

    return Contestant(f"springline {account.transport}, {account.access}", command, OUR_TOKEN, says=True)


def run(found: Rig, contestant: Contestant) -> None:
    """One launch from nothing."""
    local, before = free_port(), found.counts()
    client = found.client("first", port=local, token=found.token(contestant.token), seconds=LONGEST)
    began = time.monotonic()
    process = found.start(list(contestant.command(local)))
    moment = answer(client)["moment"]
    if moment is None:
        contestant.trouble = f"no answer within {LONGEST:.0f} s: {last_words(process)}"
        return
    contestant.seconds.append(moment - began)
    if contestant.says:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        contestant.said.append(time.monotonic() - began)
    contestant.counts.append(found.counts().since(before))


def measured(runs: int) -> list[Contestant]:
    """Launch everybody `runs` times, in turn, each round beginning with another one."""
    everybody = contestants()
    with rig() as found:
        if found is None:
            return []
        peers.prepare(found)
        for number in range(runs):
            turn = number * len(everybody) // runs
            for contestant in (*everybody[turn:], *everybody[:turn]):
                if contestant.trouble is None:
                    _fresh(found)
                    run(found, contestant)
        found.tidy()
    return everybody


def _fresh(found: Rig) -> None:
    """As before the first launch, but for what the page cache knows."""
    found.tidy()
    for account in ACCOUNTS:
        shutil.rmtree(found.cluster.laptop_home() / account.name, ignore_errors=True)
        found.add(account)


def row(contestant: Contestant, best: float) -> list[str]:
    """A contestant's line of the table."""
    if not contestant.seconds:
        return [contestant.name, contestant.trouble or "", *[""] * 6]
    first = median(contestant.seconds)
    count = contestant.counts[0]
    said = f"{median(contestant.said):.2f}" if contestant.said else ""
    spread = f"{min(contestant.seconds):.2f} to {max(contestant.seconds):.2f}"
    numbers = [str(n) for n in (count.connections, count.commands, count.slurm)]
    return [contestant.name, f"{first:.2f}", spread, f"{first / best:.2f}", said, *numbers]


def main(runs: int = RUNS) -> None:
    """Print the table and the goal."""
    everybody = measured(runs)
    if not everybody or not everybody[0].seconds:
        return
    best = median(everybody[0].seconds)
    print(f"{machine()}\n\nMedians of {runs} runs, in turn.\n")
    header = ["", "first answer s", "from, to", "× floor", "command says so s", "ssh logins", "remote commands"]
    table([*header, "Slurm requests"], [row(contestant, best) for contestant in everybody])
    print()
    for contestant in everybody:
        if contestant.says:
            times = median(contestant.seconds) / best if contestant.seconds else float("inf")
            goal(f"{contestant.name}: {times:.2f} × the floor, at most {GOAL}", reached=times <= GOAL)


if __name__ == "__main__":
    main()
