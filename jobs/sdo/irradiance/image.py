"""The bytes of a FITS file → what is wanted of its image.

Rice-coded rows are decoded and summed by `rice`; everything else is decoded by astropy, the reference, which also does
all where numba cannot be used.
"""

from __future__ import annotations

import difflib
import functools
import io
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from jobs.errors import InputError, UsageError
from jobs.functions import resolve
from jobs.sdo.irradiance import fits
from jobs.sdo.irradiance.fits import CorruptError, HeaderTooLong, Tiles, Unit
from jobs.sdo.irradiance.table import NOT_VALUES

__all__ = ["CorruptError", "HeaderTooLong", "Measured", "keyword", "measure", "require"]

Image: TypeAlias = npt.NDArray[np.float64]
Value = TypeVar("Value")
Total: TypeAlias = Callable[[bytes, Tiles], tuple[float, int] | None]

SUMS = ("mean", "sum")
KEYWORD = re.compile("header:([A-Z0-9_-]{1,8})", re.IGNORECASE)
NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")
"""What a variable may be called."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found in one file."""

    values: Mapping[str, float]
    """`mean_dn` or `sum_dn` [DN], `header_<key>`, `value` or the names a function of the user's gave."""
    n_valid: int | None
    """Pixels that are not blank; None where only the header was read."""
    t_obs: str | None
    """T_OBS as it is written."""
    exptime: float | None
    """EXPTIME [s]."""
    quality: int | None
    """QUALITY, 32 flags."""
    datamean: float | None
    """DATAMEAN of the header [DN]."""
    checked: str
    """The strongest sum that was there and fitted: "CHECKSUM", "DATASUM" (the header may be damaged), "" for none."""


def keyword(statistic: str) -> str | None:
    """The KEY of header:KEY, in capitals; None for another statistic."""
    found = KEYWORD.fullmatch(statistic)
    return found[1].upper() if found else None


def require(statistic: str) -> None:
    """Make sure that there is such a statistic.

    Raises
    ------
    UsageError
        With what may be meant and what there is.
    """
    if statistic in SUMS or keyword(statistic):
        return
    kind, function, _ = statistic.partition(":")
    if function and kind.lower() == "header":
        raise UsageError(f"{statistic} names no keyword of FITS.", "It has 1 to 8 of A to Z, 0 to 9, _ and -.")
    if function:
        _function(statistic)
        return
    known = (*SUMS, "header:KEY", "module:function", "script.py:function")
    near = difflib.get_close_matches(statistic, known, 1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(f"{statistic} is no statistic.", f"{hint}There are: {', '.join(known)}.")


def measure(content: bytes, statistic: str = "mean", *, verify: bool = False, trust: bool = False) -> Measured:
    """Measure the first image of a FITS file, after its sums were found to fit.

    DATASUM and CHECKSUM are verified always where they are there: damage does not show in Rice-coded rows. They cover
    the unit of the image from its first card to its last byte. Without them damage that breaks no rule goes unseen.

    Parameters
    ----------
    content
        The whole file; for "header:KEY" its first 64 KiB do, and what is then not whole is not verified.
    statistic
        "mean" or "sum" over the pixels that are not blank, in float64; "header:KEY"; "module:function" or
        "script.py:function" of the image [DN], float64 with NaN where it is blank, which gives a number or a mapping
        of names to numbers.
    verify
        Whether an image is refused that has no CHECKSUM to be verified by, or is not there as a whole.
    trust
        Whether sums are not looked at, such as of files whose headers were edited.

    Raises
    ------
    HeaderTooLong
        If more of the file is needed.
    CorruptError
        If the file is damaged.
    InputError
        If it has no such keyword, or no CHECKSUM where one is needed.
    UsageError
        If the function cannot be used.
    """
    if keyword(statistic):
        unit = fits.find_image(content, whole=False)
        if verify and len(content) < unit.end:
            raise HeaderTooLong("only the whole file can be verified")
    else:
        unit = _whole(content)
    checked = "" if trust or len(content) < unit.end else fits.check(content, unit)
    if verify and checked != "CHECKSUM":
        raise InputError("the image has no CHECKSUM to be verified by", "Leave out --verify to take it unverified.")
    values, valid = _values(content, unit, statistic)
    header = unit.header
    exptime, datamean = (_known(header.number, keyword) for keyword in ("EXPTIME", "DATAMEAN"))
    return Measured(
        values, valid, _known(header.text, "T_OBS"), exptime, _known(header.whole, "QUALITY"), datamean, checked
    )


def pixels(content: bytes, unit: Unit) -> Image:
    """The image as astropy decodes it, scaled in float64, NaN where it is blank."""
    from astropy.io import fits as astropy_fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy mends what is unusual in headers, and tells each time
            with astropy_fits.open(io.BytesIO(content), memmap=False, do_not_scale_image_data=True) as opened:
                stored, blank = opened[unit.index].data, opened[unit.index].header.get("BLANK")
    except Exception as error:  # a damaged file makes it fail in any way
        raise CorruptError(f"astropy cannot decode the image: {type(error).__name__}: {error}") from error
    if stored is None:
        raise CorruptError("astropy finds no image")
    image = np.array(stored, np.float64)
    image *= unit.header.number("BSCALE", 1.0) or 0.0
    image += unit.header.number("BZERO", 0.0) or 0.0
    if stored.dtype.kind != "f" and blank is not None:
        image[stored == blank] = np.nan
    return image


def _known(read: Callable[[str], Value], keyword: str) -> Value | None:
    """A value that is not needed: None where it is none of its kind."""
    try:
        return read(keyword)
    except CorruptError:
        return None


def _whole(content: bytes) -> Unit:
    try:
        return fits.find_image(content)
    except HeaderTooLong as error:
        raise CorruptError(error.message) from None


def _values(content: bytes, unit: Unit, statistic: str) -> tuple[Mapping[str, float], int | None]:
    if key := keyword(statistic):
        return {f"header_{key.lower()}": _keyword(unit, key)}, None
    if statistic in SUMS:
        total, valid = _total(content, unit)
        return {f"{statistic}_dn": total if statistic == "sum" else total / valid if valid else float("nan")}, valid
    image = pixels(content, unit)
    valid = int(np.count_nonzero(~np.isnan(image)))
    return _numbers(statistic, _function(statistic)(image)), valid


def _keyword(unit: Unit, key: str) -> float:
    cards = unit.header.cards
    if key not in cards:
        near = ", ".join(difflib.get_close_matches(key, cards, 3))
        raise InputError(f"the header of the image has no {key}", f"It has {near}." if near else "")
    try:
        found = unit.header.number(key)
    except CorruptError:
        raise InputError(
            f"{key} in the header of the image is no number: {unit.header.text(key)}", "Name another keyword."
        ) from None
    return float("nan") if found is None else found


def _total(content: bytes, unit: Unit) -> tuple[float, int]:
    tiles, fast = fits.layout(unit), _fast()
    found = fast(content, tiles) if tiles and fast else None
    if found:
        return found
    image = pixels(content, unit)
    valid = ~np.isnan(image)
    return float(np.sum(image, where=valid)), int(np.count_nonzero(valid))


@functools.cache
def _fast() -> Total | None:
    """The fast way, tried once on a row of zeros; None, which is said once, where numba cannot be used."""
    row = np.zeros(1, [("COMPRESSED_DATA", ">i4", 2)])
    row["COMPRESSED_DATA"] = (3, 0)
    tiles = Tiles(row.dtype, 0, 1, 8, row.nbytes, row.nbytes + 3, 2, 32, None, 1.0, 0.0)
    try:
        from jobs.sdo.irradiance import rice

        if rice.total(row.tobytes() + bytes((0, 5, 0)), tiles) == (40.0, 8):
            return rice.total
        why = "its answer is wrong"
    except Exception as error:  # noqa: BLE001 - whatever is wrong with numba or LLVM here, there is another way
        why = f"{type(error).__name__}: {error}"
    warnings.warn(f"numba cannot be used, images are decoded by astropy, four times slower: {why}", stacklevel=2)
    return None


@functools.cache
def _function(text: str) -> Callable[[Image], Any]:
    return resolve(text)


def _numbers(name: str, answer: Any) -> dict[str, float]:  # noqa: ANN401 - what the user's function gives
    """The answer of a function as named numbers."""
    named = answer if isinstance(answer, Mapping) else {"value": answer}
    must = "It must give a number, or a mapping of names to numbers."
    try:
        numbers = {str(key): float(value) for key, value in named.items()}
    except (TypeError, ValueError):
        raise UsageError(f"{name} gave a {type(answer).__name__}.", must) from None
    if not numbers:
        raise UsageError(f"{name} gave nothing.", must)
    if wrong := [key for key in numbers if not NAME.fullmatch(key)]:
        raise UsageError(f"{name} gave {', '.join(wrong)}.", "Names are of letters, digits and _, such as mean_dn.")
    if taken := sorted(numbers.keys() & NOT_VALUES):
        raise UsageError(f"{name} gave {', '.join(taken)}, which a series has of its own.", "Give it another name.")
    return numbers
