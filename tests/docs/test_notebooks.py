"""The notebooks of the documentation, as a person runs them: top to bottom, unchanged, on data they make themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.jobs.conftest import ROOT

BOOKS = ROOT / "docs/notebooks"
SLOWEST = 300
"""Seconds that a cell may take on a busy machine."""


@pytest.fixture(scope="module")
def workers() -> Iterator[str]:
    """The address of two workers, which `Client()` finds in the environment as it finds those of a session."""
    from distributed import LocalCluster

    place: dict[str, Any] = {"host": "127.0.0.1", "protocol": "tcp://", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **place) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def session(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks of a test run on the workers of a session."""
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers)


def execute(name: str, folder: Path) -> tuple[str, int]:
    """Run a notebook in a folder; returns what its cells printed or showed as text, and how many pictures they drew.

    An error in a cell is an error here, and so are a warning, and a path of this computer in the page.
    """
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(BOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(book, timeout=SLOWEST, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    errors = "".join(output["text"] for output in outputs if output.get("name") == "stderr")
    text = "\n".join(str(output) for output in outputs if output.get("name") != "stderr")
    assert "Warning" not in errors.replace("UserWarning: Port 8787 is already in use", "")
    assert str(folder) not in text  # progress and errors, on stderr, do not stand in the page
    return text, sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", sorted(BOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    """What it printed when somebody ran it is not in the repository; every page begins with a title."""
    import nbformat

    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert cells[0].source.startswith("# ")


@pytest.mark.slow
def test_dask_and_xarray(tmp_path: Path) -> None:
    """The lecture's first part, with no session: `Client()` starts workers of its own; two graphs, two time lines, two
    maps and a curve."""
    text, pictures = execute("dask-and-xarray", tmp_path)
    assert "22.0" in text and pictures == 7


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_catalog(tmp_path: Path) -> None:
    """The lecture's second part: two variables of one region are copied and computed with, all else stays a link."""
    text, pictures = execute("catalog", tmp_path)
    assert "4 items with 12 assets in 2 collections" in text and pictures == 2
    for year in (2000, 2001):
        copies = {path.name for path in (tmp_path / f"staged/hi/hi-{year}").glob("*.nc")}
        assert copies == {f"daymet_v4_daily_hi_{variable}_{year}.nc" for variable in ("tmin", "tmax")}
        with xr.open_zarr(tmp_path / "spring.zarr", group=str(year)) as dates:
            assert dates.sizes["x"] == 60 and dates.leaf_index.notnull().sum() > 2000


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_spring_index(tmp_path: Path) -> None:
    """The lecture's third part: dates of two years, later in the north; the lecture's are a day less."""
    _, pictures = execute("spring-index", tmp_path)
    assert pictures == 5
    for year in ("2000", "2001"):
        with xr.open_zarr(tmp_path / "spring.zarr", group=year) as dates:
            north, south = (dates.leaf_index.where(side).mean() for side in (dates.lat > 42, dates.lat < 36))
            assert dates.sizes["x"] == 100 and 40 < south < north - 20 < 140
        with xr.open_zarr(tmp_path / "lecture.zarr", group=year) as theirs:
            assert theirs.sizes["x"] == 20
            means = theirs["first-leaf"].sel(plant="lilac").mean() + 1, dates.first_leaf.sel(plant="lilac").mean()
            assert abs(means[0] - means[1]) < 5


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_many_files(tmp_path: Path) -> None:
    """One file first, then all but a broken one, then that one; the days of frost are those of the files."""
    text, pictures = execute("many-files", tmp_path)
    assert "1 item is not done." in text and "1 done, 7 skipped of 8 items" in text and pictures == 3
    assert len(list((tmp_path / "frost").iterdir())) == 8
    name = "daymet_v4_daily_na_tmin_2008.nc"
    with xr.open_dataset(tmp_path / "daymet" / name) as days, xr.open_dataset(tmp_path / "frost" / name) as found:
        expected = (days.tmin < 0).sum("time").where(days.tmin.notnull().any("time"))
        np.testing.assert_array_equal(found.frost, expected)


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_irradiance(tmp_path: Path) -> None:
    """The flare is bright per second and dark in counts, the eclipse is screened, and own science works."""
    text, pictures = execute("irradiance", tmp_path)
    assert "141 ok, 3 screened" in text and pictures == 4
    with xr.open_zarr(tmp_path / "sun.zarr", chunks=None) as sun, xr.open_zarr(tmp_path / "active.zarr") as active:
        peak = sun.isel(time=int(sun.mean_dn_s.argmax("time")))
        assert abs(pd.Timestamp(peak.time.values) - pd.Timestamp("2020-02-18T06:20")) < pd.Timedelta("21min")
        assert peak.mean_dn_s > 1.4 * sun.mean_dn_s.median() and peak.mean_dn < 0.5 * sun.mean_dn.median()
        assert active.active.notnull().sum() == 141 and active.brightest.max() > 100
