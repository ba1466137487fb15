"""What the cluster needs of the machine, and why it may not run."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
VENV_PYTHON = CHECKOUT / ".venv/bin/python"
SPRINGLINE = CHECKOUT / ".venv/bin/springline"
PROGRAMS = (
    *("slurmctld", "slurmd", "sbatch", "munged", "sshd", "ssh", "ssh-keygen"),
    *("ip", "nft", "nsenter", "unshare", "setpriv"),
)
PBS_PROGRAMS = ("qsub", "qstat", "qdel")  # SLURM's own, which speak PBS
ACCOUNTING_PROGRAMS = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db")


def test_data() -> Path:
    """Where the tests' real data are: $SPRINGLINE_TEST_DATA, or beside the checkout."""
    return Path(os.environ.get("SPRINGLINE_TEST_DATA") or CHECKOUT.parent / "shared/data").resolve()


test_data.__test__ = False  # type: ignore[attr-defined]


@cache
def reason_to_skip(*, accounting: bool = False) -> str | None:
    """Say why the cluster cannot run here; None if it can."""
    if os.geteuid() != 0:
        return "the test cluster needs root"
    if not Path("/etc/debian_version").exists():
        return "the test cluster needs Debian or Ubuntu"
    wanted = PROGRAMS + (ACCOUNTING_PROGRAMS if accounting else ())
    missing = [program for program in wanted if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if missing:
        return f"the test cluster misses {', '.join(missing)}: run tests/prepare.sh slurm"
    if not VENV_PYTHON.exists():
        return "the test cluster needs the checkout's environment: run make .venv/ready"
    return _reason_of_namespaces() or _reason_of_python()


@cache
def reason_to_skip_pbs() -> str | None:
    """Say why there is no PBS on the cluster; None if there is."""
    missing = [program for program in PBS_PROGRAMS if shutil.which(program, path="/usr/bin:/bin") is None]
    return f"the test cluster misses {', '.join(missing)}: run tests/prepare.sh slurm" if missing else None


def _reason_of_python() -> str | None:
    """Ordinary users must be able to run the environment's base Python."""
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.path.realpath(VENV_PYTHON), "-c", ""]
    if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
        return None
    return (
        f"the environment's base Python {os.path.realpath(VENV_PYTHON)} cannot be run by ordinary users: "
        "remove .venv and make it again with PYTHON=/usr/bin/python3"
    )


def _reason_of_namespaces() -> str | None:
    """A container without privileges allows no namespaces or mounts."""
    argv = ["unshare", "--net", "--uts", "--mount", "--ipc", "--pid", "--fork", "--mount-proc"]
    script = (
        "set -e; mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs /tmp; nft add table inet probe; "
        "ip link add name probe0 type veth peer name probe1; ip link add probe2 type bridge"
    )
    probe = [*argv, "sh", "-c", script]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return f"the test cluster needs namespaces with mounts and virtual links: {done.stderr.strip()}"
