"""What is written: exact in both formats, described after CF and ACDD, without a path of this machine."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.l1b import direct, layout, output, preflight, provenance
from jobs.l1b.options import settings
from jobs.l1b.product import compute, l1b, target

xr = pytest.importorskip("xarray")
Products = Callable[..., Path]
FORMATS = {"zarr": ".zarr", "netcdf": ".nc"}


@pytest.fixture(scope="module")
def grid(products: Products) -> Any:  # noqa: ANN401 - a Dataset
    """The product 9550 as it will be written, with all variables."""
    chosen = settings({"gamma0": True})
    safe, wanted = preflight.inspect(str(products("9550")), chosen)
    computed, _ = compute(safe, wanted, chosen)
    return layout.lay_out(computed, chosen.variables, provenance.attributes(computed, safe, chosen))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", FORMATS)
def test_round_trip_is_exact(grid: Any, tmp_path: Path, form: str) -> None:  # noqa: ANN401
    """Every value, type, name and attribute comes back, without a warning; NaN too, and nanoseconds."""
    path = str(tmp_path / f"x{FORMATS[form]}")
    output.write(grid, path, form)
    found = output.open_product(path)
    xr.testing.assert_identical(found, grid)
    for name in grid.variables:
        if name != "pol":
            assert found[name].dtype == grid[name].dtype
            assert found[name].values.tobytes() == grid[name].values.tobytes()
    assert np.isnan(grid["sigma0"].values).any()
    assert (grid["time"].values.astype("int64") % 1000).any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", FORMATS)
def test_opens_with_defaults(grid: Any, tmp_path: Path, form: str) -> None:  # noqa: ANN401
    """Plain open_zarr and open_dataset give no warning, find the polarisation by name, and know the coordinates."""
    path = str(tmp_path / f"x{FORMATS[form]}")
    output.write(grid, path, form)
    found = xr.open_zarr(path) if form == "zarr" else xr.open_dataset(path)
    assert {"longitude", "latitude", "time"} <= set(found["sigma0"].coords)
    assert float(found["sigma0"].sel(pol="VH").mean()) == pytest.approx(float(grid["sigma0"][1].mean()))


def test_a_lost_or_damaged_part_is_noticed(grid: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """A chunk that is gone would read as no data without a word; a cut file, a changed value and nothing at all too."""
    store, file = tmp_path / "x.zarr", tmp_path / "x.nc"
    output.write(grid, str(store), "zarr")
    output.write(grid, str(file), "netcdf")
    assert output.is_complete(str(store))
    assert output.is_complete(str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert not output.is_complete(str(file))
    (store / "nesz/c/1/0/0").unlink()
    assert not output.is_complete(str(store))
    shutil.rmtree(store)
    assert not output.is_complete(str(store))


def test_one_chunk_a_polarisation(grid: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """A store is a few files: one chunk for each polarisation, one for what both share."""
    output.write(grid, str(tmp_path / "x.zarr"), "zarr")
    chunks = sorted(
        p.relative_to(tmp_path / "x.zarr/sigma0").as_posix() for p in (tmp_path / "x.zarr/sigma0").rglob("0")
    )
    assert [c for c in chunks if (tmp_path / "x.zarr/sigma0" / c).is_file()] == ["c/0/0/0", "c/1/0/0"]


def test_variables_are_described(grid: Any) -> None:  # noqa: ANN401
    """Each variable has a long name, and units or flags; standard names are CF's; linear units."""
    for name, variable in grid.variables.items():
        assert variable.attrs.get("long_name"), name
        assert name in ("pol", "time") or "units" in variable.attrs or "flag_meanings" in variable.attrs, name
    assert grid["sigma0"].attrs["standard_name"] == "surface_backwards_scattering_coefficient_of_radar_wave"
    assert grid["sigma0"].attrs["ancillary_variables"] == "nesz valid_fraction noise_missing"
    assert grid["incidence"].attrs["standard_name"] == "angle_of_incidence"
    assert (grid["longitude"].attrs["units"], grid["latitude"].attrs["units"]) == ("degrees_east", "degrees_north")
    assert grid["noise_missing"].attrs["flag_values"].dtype == grid["noise_missing"].dtype
    assert grid["longitude"].dtype == "f8"
    assert grid["sigma0"].dtype == "f4"


def test_global_attributes(grid: Any, metadata: Products) -> None:  # noqa: ANN401
    """A specialist finds the product, its processing and ours, where and when, without opening anything else."""
    attrs = grid.attrs
    assert attrs["Conventions"] == "CF-1.11, ACDD-1.3"
    assert attrs["source"] == "S1A_IW_GRDH_1SDV_20200708T182643_20200708T182708_033367_03DDAA_9550.SAFE"
    assert re.fullmatch("[0-9a-f]{32}", attrs["source_manifest_md5"])
    assert (attrs["platform"], attrs["swath"], attrs["orbit_pass"]) == ("SENTINEL-1A", "IW", "ascending")
    assert (attrs["absolute_orbit"], attrs["relative_orbit"], attrs["ipf_version"]) == (33367, 45, "003.31")
    assert attrs["aux_cal"] == "S1A_AUX_CAL_V20171017T080000_G20190731T120030.SAFE"
    assert attrs["time_coverage_start"] == "2020-07-08T18:26:43.249126Z"
    assert attrs["time_coverage_duration"] == "PT24.998297S"
    assert attrs["footprint"].startswith("POLYGON ((")
    assert attrs["geospatial_lon_min"] == -4.211704
    assert attrs["cross_antimeridian"] == 0
    assert "power" in attrs["averaging"]
    assert "noise" in attrs["denoising"]
    assert "XSP" in attrs["processing_level"]
    assert "springline" in attrs["software"]
    assert "rasterio 1" in attrs["software"]
    assert attrs["id"].endswith("9550_1000m")
    assert "Copernicus Sentinel data 2020" in attrs["acknowledgement"]
    uuid.UUID(attrs["uuid"])
    assert all(isinstance(value, (str, int, float)) and not isinstance(value, bool) for value in attrs.values())


def test_time_of_processing_is_an_argument(products: Products) -> None:
    """The date of a product is the one that is given, in UTC."""
    chosen = settings({})
    safe, wanted = preflight.inspect(str(products("9550")), chosen)
    now = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    attrs = provenance.attributes(direct.read(safe, 5000, wanted), safe, chosen, now)
    assert attrs["date_created"] == "2026-11-26T12:00:00Z"
    assert attrs["history"].startswith("2026-11-26T12:00:00Z springline ")


@pytest.mark.parametrize("form", FORMATS)
def test_no_path_of_this_machine_is_written(products: Products, tmp_path: Path, form: str) -> None:
    """Neither where the product lay nor where the result went stands anywhere in it or in its quick look."""
    safe = products("9550")
    place = target(str(safe), str(tmp_path), {"format": form})
    l1b(str(safe), place, format=form, plot=True)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 1
    for secret in (str(safe.parent), str(tmp_path), str(Path.home()), str(Path.cwd())):
        assert [path for path in files if secret.encode() in path.read_bytes()] == []
