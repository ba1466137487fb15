"""Other people's launchers, each in an environment of its own, told to do the same."""

from __future__ import annotations

import subprocess
import sys

from tests.bench.rig import PROFILE, Rig
from tests.slurm import files
from tests.slurm.requirements import CHECKOUT

HOME = CHECKOUT / ".cache/bench"
VERSIONS = {"jupyter-forward": "2025.1.16", "milatools": "0.1.11"}
RESOURCES = ("--cpus-per-task=1", "--mem=1G", "--time=30")


def install(name: str) -> str | None:
    """Install a peer once; returns what went wrong, None if it is there."""
    done = HOME / name / "installed"
    if done.exists() and done.read_text() == VERSIONS[name]:
        return None
    for command in (
        [sys.executable, "-m", "venv", str(HOME / name)],
        [str(HOME / name / "bin/pip"), "install", "--quiet", f"{name}=={VERSIONS[name]}"],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            return f"not installed: {(ran.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    done.write_text(VERSIONS[name])
    return None


def jupyter_forward(local: int) -> list[str]:
    """jupyter-forward with `sbatch` as its launch command.

    It ends unless it is given a conda environment that `source activate NAME` finds; a venv's `activate` will do.
    """
    launch = " ".join(["sbatch", "--output=/dev/null", *RESOURCES])
    key = f"{files.LAPTOP_USER.home}/.ssh/id_ed25519"
    program = str(HOME / "jupyter-forward/bin/jupyter-forward")
    return [
        program,
        "--port",
        str(local),
        "--identity",
        key,
        "--conda-env",
        "bench",
        "--launch-command",
        launch,
        "alice@login",
    ]


def milatools(local: int) -> list[str]:
    """`mila serve lab`, with a profile that needs no question; its cluster is called `mila` in ~/.ssh/config."""
    program = str(HOME / "milatools/bin/mila")
    return [program, "serve", "lab", "--port", str(local), "--profile", "bench", "--alloc", *RESOURCES]


def prepare(rig: Rig) -> None:
    """Write milatools' profile on the cluster."""
    home = rig.cluster.cluster_home()
    for directory in (".milatools", ".milatools/profiles"):
        files.directory(home / directory, 0o700, files.ALICE.uid)
    files.write(home / ".milatools/profiles/bench.bash", PROFILE, owner=files.ALICE.uid)
