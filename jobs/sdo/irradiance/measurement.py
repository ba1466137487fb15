"""One file: read, verified, measured. The function that the batch engine calls for each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.sdo import remote
from jobs.sdo.irradiance import image

if TYPE_CHECKING:
    from jobs.sdo.irradiance.image import Measured

FIRST = 1 << 16
"""Bytes that hold the header of any file known."""


def irradiance(
    source: str,
    *,
    statistic: str = "mean",
    verify: bool = False,
    trust: bool = False,
    endpoint_url: str | None = None,
    anonymous: bool = False,
    start: str | None = None,
    filesize: int | None = None,
    sample: bool = False,
) -> dict[str, Any]:
    """Measure one FITS file.

    Parameters
    ----------
    source : str
        Path or URL.
    statistic : str
        mean, sum, header:KEY, module:function or script.py:function.
    verify, trust : bool
        See `image.measure`.
    endpoint_url, anonymous
        How S3 is reached.
    start : str, optional
        Time in the registry; not used.
    filesize : int, optional
        Bytes the registry says [byte].
    sample : bool
        Whether the mean is measured too, for DATAMEAN to be compared with.

    Returns
    -------
    dict
        A row of the series: its statistic's columns, `time`, `n_valid`, `exptime` [s], `quality`, `datamean_hdr` [DN],
        `checked` (by which sum), `bytes_in`; `mean_of_sample` [DN] where DATAMEAN was compared.

    Raises
    ------
    InputError
        If the file is damaged (`image.CorruptError`) or no such image: permanent.
    OSError
        If it cannot be read.
    """
    options = remote.storage_options({"endpoint_url": endpoint_url, "anonymous": anonymous})
    sample = sample and image.keyword(statistic) == "DATAMEAN"
    first = FIRST if image.keyword(statistic) and not sample else None
    content = remote.fetch(source, options, first=first)
    if first is None and filesize is not None and len(content) < filesize:
        raise image.CorruptError(f"{source} is cut off: {len(content):,} bytes of {filesize:,}")
    try:
        found = image.measure(content, statistic, verify=verify, trust=trust)
    except image.HeaderTooLong:
        content = remote.fetch(source, options)
        found = image.measure(content, statistic, verify=verify, trust=trust)
    row = _row(found) | {"bytes_in": len(content)}
    if sample:
        row["mean_of_sample"] = image.measure(content, "mean").values["mean_dn"]
    return row


def prefetch(sources: Sequence[str], options: Mapping[str, Any]) -> None:
    """Begin to read what will be measured next."""
    if image.keyword(options.get("statistic", "mean")):  # they differ in how much is read, and take no time to measure
        return
    remote.ahead(sources, remote.storage_options(options))


def _row(found: Measured) -> dict[str, Any]:
    return {
        **found.values, "time": found.t_obs, "n_valid": found.n_valid, "exptime": found.exptime,
        "quality": found.quality, "datamean_hdr": found.datamean, "checked": found.checked,
    }  # fmt: skip
