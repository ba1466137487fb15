"""One product from SAFE to result, with options, at the antimeridian, with land and a quick look."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.errors import UsageError
from jobs.l1b import landmask, output
from jobs.l1b.product import l1b, target
from jobs.l1b.quality import QualityError
from tests.jobs.l1b.conftest import restate

Products = Callable[..., Path]
Truth = Callable[[Path], dict[str, np.ndarray]]
shapely = pytest.importorskip("shapely")


def run(safe: Path, folder: Path, **options: Any) -> Any:  # noqa: ANN401 - a Dataset
    """The result of a product, read back."""
    place = target(str(safe), str(folder), options)
    l1b(str(safe), place, **options)
    return output.open_product(place)


def decibel(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Error in dB of inner cells that are well above the noise."""
    inner = (slice(2, -2), slice(2, -2))
    return 10 * np.log10(found[inner] / true[inner])[true[inner] > 1e-4]


def test_names_hold_identifier_and_resolution() -> None:
    """Two processings of one acquisition, and two resolutions, never meet in one target."""
    name = "S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_6D00"
    assert target(f"/d/{name}.SAFE", "/out/", {}) == f"/out/{name}_1000m.zarr"
    assert (
        target(f"/d/{name}.SAFE/", "s3://b/out", {"resolution": 500, "format": "netcdf"})
        == f"s3://b/out/{name}_500m.nc"
    )
    assert target("error.SAFE", "out", {}) == "out/error_1000m.zarr"


def test_product_against_the_truth(products: Products, truth: Truth, tmp_path: Path) -> None:
    """What is on disk is the simulated sigma0 within speckle, without bias, and the annotated noise."""
    found, true = run(products("9550"), tmp_path), truth(products("9550"))
    for polarisation in ("VV", "VH"):
        plane = found.sel(pol=polarisation)
        error = decibel(plane["sigma0"].values, true[f"{polarisation}_sigma0"])
        assert abs(np.median(error)) < 0.05
        assert error.std() < 0.5  # 100 pixels of 4.4 looks: 0.2 dB, and gradients in a cell
        noise = 10 * np.log10(plane["nesz"].values / true[f"{polarisation}_nesz"])
        assert np.abs(noise).max() < 0.06
    difference = found["sigma0_raw"] - found["nesz"] - found["sigma0"]
    assert float(np.abs(difference).max()) < 1e-6


def test_ledger_entry_is_small_json(products: Products, tmp_path: Path) -> None:
    """What the ledger keeps of a product: bytes, polarisations, shape, quality."""
    safe = products("9550")
    entry = l1b(str(safe), str(tmp_path / "x.nc"), format="netcdf")
    assert len(json.dumps(entry)) < 1000
    assert entry["bytes_in"] == sum(file.stat().st_size for file in safe.glob("measurement/*"))
    assert (entry["polarisations"], entry["shape"]) == (["VV", "VH"], [167, 252])
    assert 0 < entry["quality"]["finite_VV"] <= 1


def test_options_choose(products: Products, tmp_path: Path) -> None:
    """Resolution, polarisations and variables are those asked for; gamma0 is sigma0 over cos(incidence)."""
    found = run(
        products("9550"), tmp_path, resolution=2000, polarisations="vh", variables="sigma0,incidence", gamma0=True
    )
    assert dict(found.sizes) == {"pol": 1, "line": 83, "sample": 126}
    assert set(found.data_vars) == {"sigma0", "incidence", "gamma0"}
    assert {"longitude", "latitude", "time"} <= set(found.coords)
    ratio = found["sigma0"].values[0] / found["gamma0"].values[0] / np.cos(np.radians(found["incidence"].values))
    assert np.nanmax(np.abs(ratio - 1)) < 1e-5


def test_missing_noise_is_flagged(products: Products, tmp_path: Path) -> None:
    """Before July 2015 no noise was annotated: nothing is subtracted, and the flag and the words say so."""
    old, new = (run(products(tail), tmp_path, resolution=4000) for tail in ("FEC3", "6D00"))
    assert (old["noise_missing"].values == 1).all()
    assert np.isnan(old["nesz"].values).all()
    assert old["sigma0"].equals(old["sigma0_raw"])
    assert "no noise annotated" in old.attrs["denoising"]
    assert (new["noise_missing"].values == 0).all()


def moved(safe: Path, degrees: float) -> Path:
    """Turn a product around the Earth's axis: its grid and its footprint."""

    def turned(match: re.Match[str]) -> str:
        return f"<longitude>{(float(match[1]) + degrees + 180) % 360 - 180:.12f}<"

    for file in safe.glob("annotation/*.xml"):
        file.write_text(re.sub(r"<longitude>([^<]+)<", turned, file.read_text()))
    manifest = safe / "manifest.safe"
    text = manifest.read_text()
    corners = re.findall(r"<gml:coordinates>([^<]+)<", text)[0]
    pairs = [pair.split(",") for pair in corners.split()]
    new = " ".join(f"{lat},{(float(lon) + degrees + 180) % 360 - 180:.6f}" for lat, lon in pairs)
    manifest.write_text(text.replace(corners, new))
    return safe


@pytest.mark.parametrize("engine", ["direct", "xsar"])
def test_across_the_antimeridian(product: Path, tmp_path: Path, engine: str) -> None:
    """A product over 180 degrees passes its checks, keeps to [-180, 180], and has a footprint of two parts."""
    if engine == "xsar":
        pytest.importorskip("xsar", reason="xsar is not installed; docs/l1b.md says how")
    restate(moved(product, 183.0))
    land = tmp_path / "land.geojson"
    land.write_text(json.dumps(shapely.geometry.mapping(shapely.box(-180, 0, -170, 20))))
    found = run(product, tmp_path, engine=engine, land_mask=str(land), plot=True)
    longitude = found["longitude"].values
    assert (np.abs(longitude) <= 180).all()
    assert longitude.min() < -178
    assert longitude.max() > 178
    assert shapely.from_wkt(found.attrs["footprint"]).geom_type == "MultiPolygon"
    assert found.attrs["geospatial_lon_min"] > found.attrs["geospatial_lon_max"]
    assert found.attrs["cross_antimeridian"] == 1
    assert ((found["land_mask"].values == 1) == (longitude < 0)).all()


def test_implausible_product_is_not_written(product: Path, tmp_path: Path) -> None:
    """A grid that does not lie in the manifest's footprint leaves neither a result nor a quick look."""
    kept = (product / "manifest.safe").read_text()
    moved(product, 10.0)
    (product / "manifest.safe").write_text(kept)
    restate(product)
    with pytest.raises(QualityError, match="outside the footprint"):
        l1b(str(product), str(tmp_path / "x.zarr"), plot=True)
    assert list(tmp_path.glob("*.zarr")) == list(tmp_path.glob("*.png")) == []


def test_land_mask(products: Products, tmp_path: Path) -> None:
    """Land is where the user's polygons are; the file's name and MD5 are said; without a file there is no mask."""
    land = tmp_path / "coast.geojson"
    land.write_text(json.dumps(shapely.geometry.mapping(shapely.box(-10, 7, 0, 20))))
    found = run(products("9550"), tmp_path, resolution=2000, variables="sigma0", land_mask=str(land))
    assert ((found["land_mask"].values == 1) == (found["latitude"].values > 7)).all()
    assert found["land_mask"].dtype == "i1"
    digest = hashlib.md5(land.read_bytes()).hexdigest()
    assert found["land_mask"].attrs["source"] == f"coast.geojson, MD5 {digest}"
    assert "land_mask" not in run(products("9550"), tmp_path, resolution=5000)


def test_land_masks_that_are_none(tmp_path: Path) -> None:
    """A missing file, lines instead of polygons, and metres instead of degrees are refused before anything runs."""
    line = tmp_path / "line.geojson"
    line.write_text(json.dumps(shapely.geometry.mapping(shapely.LineString([(0, 0), (1, 1)]))))
    metres = tmp_path / "metres.geojson"
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    box = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shapely.box(0, 0, 1e6, 1e6))}
    metres.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [box]}))
    for file, words in ((tmp_path / "none.shp", "cannot be read"), (line, "LineString"), (metres, "EPSG:3857")):
        with pytest.raises(UsageError, match=words):
            landmask.require_file(str(file))


def test_quick_look(products: Products, tmp_path: Path) -> None:
    """--plot leaves a picture with both polarisations beside the result, whole, and nothing else."""
    safe = products("9550")
    run(safe, tmp_path, plot=True)
    picture = tmp_path / f"{safe.stem}_1000m.png"
    content = picture.read_bytes()
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content.endswith(b"IEND\xaeB`\x82")
    assert width > height > 600
    assert sorted(path.name for path in tmp_path.iterdir()) == [picture.name, f"{safe.stem}_1000m.zarr"]
