"""One product: SAFE in, checked and described grid out. The function that the batch engine calls for each item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import storage
from jobs.l1b import output
from jobs.l1b.layout import derive, lay_out
from jobs.l1b.model import Safe
from jobs.l1b.options import Settings, settings
from jobs.l1b.preflight import inspect

if TYPE_CHECKING:
    import xarray as xr

is_complete = output.is_complete


def l1b(
    source: str,
    target: str,
    *,
    resolution: int = 1000,
    format: str = "zarr",
    engine: str = "direct",
    polarisations: str | Iterable[str] | None = None,
    variables: str | Iterable[str] | None = None,
    gamma0: bool = False,
    land_mask: str | None = None,
    newest_ipf: bool = False,
    plot: bool = False,
) -> dict[str, Any]:
    """Calibrate, denoise and average one Sentinel-1 GRD product.

    Parameters
    ----------
    source : str
        The SAFE folder.
    target : str
        Where the store or file is written; it may be half there until this returns.
    resolution : int
        Side of a cell [m], rounded to whole pixels.
    format : {"zarr", "netcdf"}
    engine : {"direct", "xsar"}
    polarisations, variables : str or list of str, optional
        Only these; by default all polarisations and `options.VARIABLES`.
    gamma0 : bool
        Also write gamma0.
    land_mask : str, optional
        A file of land polygons.
    newest_ipf : bool
        Has no effect on one product; see `preflight.select`.
    plot : bool
        Also write a quick look beside the target, as `<SAFE id>_<resolution>m.png`, before the product appears.

    Returns
    -------
    dict
        `bytes_in`, `polarisations`, `shape` and `quality`, for the ledger.

    Raises
    ------
    InputError
        If the product is not what it should be, or the result is implausible (`QualityError`): permanent.
    """
    chosen = settings({
        "resolution": resolution, "format": format, "engine": engine, "polarisations": polarisations,
        "variables": variables, "gamma0": gamma0, "land_mask": land_mask, "newest_ipf": newest_ipf, "plot": plot,
    })  # fmt: skip
    safe, wanted = inspect(source, chosen)
    computed, numbers = compute(safe, wanted, chosen)
    if chosen.plot:
        from jobs.l1b.quicklook import draw

        picture = target.removesuffix(storage.basename(target)) + f"{safe.name}_{chosen.resolution}m.png"
        storage.write_bytes(picture, draw(computed, safe, chosen.resolution))
    from jobs.l1b.provenance import attributes

    product = lay_out(computed, chosen.variables, attributes(computed, safe, chosen))
    output.write(product, target, chosen.format)
    return {
        "bytes_in": _bytes(safe, wanted),
        "polarisations": list(wanted),
        "shape": [product.sizes["line"], product.sizes["sample"]],
        "quality": numbers,
    }


def compute(safe: Safe, polarisations: tuple[str, ...], chosen: Settings) -> tuple[xr.Dataset, dict[str, float]]:
    """The grid of a product with all that can be derived, and the numbers of its quality control."""
    from jobs.l1b import landmask, quality

    dataset = _read(chosen.engine)(safe, chosen.resolution, polarisations)
    numbers = quality.check(dataset, safe)
    dataset = derive(dataset)
    return (landmask.add(dataset, chosen.land_mask, safe) if chosen.land_mask else dataset), numbers


def _read(engine: str) -> Any:  # noqa: ANN401 - both engines' `read`
    if engine == "xsar":
        from jobs.l1b import xsar_engine

        return xsar_engine.read
    from jobs.l1b import direct

    return direct.read


def _bytes(safe: Safe, polarisations: tuple[str, ...]) -> int:
    """What was read of the measurement [bytes]."""
    files = [safe.find("measurement", polarisation) for polarisation in polarisations]
    return sum(Path(safe.path, file.href).stat().st_size for file in files if file)


def target(source: str, output: str, options: Mapping[str, Any]) -> str:
    """Where a product goes: the whole SAFE identifier and the resolution, so that two processings do not meet."""
    name = storage.basename(source).removesuffix(".SAFE")
    return f"{output.rstrip('/')}/{name}{settings(options).suffix}"
