"""What a product says of itself: global attributes after ACDD and CF, without any path of the machine that made it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jobs.l1b import footprint
from jobs.l1b.model import Safe
from jobs.l1b.options import Settings

if TYPE_CHECKING:
    import xarray as xr

CONVENTIONS = "CF-1.11, ACDD-1.3"
CREDIT = "contains modified Copernicus Sentinel data {}"
"""What the licence of Sentinel data asks for, with the year."""
NOT_SAID = ("bytes_read", "noise_missing")
"""What an engine tells of its work that is no property of the product, or is a variable of it."""
LEVEL = (
    "L1B: calibrated, denoised sigma0 on an averaged swath grid; not the cross-spectra (XSP) that are called L1B too"
)
SOFTWARE = {"direct": ("numpy", "rasterio", "xarray"), "xsar": ("xsar", "xarray-safe-s1", "dask", "rasterio", "xarray")}


def attributes(dataset: xr.Dataset, safe: Safe, chosen: Settings, now: datetime | None = None) -> dict[str, Any]:
    """Global attributes of a product; `dataset.attrs` tells how it was averaged and denoised."""
    now = now or datetime.now(UTC)
    return {
        "Conventions": CONVENTIONS,
        "title": f"Sentinel-1 {safe.swath} sigma0 at {chosen.resolution} m",
        "summary": "Normalised radar cross-section of Sentinel-1, thermal noise removed, averaged in the power domain "
        "on the swath grid of the product.",
        "id": f"{safe.name}_{chosen.resolution}m",
        "uuid": str(uuid4()),
        "processing_level": LEVEL,
        "keywords": "Sentinel-1, SAR, sigma0, normalised radar cross-section",
        "cdm_data_type": "Swath",
        "standard_name_vocabulary": "CF Standard Name Table v93",
        "license": "Copernicus Sentinel data: https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
        "acknowledgement": CREDIT.format(safe.start.year),
        **_source(safe),
        **_extent(safe),
        **_processing(dataset, safe, chosen, now),
    }


def _source(safe: Safe) -> dict[str, Any]:
    """Which product it was made from, and how that was made."""
    return {
        "source": f"{safe.name}.SAFE",
        "source_manifest_md5": safe.manifest_md5,
        "platform": safe.platform,
        "instrument": "SAR-C",
        "instrument_mode": safe.mode,
        "swath": safe.swath,
        "product_type": safe.product_type,
        "instrument_configuration_id": safe.configuration,
        "datatake": safe.datatake,
        "orbit_pass": safe.orbit_pass.lower(),
        "absolute_orbit": safe.absolute_orbit,
        "relative_orbit": safe.relative_orbit,
        "ipf_version": safe.ipf_version,
        "ipf_processed": stamp(safe.processed) if safe.processed else "unknown",
        **{f"aux_{kind.lower()}": name for kind, name in sorted(safe.auxiliary.items())},
    }


def _extent(safe: Safe) -> dict[str, Any]:
    """Where and when."""
    box = footprint.bounds(safe.footprint)
    text = footprint.wkt(safe.footprint)
    return {
        "footprint": text,
        "geospatial_bounds": text,
        "geospatial_bounds_crs": "OGC:CRS84",
        "geospatial_lat_min": box.south,
        "geospatial_lat_max": box.north,
        "geospatial_lat_units": "degrees_north",
        "geospatial_lon_min": box.west,
        "geospatial_lon_max": box.east,
        "geospatial_lon_units": "degrees_east",
        "cross_antimeridian": int(box.west > box.east),
        "time_coverage_start": stamp(safe.start),
        "time_coverage_end": stamp(safe.stop),
        "time_coverage_duration": f"PT{(safe.stop - safe.start).total_seconds():.6f}S",
    }


def _processing(dataset: xr.Dataset, safe: Safe, chosen: Settings, now: datetime) -> dict[str, Any]:
    """How and by what it was computed."""
    springline = installed("springline")
    versions = [f"{name} {installed(name)}" for name in SOFTWARE[chosen.engine]]
    versions.append(f"python {platform.python_version()}")
    options = f"resolution={chosen.resolution} engine={chosen.engine} polarisations={','.join(dataset['pol'].values)}"
    return {
        **{name: value for name, value in dataset.attrs.items() if name not in NOT_SAID},
        "processing_engine": chosen.engine,
        "processing_options": options,
        "software": ", ".join([f"springline {springline}", *versions]),
        "springline_version": springline,
        "date_created": stamp(now),
        "history": f"{stamp(now)} springline {springline}: l1b {options} from {safe.name}.SAFE",
    }


def installed(name: str) -> str:
    """The version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def stamp(moment: datetime) -> str:
    """A time as ISO 8601 with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
