"""Look-up tables of range vectors, each on its own pixel grid, as means over the lines of a row of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jobs.l1b.model import AzimuthNoise, Floats, Noise, Vector


@dataclass(frozen=True)
class Table:
    """Vectors interpolated to every sample; linear between them, constant before the first and after the last."""

    line: Floats
    """Of the vectors, increasing, (vector)."""
    value: Floats
    """(vector, sample)."""


def table(vectors: Sequence[Vector], samples: int) -> Table:
    """Interpolate each vector from its own pixels to all samples of the image."""
    at = np.arange(samples, dtype=np.float64)
    value = np.stack([np.interp(at, v.pixel, v.value) for v in vectors])
    return Table(np.array([v.line for v in vectors], np.float64), value)


def weights(of: Table, lines: Floats) -> Floats:
    """Weight of each vector at each line, (line, vector); each line's weights add up to 1."""
    upper = np.clip(np.searchsorted(of.line, lines, side="right"), 1, max(len(of.line) - 1, 1))
    found = np.zeros((len(lines), len(of.line)))
    rows = np.arange(len(lines))
    if len(of.line) == 1:
        found[:] = 1.0
        return found
    before, after = of.line[upper - 1], of.line[upper]
    share = np.clip((lines - before) / (after - before), 0.0, 1.0)
    found[rows, upper - 1] = 1.0 - share
    found[rows, upper] = share
    return found


def combine(of: Table, weight: Floats) -> Floats:
    """The weighted sum of the vectors, by sample; only those from the first with weight to the last are touched."""
    used = np.flatnonzero(weight)
    near = slice(used[0], used[-1] + 1) if len(used) else slice(0)
    return np.asarray(weight[near] @ of.value[near])


def mean_over(of: Table, lines: Floats) -> Floats:
    """Mean of a table over these lines, by sample: exact, since it is linear in the vectors."""
    return combine(of, weights(of, lines).mean(axis=0))


def noise_over(of: Table, azimuth: Sequence[AzimuthNoise], lines: Floats) -> Floats:
    """Mean over these lines of range noise × azimuth noise, by sample: exact. Without a block the factor is 1."""
    weight = weights(of, lines)
    mean = combine(of, weight.mean(axis=0))
    for block in azimuth:
        inside = (lines >= block.lines[0]) & (lines <= block.lines[1])
        if not inside.any():
            continue
        excess = np.interp(lines[inside], block.line, block.value) - 1.0
        more = (excess[:, None] * weight[inside]).sum(axis=0) / len(lines)
        part = slice(block.samples[0], block.samples[1] + 1)
        mean[part] += combine(Table(of.line, of.value[:, part]), more)
    return mean


def scaled(noise: Noise, factor: float) -> Noise:
    """Noise whose range vectors are multiplied by a factor."""
    return Noise(tuple(Vector(v.line, v.pixel, v.value * factor) for v in noise.range), noise.azimuth)
