"""The spring index from real Daymet weather, on SLURM workers: inside a session, and from a login shell."""

from __future__ import annotations

import json
import sys

import pytest

from tests.slurm.laptop import Springline
from tests.slurm.requirements import SPRINGLINE, test_data
from tests.slurm.upping import KERNEL, start

PIXELS = test_data() / "spring-index" / "daymet"
ANALYSIS = [str(SPRINGLINE), "run", "spring-index", "--input", str(PIXELS / "*.csv"), "--output"]
pytestmark = [
    pytest.mark.skipif(not PIXELS.is_dir(), reason=f"no Daymet pixels in {PIXELS} (set SPRINGLINE_TEST_DATA)"),
    pytest.mark.usefixtures("kernels"),
]

CELL = f"""
import subprocess, xarray, distributed
client = distributed.Client()
client.wait_for_workers(2, timeout=60)
ran = subprocess.run([*{ANALYSIS!r}, "spring.zarr"], capture_output=True, text=True)
print(ran.returncode, ran.stderr[-2000:] if ran.returncode else "")
year = xarray.open_zarr("spring.zarr", group="2001")
print(year.leaf_index.values.tolist(), sorted(year.data_vars))
"""


def test_the_spring_index_runs_on_the_workers_of_a_session(springline: Springline) -> None:
    """A cell runs the packaged analysis on the session's own cluster; the dates are those of a run on one machine."""
    up = start(springline, "--name", "spring", "--workers", "2")
    printed = up.on_laptop([sys.executable, str(KERNEL), up.line["url"].removesuffix("/lab"), up.token], input=CELL)
    lines = printed.stdout.splitlines()
    assert lines[0].strip() == "0", printed.stdout + printed.stderr
    laptop, user = springline.cluster.laptop, springline.cluster.laptop_user
    here = laptop.run([*ANALYSIS, "here.zarr", "--json"], user=user, timeout=120)
    assert json.loads(here.stdout)["schema_version"] == 1
    script = "import xarray; print(xarray.open_zarr('here.zarr', group='2001').leaf_index.values.tolist())"
    there = laptop.run([sys.executable, "-c", script], user=user).stdout
    assert lines[1].startswith(there.strip()), (lines, there)


def test_the_spring_index_starts_slurm_workers_of_its_own(springline: Springline) -> None:
    """`--dask slurm` from a login shell submits worker jobs as the user's dask-jobqueue configuration says."""
    config = springline.cluster.cluster_home() / ".config" / "dask"
    config.mkdir(parents=True)
    (config / "jobqueue.json").write_text(
        json.dumps({"jobqueue": {"slurm": {"cores": 1, "memory": "1GB", "queue": "normal", "walltime": "00:10:00"}}}),
        encoding="utf-8",
    )
    ran = springline.cluster.login.run(
        [*ANALYSIS, "own.zarr", "--dask", "slurm", "--workers", "2"],
        user="alice",
        timeout=180,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert (springline.cluster.cluster_home() / "own.zarr" / "2000" / "zarr.json").exists()
    assert sum("dask-worker" in job["name"] for job in springline.cluster.jobs()) >= 2
