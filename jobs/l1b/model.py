"""A Sentinel-1 GRD product as values: what its manifest, annotation, calibration and noise files say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SafeFile:
    """A file that the manifest lists."""

    href: str
    """Path inside the SAFE, with forward slashes, no leading `./`."""
    id: str
    """Its dataObject ID."""
    role: str
    """product, calibration, noise, measurement, rfi, quicklook, mapoverlay or productpreview."""
    polarisation: str | None
    """VV, VH, HH or HV where the file belongs to one."""
    size: int | None
    """As announced [bytes]; None when the manifest does not say."""
    md5: str | None
    """As announced, lower-case hexadecimal; None when the manifest does not say."""


@dataclass(frozen=True)
class Safe:
    """A SAFE as its manifest describes it; nothing else was opened."""

    name: str
    """SAFE identifier without `.SAFE`."""
    path: str
    """Where it is on this machine; never written to a result."""
    platform: str
    """SENTINEL-1A, -1B, -1C or -1D."""
    mode: str
    """Instrument mode: IW, EW, SM or WV."""
    swath: str
    """IW, EW or, for Stripmap, S1 … S6."""
    product_type: str
    """GRD, SLC, OCN or RAW."""
    polarisations: tuple[str, ...]
    """Co-polarisation first: (VV, VH), (HH, HV) or one alone."""
    start: datetime
    """First line [UTC]."""
    stop: datetime
    """Last line [UTC]."""
    orbit_pass: str
    """ASCENDING or DESCENDING."""
    absolute_orbit: int
    relative_orbit: int
    """1 … 175."""
    datatake: str
    """Mission data take, six hexadecimal digits as in the SAFE identifier."""
    configuration: int
    """Instrument configuration ID."""
    ipf_version: str
    """Version of the Instrument Processing Facility, such as 003.31."""
    processed: datetime | None
    """When the IPF ended [UTC]."""
    auxiliary: dict[str, str] = field(hash=False)
    """Auxiliary file by kind without `AUX_` (CAL, PP1, INS, POE, RES, PRE …), without its folder."""
    footprint: tuple[tuple[float, float], ...]
    """Corners (longitude, latitude) [degrees] in the manifest's order; the ring is not closed."""
    manifest_md5: str
    files: tuple[SafeFile, ...]

    def find(self, role: str, polarisation: str) -> SafeFile | None:
        """The file of this role and polarisation, if the manifest lists it."""
        return next((f for f in self.files if f.role == role and f.polarisation == polarisation), None)


@dataclass(frozen=True)
class Grid:
    """The geolocation grid: values at full-resolution positions, rows along azimuth."""

    line: Floats
    """Increasing; 0 is the centre of the first line [line]."""
    pixel: Floats
    """Increasing; 0 is the centre of the first sample [sample]."""
    longitude: Floats
    """(line, pixel) [degrees east]."""
    latitude: Floats
    """(line, pixel) [degrees north], geodetic, WGS84."""
    height: Floats
    """(line, pixel) of the terrain used [m above the ellipsoid]."""
    incidence: Floats
    """(line, pixel) [degrees]."""
    elevation: Floats
    """(line, pixel) [degrees]."""


@dataclass(frozen=True)
class Annotation:
    """The image of one polarisation and where it lies."""

    polarisation: str
    lines: int
    samples: int
    line_spacing: float
    """Azimuth pixel spacing [m]."""
    sample_spacing: float
    """Range pixel spacing on the ground [m]."""
    first: np.datetime64
    """Zero-Doppler time of the first line [UTC, ns]."""
    last: np.datetime64
    """Zero-Doppler time of the last line [UTC, ns]."""
    grid: Grid


@dataclass(frozen=True)
class Cells:
    """How the image is cut into cells: whole blocks of pixels, what is left at the end is not used."""

    block: tuple[int, int]
    """Lines and samples of a cell."""
    shape: tuple[int, int]
    """Rows and columns of cells."""

    def centres(self, axis: int) -> Floats:
        """Where the cells' centres lie along an axis; 0 is the centre of the first pixel [pixel]."""
        return (np.arange(self.shape[axis], dtype=np.float64) + 0.5) * self.block[axis] - 0.5


@dataclass(frozen=True)
class Vector:
    """One range vector of a look-up table, on its own pixel grid."""

    line: int
    """May lie before the first or after the last line of the image."""
    pixel: Floats
    """Strictly increasing [sample]."""
    value: Floats


@dataclass(frozen=True)
class AzimuthNoise:
    """A block of azimuth noise: a factor on the range noise along its lines."""

    lines: tuple[int, int]
    """First and last line, both included."""
    samples: tuple[int, int]
    """First and last sample, both included."""
    line: Floats
    """Increasing [line]."""
    value: Floats
    """Factor [1]."""


@dataclass(frozen=True)
class Noise:
    """Thermal noise of one polarisation, in units of DN²."""

    range: tuple[Vector, ...]
    azimuth: tuple[AzimuthNoise, ...]

    @property
    def missing(self) -> bool:
        """True where the processor wrote no noise: all zero, as the IPF did before July 2015."""
        return not any(v.value.any() for v in self.range)
