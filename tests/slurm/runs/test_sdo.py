"""The Sun's jobs on the real cluster, from the laptop by one command; cancelled in the middle and gone on with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.jobs.sdo import trees
from tests.slurm.laptop import Springline
from tests.slurm.requirements import CHECKOUT
from tests.slurm.running import follow, owned
from tests.slurm.upping import until

pytestmark = pytest.mark.usefixtures("kernels")
COUNT = 24
SLOW = """
import time

def slow(image):
    time.sleep(0.5)
    return image.mean()
"""


def test_irradiance_is_cancelled_and_gone_on_with(springline: Springline) -> None:
    """What was measured before the cancellation is not measured again; the series comes home."""
    data = Path(os.environ.get("SPRINGLINE_TEST_DATA", CHECKOUT / "../shared/data")) / "sdo/small"
    if not data.is_dir():
        pytest.skip("no real data: set SPRINGLINE_TEST_DATA")
    home = springline.cluster.cluster_home()
    folder = home / "fits"
    folder.mkdir()
    script = springline.home / "mine.py"
    script.write_text(SLOW)
    script.chmod(0o644)
    for number in range(COUNT):
        shutil.copy(data / "jsoc_int16_rice_256.fits", folder / f"{number:02}.fits")
    owned(folder)
    words = ("fits/*.fits", "--output", "sun.zarr", "--statistic", "mine.py:slow", "--in-allocation")
    first = springline.popen("run", "sdo-irradiance", *words, "--on", "testbed", "--name", "sun")
    ledger = home / "sun.zarr.run/ledger.jsonl"
    until(lambda: ledger.exists() and ledger.read_text().count('"state": "done"') > 2, 90)
    assert springline("cancel", "sun").returncode == 0
    assert first.wait(60) == 43
    with xr.open_zarr(home / "sun.zarr") as series:  # a run that is stopped closes what it has
        assert 2 < series.sizes["time"] < COUNT
    second = follow(springline, "sdo-irradiance", *words, "--plot")
    assert second["skipped"] > 2 and second["skipped"] + second["done"] == COUNT
    with xr.open_zarr(home / "sun.zarr") as found:
        assert set(found["status"].values) == {"ok"}
        assert np.ptp(found["value"].values) == 0 and found.sizes["time"] == COUNT
    assert (home / "sun.zarr.png").stat().st_size > 10_000


def test_combine_on_worker_jobs(springline: Springline) -> None:
    """A tree of NPZ files becomes one store, and grows by the steps that come later."""
    home = springline.cluster.cluster_home()
    tree = trees.Tree(home / "tree")
    for moment in trees.moments(6):
        tree.add(moment)
    tree.inventory("SDOMLnpz/inventory.pkl")
    owned(home / "tree")
    words = ("tree/SDOMLnpz/inventory.pkl", "--output", "sdo.zarr", "--shard-steps", "2", "--workers", "2")
    assert follow(springline, "sdo-combine", *words, "--stop", "2010-05-01T00:48")["done"] == 2
    later = follow(springline, "sdo-combine", *words)
    assert (later["done"], later["skipped"]) == (1, 2)
    with xr.open_zarr(home / "sdo.zarr") as found:
        assert found.sizes["time"] == 6 and bool(found["valid"].all())
        assert np.isfinite(found["data"]).all()
