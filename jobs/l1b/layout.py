"""Names, types, units and meanings of what a product holds."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.l1b.options import EXTRA, VARIABLES

if TYPE_CHECKING:
    import xarray as xr

BACKSCATTER = "surface_backwards_scattering_coefficient_of_radar_wave"
MEAN = {"units": "1", "cell_methods": "line: sample: mean"}
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "sigma0": {
        "standard_name": BACKSCATTER,
        "long_name": "sigma0, thermal noise removed",
        **MEAN,
        "comment": "linear, mean of power; not clipped: may be below 0 where the signal is below the noise",
        "ancillary_variables": "nesz valid_fraction noise_missing",
    },
    "sigma0_raw": {
        "standard_name": BACKSCATTER,
        "long_name": "sigma0 with thermal noise",
        **MEAN,
        "comment": "linear, mean of power; sigma0_raw - nesz = sigma0",
    },
    "gamma0": {
        "long_name": "gamma0, thermal noise removed: sigma0 / cos(incidence)",
        **MEAN,
        "comment": "linear; the incidence is that on the ellipsoid",
    },
    "nesz": {"long_name": "noise equivalent sigma0", **MEAN, "comment": "linear, from the annotated thermal noise"},
    "valid_fraction": {
        "long_name": "share of the pixels of a cell that hold data (DN above 0)",
        "units": "1",
        "valid_range": np.array([0, 1], "f4"),
    },
    "noise_missing": {
        "long_name": "no thermal noise is annotated here",
        "standard_name": "status_flag",
        "flag_values": np.array([0, 1], "i1"),
        "flag_meanings": "noise_annotated noise_not_annotated",
    },
    "land_mask": {
        "long_name": "land",
        "standard_name": "land_binary_mask",
        "units": "1",
        "flag_values": np.array([0, 1], "i1"),
        "flag_meanings": "sea land",
        "comment": "whether the middle of the cell lies on land",
    },
    "incidence": {
        "standard_name": "angle_of_incidence",
        "long_name": "incidence angle on the ellipsoid",
        "units": "degree",
    },
    "elevation": {"long_name": "elevation angle: from nadir to the line of sight", "units": "degree"},
    "ground_heading": {
        "long_name": "direction of flight on the ground, clockwise from north",
        "units": "degree",
        "comment": "along increasing line",
    },
    "longitude": {
        "standard_name": "longitude",
        "long_name": "longitude of the middle of the cell",
        "units": "degrees_east",
    },
    "latitude": {
        "standard_name": "latitude",
        "long_name": "latitude of the middle of the cell",
        "units": "degrees_north",
    },
    "time": {
        "standard_name": "time",
        "long_name": "zero-Doppler time of the middle of the line of cells",
        "units_metadata": "leap_seconds: utc",
    },
    "pol": {"long_name": "polarisation: sent, received"},
    "line": {"long_name": "middle of the cell along the flight, in lines of the product", "units": "1"},
    "sample": {"long_name": "middle of the cell across the flight, in samples of the product", "units": "1"},
}
TYPES = dict.fromkeys((*VARIABLES, *EXTRA), "f4") | {
    "noise_missing": "i1", "land_mask": "i1", "longitude": "f8", "latitude": "f8", "line": "f8", "sample": "f8"
}  # fmt: skip
"""Single precision holds sigma0 to 6e-8; longitudes need more."""
CONTENT = dict.fromkeys(("sigma0", "sigma0_raw", "gamma0"), "physicalMeasurement") | dict.fromkeys(
    ("valid_fraction", "noise_missing", "nesz"), "qualityInformation"
)
"""What a variable is to ACDD; the others are coordinates or auxiliary information."""
PLACES = ("longitude", "latitude", "time")
DIGEST = "content_sha256"
"""Attribute that tells whether all values are there; the same in both formats."""


def derive(dataset: xr.Dataset) -> xr.Dataset:
    """Add what follows from the rest: the flag of missing noise, and gamma0."""
    return dataset.assign(
        noise_missing=dataset["nesz"].isnull(),
        gamma0=dataset["sigma0"] / np.cos(np.radians(dataset["incidence"])),
    )


def lay_out(dataset: xr.Dataset, variables: tuple[str, ...], attrs: dict[str, Any]) -> xr.Dataset:
    """Exactly what will be read back: the chosen variables in their types, with their attributes."""
    import xarray as xr

    kept = [name for name in (*variables, "land_mask") if name in dataset]
    coords = {name: _variable(dataset, name, kept) for name in (*dataset["sigma0"].dims, *PLACES)}
    product = xr.Dataset({name: _variable(dataset, name, kept) for name in kept}, coords, attrs)
    return product.assign_attrs({DIGEST: digest(product)})


def digest(product: xr.Dataset) -> str:
    """SHA-256 over names and values of all variables."""
    total = hashlib.sha256()
    for name in sorted(map(str, product.variables)):
        values = product[name].values
        total.update(name.encode())
        total.update(" ".join(map(str, values)).encode() if name == "pol" else np.ascontiguousarray(values).tobytes())
    return total.hexdigest()


def _variable(dataset: xr.Dataset, name: Hashable, kept: list[str]) -> tuple[Any, Any, dict[str, Any]]:
    """Dimensions, values and attributes of one variable."""
    found = dataset[name]
    attrs = {key: value for key, value in found.attrs.items() if key == "source"} | ATTRIBUTES[str(name)]
    if others := [other for other in attrs.pop("ancillary_variables", "").split() if other in kept]:
        attrs["ancillary_variables"] = " ".join(others)
    if name in kept:
        attrs["coverage_content_type"] = CONTENT.get(str(name), "auxiliaryInformation")
    kind = object if name == "pol" else TYPES.get(str(name), found.dtype)
    return found.dims, found.values.astype(kind), attrs
