"""The lecture's notebook, from an archive to a map, as a person would run it."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from tests.jobs.archive import served, write_archive

NOTEBOOK = Path(__file__).parents[2] / "docs/notebooks/lecture.ipynb"


def test_the_notebook_is_kept_without_outputs() -> None:
    """What it printed when somebody ran it is not in the repository."""
    import nbformat

    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs on a small archive that is served over HTTP; two variables are copied, the third stays there."""
    import nbformat
    from nbclient import NotebookClient

    write_archive(tmp_path / "archive", {"hi": 12, "pr": 8})
    book = nbformat.read(NOTEBOOK, as_version=4)
    with served(tmp_path / "archive") as url:
        monkeypatch.setenv("DAYMET_ROOT", url)
        monkeypatch.setenv("DAYMET_YEARS", "2000:2001")
        NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in shown) == 3
    assert not any("Warning" in output.get("text", "") for output in shown)
    assert {path.name for path in (tmp_path / "staged/hi/hi-2000").glob("*.nc")} == {
        f"daymet_v4_daily_hi_{name}_2000.nc" for name in ("tmin", "tmax")
    }
    with xr.open_zarr(tmp_path / "spring.zarr", group="2001") as year:
        assert year.sizes["x"] == 12 and year.leaf_index.notnull().sum() > 70
