"""The command line of l1b, from text to values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.errors import UsageError
from jobs.model import Option

FORMATS = {"zarr": ".zarr", "netcdf": ".nc"}
ENGINES = ("direct", "xsar")
POLARISATIONS = ("VV", "VH", "HH", "HV")
VARIABLES = (
    "sigma0", "sigma0_raw", "nesz", "valid_fraction", "noise_missing", "incidence", "elevation", "ground_heading"
)  # fmt: skip
"""What a product holds by default, beside longitude, latitude and time."""
EXTRA = ("gamma0",)
NOT_OF_XSAR = ("valid_fraction",)
"""What xsar cannot tell."""
RESOLUTIONS = (50, 20_000)
"""Least and most [m]: finer than this a grid is no average any more, coarser it has a handful of cells."""

OPTIONS = (
    Option("resolution", "Side of a cell in metres, rounded to whole pixels.", type=int, default=1000, metavar="M"),
    Option("format", "What a product is written as.", default="zarr", choices=tuple(FORMATS)),
    Option("engine", "What computes it: springline's own reader, or xsar.", default="direct", choices=ENGINES),
    Option("polarisations", "Only these, with commas: VV,VH. A product that lacks one fails.", metavar="LIST"),
    Option("variables", f"Only these, with commas, of {', '.join((*VARIABLES, *EXTRA))}.", metavar="LIST"),
    Option("gamma0", "Also gamma0 = sigma0 / cos(incidence).", type=bool, default=False),
    Option("land-mask", "Land polygons (shapefile, GeoJSON, GeoPackage) for land_mask.", metavar="FILE"),
    Option("newest-ipf", "Of several processings of one acquisition only the newest.", type=bool, default=False),
    Option("plot", "Also a quick look as NAME.png beside each product.", type=bool, default=False),
)


@dataclass(frozen=True)
class Settings:
    """What the options mean."""

    resolution: int
    """Side of a cell [m]."""
    format: str
    engine: str
    polarisations: tuple[str, ...]
    """Empty: all there are."""
    variables: tuple[str, ...]
    land_mask: str | None
    newest_ipf: bool
    plot: bool

    @property
    def suffix(self) -> str:
        """How the name of a product ends."""
        return f"_{self.resolution}m{FORMATS[self.format]}"


def settings(options: Mapping[str, Any]) -> Settings:
    """Check the options and make values of them.

    Raises
    ------
    UsageError
        Naming the option and what it takes.
    """
    resolution = int(options.get("resolution") or 1000)
    if not RESOLUTIONS[0] <= resolution <= RESOLUTIONS[1]:
        raise UsageError(f"--resolution {resolution} is out of range.", "From {} to {} metres.".format(*RESOLUTIONS))
    engine = _choice("engine", options.get("engine") or "direct", ENGINES)
    return Settings(
        resolution,
        _choice("format", options.get("format") or "zarr", tuple(FORMATS)),
        engine,
        _some("polarisations", options.get("polarisations"), POLARISATIONS, str.upper),
        _variables(options.get("variables"), bool(options.get("gamma0")), NOT_OF_XSAR if engine == "xsar" else ()),
        options.get("land_mask") or None,
        bool(options.get("newest_ipf")),
        bool(options.get("plot")),
    )


def _choice(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"--{name} {value} is not known.", f"There are: {', '.join(known)}.")
    return value


def _variables(asked: str | Iterable[str] | None, gamma0: bool, lacks: tuple[str, ...]) -> tuple[str, ...]:
    known = tuple(name for name in VARIABLES if name not in lacks)
    found = _some("variables", asked, (*known, *EXTRA), str.lower) or known
    return (*found, "gamma0") if gamma0 and "gamma0" not in found else found


def _some(name: str, asked: str | Iterable[str] | None, known: tuple[str, ...], case: Any) -> tuple[str, ...]:  # noqa: ANN401 - a method of str
    """Names with commas or as a list, in the order of `known`; empty where nothing is asked for."""
    listed = asked.split(",") if isinstance(asked, str) else asked or ()
    parts = [case(part.strip()) for part in listed if part.strip()]
    unknown = [part for part in parts if part not in known]
    if unknown:
        raise UsageError(f"--{name}: {unknown[0]!r} is not known.", f"There are: {', '.join(known)}.")
    return tuple(part for part in known if part in parts)
