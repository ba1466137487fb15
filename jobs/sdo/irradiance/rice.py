"""Rice-coded rows of an image, decoded and summed in one pass: no pixel is ever stored (FITS 4.0, section 10.4.1).

Values are decoded four at a time from one 64-bit window, blocks are summed by vectors. No byte outside the content is
read, whatever is in it: rows that do not lie in the heap are refused before, and a row that has left its bytes is
given up at its next block, which is less far than SLACK; the last rows are copied to where there is as much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from jobs.compiled import compiled
from jobs.sdo.irradiance.fits import CorruptError, Tiles

Kernel = TypeVar("Kernel", bound=Callable[..., object])
Integers = npt.NDArray[np.int64]
Found = npt.NDArray[np.uint32]
_int64, _int32, _uint64 = (cast("Callable[[int], int]", kind) for kind in (np.int64, np.int32, np.uint64))
SPLITS = {2: (4, 14), 4: (5, 25)}
"""Bytes of a value → bits of the number that begins a block, and the number that says its values are not coded."""
USUAL = 32
"""Values of a block, but for the last of a row."""
WINDOW = 57
"""Bits that a window surely has."""
UNARY = 31
"""Zeros up to which a value is whole in a window: a one and 25 bits may follow."""
SLACK = 16 * USUAL
"""More than a damaged row is read beyond its end: the windows of a block of 32 values [bytes]."""
NO_BLANK = 1 << 40
"""A value that no pixel has."""


def total(content: bytes, tiles: Tiles) -> tuple[float, int] | None:
    """The sum over the pixels that are not blank and how many they are; None if rows are compressed in another way.

    Raises
    ------
    CorruptError
        If a row is not what its descriptor says.
    """
    table = np.frombuffer(content, tiles.table, tiles.rows, tiles.data)
    lengths, starts = (np.ascontiguousarray(column, np.int64) for column in table["COMPRESSED_DATA"].T)
    if not lengths.all():
        return None
    size = tiles.end - tiles.heap
    wrong = (starts < 0) | (lengths < tiles.bytes_per_value) | (lengths > size) | (starts > size - lengths)
    if wrong.any():
        raise CorruptError(f"row {int(wrong.argmax())} of the image does not lie in the file")
    names = tiles.table.names or ()
    blank = NO_BLANK if tiles.blank is None else tiles.blank
    blanks = table["ZBLANK"].astype(np.int64) if "ZBLANK" in names else np.full(tiles.rows, blank)
    sums, counts = np.zeros((2, tiles.rows), np.int64)
    shape = (tiles.width, tiles.block, *SPLITS[tiles.bytes_per_value], 64 - 8 * tiles.bytes_per_value)
    addresses, _kept = _addresses(content, starts + tiles.heap, lengths)
    bad = sum_rows(addresses, lengths, blanks, *shape, sums, counts)
    if bad >= 0:
        raise CorruptError(f"row {bad} of the image does not end where its bytes do")
    scale = table["ZSCALE"] if "ZSCALE" in names else tiles.scale
    zero = table["ZZERO"] if "ZZERO" in names else tiles.zero
    return float(np.sum(sums * scale + counts * zero, dtype=np.float64)), int(counts.sum())


def _addresses(content: bytes, starts: Integers, lengths: Integers) -> tuple[Integers, object]:
    """Where each row is in memory, with SLACK to be read behind it; and what has to be kept for as long."""
    memory = np.frombuffer(content, np.uint8)
    addresses, near = starts + memory.ctypes.data, starts + lengths > memory.size - SLACK
    if not near.any():
        return addresses, memory
    cut = int(starts[near].min())
    copy = np.frombuffer(content[cut:] + bytes(SLACK), np.uint8)
    addresses[near] = starts[near] - cut + copy.ctypes.data
    return addresses, copy


def _inlined(function: Kernel) -> Kernel:
    """Compile into each kernel that calls it; without counting references to arrays, which each call would wait for."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True, "_nrt": False}
    return cast(Kernel, numba.njit(**options)(function))


def _emit_window(_context: Any, address: Any, bit: Any) -> Any:  # noqa: ANN401 - numba's types
    """The bits from `bit` on, counted from an address: at least WINDOW of them, at the top of 64."""

    def emit(_: Any, builder: Any, __: Any, arguments: Any) -> Any:  # noqa: ANN401
        start, at = arguments
        byte = builder.add(start, builder.lshr(at, ir.Constant(at.type, 3)))
        place = builder.inttoptr(byte, ir.IntType(64).as_pointer())
        word = builder.bswap(builder.load(place, align=1))
        return builder.shl(word, builder.and_(at, ir.Constant(at.type, 7)))

    return types.uint64(types.int64, types.int64), emit


_window = cast("Callable[[int, int], int]", intrinsic(_emit_window))


def _emit_zeros(_context: Any, word: Any) -> Any:  # noqa: ANN401
    """How many zeros the 64 bits begin with."""

    def emit(_: Any, builder: Any, __: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), emit


_zeros = cast("Callable[[int], int]", intrinsic(_emit_zeros))


@compiled
def _one(address: int, bit: int, end: int, low: int) -> tuple[int, int]:
    """Decode one value with any number of zeros; returns where the next begins, and the zig-zag number."""
    zeros = _zeros(_window(address, bit))
    if zeros > UNARY:
        zeros = 0
        more = _zeros(_window(address, bit))
        while more >= WINDOW and bit + zeros < end:
            zeros += WINDOW
            more = _zeros(_window(address, bit + zeros))
        zeros += more
    rest = _int64(_window(address, bit + zeros) >> _uint64(63 - low))
    return bit + zeros + 1 + low, ((zeros - 1) << low) + rest  # the one on top of the rest is taken back by the -1


@_inlined
def _next(word: int, low: int) -> tuple[int, int, int]:
    """Decode the value that a window begins with: its zeros, its zig-zag number and 1 << low, the window after it."""
    zeros = _zeros(word)
    word = word << (zeros & 63)
    return zeros, (zeros << low) + _int64(word >> _uint64(63 - low)), word << (low + 1)


@_inlined
def _four(address: int, bit: int, end: int, low: int, found: Found, at: int) -> int:
    """Decode four values; returns where the next begins."""
    zeros, first, word = _next(_window(address, bit), low)
    more, second, word = _next(word, low)
    zeros += more
    more, third, word = _next(word, low)
    zeros += more
    more, fourth, word = _next(word, low)
    used, top = zeros + more + 4 * (low + 1), 1 << low
    if used <= WINDOW:
        found[at], found[at + 1], found[at + 2], found[at + 3] = first - top, second - top, third - top, fourth - top
        return bit + used
    for number in range(at, at + 4):
        bit, found[number] = _one(address, bit, end, low)
    return bit


@_inlined
def _block(
    address: int, bit: int, end: int, low: int, raw: int, spare: int, found: Found, count: int
) -> int:  # fmt: skip
    """Decode the differences of a block as zig-zag numbers; returns where the next block begins."""
    if low < 0:
        for number in range(count):
            found[number] = 0
    elif low == raw:
        for number in range(count):
            found[number] = _window(address, bit) >> _uint64(spare)
            bit += 64 - spare
    else:
        for number in range(0, count - 3, 4):
            bit = _four(address, bit, end, low, found, number)
        for number in range(count & ~3, count):
            bit, found[number] = _one(address, bit, end, low)
    return bit


@_inlined
def _add(found: Found, count: int, value: int, blank: int, spare: int) -> tuple[int, int, int]:
    """The last value of a block after the one before it, the sum of its values and how many are not blank.

    Where the differences are so small that no value can be blank or leave the width, vectors do it.
    """
    span = 0
    for number in range(count):
        span += _int64(found[number])
    low, high, most = value - span, value + span, 1 << (63 - spare)
    if span < 1 << 24 and -most <= low and high < most and not low <= blank <= high:
        change, weighted = _int32(0), _int32(0)
        for number in range(count):
            zigzag = _int32(found[number])
            difference = (zigzag >> 1) ^ -(zigzag & 1)
            change = _int32(change + difference)
            weighted = _int32(weighted + _int32(difference * (count - number)))
        return value + change, count * value + weighted, count
    summed = valid = 0
    for number in range(count):
        zigzag = _int64(found[number])
        value = ((value + ((zigzag >> 1) ^ -(zigzag & 1))) << spare) >> spare
        if value != blank:
            summed, valid = summed + value, valid + 1
    return value, summed, valid


@compiled
def sum_rows(
    addresses: Integers, lengths: Integers, blanks: Integers,
    width: int, size: int, split: int, raw: int, spare: int, sums: Integers, counts: Integers,
) -> int:  # fmt: skip
    """Sum each row over its pixels that are not blank, and count them.

    Parameters
    ----------
    addresses, lengths
        Where the bytes of each row are in memory, and how many; SLACK more can be read.
    blanks
        The value of blank pixels in each row.
    width, size, split, raw
        Values of a row and of a block; bits of a block's first number, and which of them means uncoded values.
    spare
        64 less the bits of a value.
    sums, counts
        For the answer.

    Returns
    -------
    int
        The first row that does not end where its bytes do; -1 if there is none.
    """
    found = np.empty(size, np.uint32)
    for row in range(addresses.size):
        address, end = addresses[row], 8 * lengths[row]
        value, bit = _int64(_window(address, 0)) >> spare, 64 - spare
        for first in range(0, width, size):
            low = _int64(_window(address, bit) >> _uint64(64 - split)) - 1
            if bit > end or low > raw:
                return row
            count = min(size, width - first)
            if count == USUAL:  # a tenth faster, as the compiler knows it
                bit = _block(address, bit + split, end, low, raw, spare, found, USUAL)
                value, summed, valid = _add(found, USUAL, value, blanks[row], spare)
            else:
                bit = _block(address, bit + split, end, low, raw, spare, found, count)
                value, summed, valid = _add(found, count, value, blanks[row], spare)
            sums[row] += summed
            counts[row] += valid
        if (bit + 7) // 8 * 8 != end:
            return row
    return -1
