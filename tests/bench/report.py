"""What every bench on the cluster prints: the machine, a table, the goals."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """One line on what was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    ssh = _said("ssh", "-V").split(",")[0].split()[0].replace("_", " ")
    slurm = _said("slurmctld", "-V").replace("slurm-wlm", "Slurm").replace("slurm ", "Slurm ")
    parts = [f"{os.cpu_count()} cores", cpu, f"Linux {platform.release()}", ssh, f"paramiko {version('paramiko')}"]
    return ", ".join([*parts, slurm, f"Python {platform.python_version()}", f"jupyterlab {version('jupyterlab')}"])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print("| " + " | ".join(header) + " |")
    print("|---" + "|--:" * (len(header) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def goal(words: str, *, reached: bool) -> None:
    """Print one goal and whether it is reached."""
    print(f"- {words}: {'reached' if reached else 'NOT reached'}", flush=True)


def _said(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip()
