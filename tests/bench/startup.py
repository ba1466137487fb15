"""What `springline --help` costs beside importing its argument parser. Goal: at most 100 ms more."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

RUNS = 15
GOAL = 0.100  # seconds
SPRINGLINE = [str(Path(sys.executable).with_name("springline")), "--help"]
CLICK = [sys.executable, "-c", "import click"]


def seconds(command: list[str]) -> float:
    """The time of one run."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Run both in turn and print the medians in milliseconds."""
    pairs = [(seconds(SPRINGLINE), seconds(CLICK)) for _ in range(RUNS)]
    ours, floor = (median(times) for times in zip(*pairs, strict=True))
    verdict = "within" if ours - floor <= GOAL else "above"
    print(f"springline --help   {ours * 1000:6.0f} ms")
    print(f"import click        {floor * 1000:6.0f} ms")
    print(f"difference          {(ours - floor) * 1000:6.0f} ms, {verdict} the goal of {GOAL * 1000:.0f} ms")


if __name__ == "__main__":
    main()
