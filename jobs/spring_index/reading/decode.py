"""Compiled: the bytes of a shuffled chunk put together again, straight into their place, fill values as NaN.

A shuffled chunk holds the first byte of all values, then the second of all, and so on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.compiled import compiled

Array = npt.NDArray[Any]
Box = tuple[int, int, int]


@compiled
def join4(raw: Array, chunk: Box, begin: Box, out: Array, to: Box, size: Box) -> None:
    """Put the box `begin` + `size` of a chunk of 4-byte values to `to` in `out`, (day, y, x) of uint32."""
    n = chunk[0] * chunk[1] * chunk[2]
    for t in range(size[0]):
        for y in range(size[1]):
            at = ((begin[0] + t) * chunk[1] + begin[1] + y) * chunk[2] + begin[2]
            row = out[to[0] + t, to[1] + y, to[2] : to[2] + size[2]]
            a, b = raw[at : at + size[2]], raw[at + n : at + n + size[2]]
            c, d = raw[at + 2 * n : at + 2 * n + size[2]], raw[at + 3 * n : at + 3 * n + size[2]]
            for x in range(len(row)):
                row[x] = np.uint32(a[x]) | np.uint32(b[x]) << 8 | np.uint32(c[x]) << 16 | np.uint32(d[x]) << 24


@compiled
def join8(raw: Array, chunk: Box, begin: Box, out: Array, to: Box, size: Box) -> None:
    """The same for 8-byte values, `out` of uint64."""
    n = chunk[0] * chunk[1] * chunk[2]
    for t in range(size[0]):
        for y in range(size[1]):
            at = ((begin[0] + t) * chunk[1] + begin[1] + y) * chunk[2] + begin[2]
            row = out[to[0] + t, to[1] + y, to[2] : to[2] + size[2]]
            row[:] = 0
            for k in range(8):
                part = raw[at + k * n : at + k * n + size[2]]
                for x in range(len(row)):
                    row[x] |= np.uint64(part[x]) << np.uint64(8 * k)


@compiled
def mask(values: Array, fills: Array) -> None:
    """Make fill values NaN; `fills` are float64 as attributes are compared by numpy."""
    for fill in fills:
        for i in range(values.size):
            if np.float64(values[i]) == fill:
                values[i] = np.nan


def warm_up(dtype: npt.DTypeLike) -> None:
    """Compile what values of this type need, or load it, before many processes would each do so."""
    one = (1, 1, 1)
    join, out = (join4, np.uint32) if np.dtype(dtype).itemsize == 4 else (join8, np.uint64)
    join(np.frombuffer(bytes(8), np.uint8), one, (0, 0, 0), np.zeros(one, out), (0, 0, 0), one)
    mask(np.zeros(1, dtype), np.zeros(1))
