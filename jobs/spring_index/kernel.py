"""The model's arithmetic: a tile of cells through a batch of days, compiled, without a 24-hour axis.

Everything is IEEE arithmetic without fast-math flags: a NaN stays a NaN, and a cell's dates depend on
nothing but its own days, whatever tile, block or batch it travels in.

One long file on purpose: numba's cache looks at the date of the file of the function that is called, and would
miss a change in another one.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.compiled import compiled

Array = npt.NDArray[Any]
Scales = tuple[float, float, float]
"""Scale and offset to °F, and units of day length per hour."""
HOURS = 24
LONGEST_DAY = 24.001
"""Day lengths up to here are 24 h: polar days are stored as 86400.0001 s [h]."""
LOG_HOURS = np.log(np.maximum(np.arange(HOURS + 1.0), 1.0))

# Rows of the state of a cell: `heat` is float64, `dates` int16 (0 = not yet).
GDH, PREV_MIN, PREV_MAX, AGDH, SYNOP, HEAT_ROWS = 0, 8, 9, 10, 13, 14
LEAF, BLOOM, FREEZE, SEEN, DATE_ROWS = 0, 3, 6, 7, 8
SEEN_VALUE, SEEN_GAP = 1, 2
# Rows of the scratch of a tile.
RANGE, ABOVE, TODAY, SCRATCH_ROWS = 0, 1, 2, 3


class Rule(NamedTuple):
    """The switches of a variant the kernels look at; see `model.Variant`."""

    lag_check: bool
    guards: bool
    skip_cold: bool
    edge_padding: bool
    gap_counts_zero: bool
    bloom_start: int
    bloom_day_zero: int


@compiled
def hourly_weights(hours: float, weights: Array) -> None:
    """Fill S_h(L): the hour's temperature is Tmin + (Tmax − Tmin)·S_h, for a day of `hours` [h]."""
    if not 0.0 <= hours <= LONGEST_DAY:
        weights[:] = np.nan
        return
    hours = min(hours, 24.0)
    theta = math.pi / (hours + 4.0)
    sunset = math.floor(hours)
    step, before, now = 2.0 * math.cos(theta), -math.sin(theta), 0.0
    for h in range(min(sunset, HOURS - 1) + 1):
        weights[h] = min(max(now, 0.0), 1.0)
        before, now = now, step * now - before
    if sunset < HOURS - 1:
        at_sunset, night = math.sin(theta * hours), 1.0 / math.log(24.0 - hours)
        for h in range(sunset + 1, HOURS):
            weights[h] = min(max(at_sunset * (1.0 - LOG_HOURS[h - sunset] * night), 0.0), 1.0)


@compiled
def eight_hours(w: Array, first: int, spread: Array, above: Array, gdh: Array) -> None:
    """Add the heat of eight hours to the degree hours of cells that share a day length."""
    a, b, c, d = w[first], w[first + 1], w[first + 2], w[first + 3]
    e, f, g, h = w[first + 4], w[first + 5], w[first + 6], w[first + 7]
    for i in range(len(gdh)):
        s, u = spread[i], above[i]
        va, vb, vc, vd = s * a + u, s * b + u, s * c + u, s * d + u
        ve, vf, vg, vh = s * e + u, s * f + u, s * g + u, s * h + u
        va, vb = (0.0 if va < 0.0 else va), (0.0 if vb < 0.0 else vb)
        vc, vd = (0.0 if vc < 0.0 else vc), (0.0 if vd < 0.0 else vd)
        ve, vf = (0.0 if ve < 0.0 else ve), (0.0 if vf < 0.0 else vf)
        vg, vh = (0.0 if vg < 0.0 else vg), (0.0 if vh < 0.0 else vh)
        gdh[i] += ((va + vb) + (vc + vd)) + ((ve + vf) + (vg + vh))


@compiled
def degree_hours(dayl: Array, dayl_unit: float, spread: Array, above: Array, gdh: Array) -> None:
    """GDH of a day [°F h]; neighbours with the same day length share one set of hourly weights."""
    weights = np.empty(HOURS)
    start, n = 0, len(gdh)
    while start < n:
        length = dayl[start]
        end = start + 1
        while end < n and dayl[end] == length:
            end += 1
        hourly_weights(np.float64(length / dayl_unit), weights)
        gdh[start:end] = 0.0
        for first in range(0, HOURS, 8):
            eight_hours(weights, first, spread[start:end], above[start:end], gdh[start:end])
        start = end


@compiled
def note_freeze(tmin: Array, scale: float, offset: float, day: int, freeze: Array, seen: Array) -> None:
    """Remember the day where its minimum is a hard freeze; -1 after a missing day, which may have been one."""
    for i in range(len(tmin)):
        if np.float64(tmin[i] * scale + offset) <= 28.0:
            freeze[i] = day
        elif tmin[i] != tmin[i]:
            freeze[i] = -1
            seen[i] |= np.int16(2 if seen[i] & 1 else 0)


@compiled
def load_day(
    tmin: Array, tmax: Array, dayl: Array, units: Scales, lag: bool, guards: bool,
    prev: Array, spread: Array, above: Array,
) -> int:  # fmt: skip
    """Daily range and minimum above base [°F] of one day; returns how many cells have any heat or a gap.

    `prev` holds the corrected minimum and maximum of the day before. A day that lacks one extreme lacks both;
    one without a day length that can be has neither range nor heat.
    """
    prev_min, prev_max = prev[0], prev[1]
    scale, offset, longest = units[0], units[1], LONGEST_DAY * units[2]
    busy = 0
    for i in range(len(tmin)):
        cold, warm = tmin[i] * scale + offset, tmax[i] * scale + offset
        width = np.float64(warm - cold)
        low, high = cold + 0.0 * width, warm + 0.0 * width
        if lag:
            high = prev_min[i] if high < prev_min[i] else high
            low = prev_max[i] if low > prev_max[i] else low
            prev_min[i], prev_max[i] = low, high
            width = high - low
        if guards:
            low = 0.01 if low == 0.0 else low
            high = high + 0.01 if high == low else high
            width = high - low
        base, width = low - 31.0, width if 0.0 <= dayl[i] <= longest else np.float64(np.nan)
        spread[i], above[i] = width, base
        busy += 0 if (width + base <= 0.0 and base <= 0.0) else 1
    return busy


@compiled
def leaf_day(
    day: int,
    g0: Array,
    g1: Array,
    g2: Array,
    g5: Array,
    g6: Array,
    g7: Array,
    w: Array,
    above: float,
    synop: Array,
    leaf: Array,
) -> None:
    """Test one day for the first leaf of the three plants."""
    age = day - 1.0
    m0, m1, m2 = w[0, 0] * age, w[1, 0] * age, w[2, 0] * age
    s0, s1, s2, e0, e1, e2 = w[0, 1], w[1, 1], w[2, 1], w[0, 2], w[1, 2], w[2, 2]
    t0, t1, t2 = w[0, 3], w[1, 3], w[2, 3]
    leaf0, leaf1, leaf2 = leaf[0], leaf[1], leaf[2]
    here, after = np.int16(day), np.int16(day + 1)
    for i in range(len(g0)):
        dde2 = g0[i] + g1[i] + g2[i]
        dd57 = g5[i] + g6[i] + g7[i]
        spells = synop[i] + (1.0 if dde2 >= 637.0 else 0.0)
        synop[i] = spells
        if leaf0[i] == 0 and m0 + s0 * spells + e0 * dde2 + t0 * dd57 > above:
            leaf0[i] = here
        if leaf1[i] == 0 and m1 + s1 * spells + e1 * dde2 + t1 * dd57 > above:
            leaf1[i] = after
        if leaf2[i] == 0 and m2 + s2 * spells + e2 * dde2 + t2 * dd57 > above:
            leaf2[i] = here


@compiled
def bloom_day(
    day: int,
    start: int,
    zero: int,
    gap_zero: bool,
    g: Array,
    w: Array,
    above: float,
    agdh: Array,
    leaf: Array,
    bloom: Array,
) -> None:
    """Test one day for the first bloom of one plant, and add the day to its heat since the leaf."""
    age, heat, here = w[0], w[1], np.int16(day)
    for i in range(len(g)):
        since = day - leaf[i] - start
        on = leaf[i] > 0 and since >= 0
        gain = g[i]
        if gap_zero:
            gain = gain if gain == gain else 0.0
        total = agdh[i] + (gain if on else 0.0)
        agdh[i] = total
        if on and bloom[i] == 0 and age * (since + zero) + heat * total > above:
            bloom[i] = here


@compiled
def note_gaps(g: Array, bloom: Array, seen: Array) -> None:
    """Mark cells that had a value, and a missing day, before their last bloom."""
    b0, b1, b2 = bloom[0], bloom[1], bloom[2]
    for i in range(len(g)):
        mark = 1 if g[i] == g[i] else 2
        seen[i] |= np.int16(0 if (b0[i] > 0 and b1[i] > 0 and b2[i] > 0) else mark)


@compiled
def fill_lags(day: int, start: int, padded: bool, heat: Array) -> None:
    """On the first day, let the days before it look like it: two of them, or all seven when padded."""
    if day == start:
        today = heat[GDH + day % 8]
        for lag in range(1, 8):
            before = heat[GDH + (day - lag) % 8]
            if padded or lag <= 2:
                before[:] = today
            else:
                before[:] = 0.0


@compiled
def leaf_day_skipping(
    day: int, start: int, today: Array, spread: Array, base: Array, w: Array, above: float, heat: Array, leaf: Array
) -> None:
    """`leaf_day` for a model that leaves cold days out: each cell keeps its own last eight warm days."""
    for i in range(len(today)):
        if spread[i] + base[i] < 0.0:
            continue
        for lag in range(7, 0, -1):
            heat[GDH + lag, i] = heat[GDH + lag - 1, i]
        heat[GDH, i] = today[i]
        if day == start:
            heat[GDH + 1, i] = heat[GDH + 2, i] = today[i]
        dde2 = heat[GDH, i] + heat[GDH + 1, i] + heat[GDH + 2, i]
        dd57 = heat[GDH + 5, i] + heat[GDH + 6, i] + heat[GDH + 7, i]
        heat[SYNOP, i] += 1.0 if dde2 >= 637.0 else 0.0
        for p in range(3):
            total = w[p, 0] * (day - 1.0) + w[p, 1] * heat[SYNOP, i] + w[p, 2] * dde2 + w[p, 3] * dd57
            if leaf[p, i] == 0 and total > above:
                leaf[p, i] = day + (1 if p == 1 else 0)


@compiled
def spread_gaps(a: Array, b: Array, target: Array) -> None:
    """Make `target` missing where `a` or `b` is: a running sum of eight days has no holes."""
    for i in range(len(target)):
        target[i] += 0.0 * (a[i] + b[i])


@compiled
def leaf_lags(
    day: int, start: int, rule: Rule, w: Array, above: float, heat: Array, leaf: Array, scratch: Array
) -> None:
    """First leaf on one day, for a model that counts every day."""
    fill_lags(day, start, rule.edge_padding, heat)
    oldest = heat[GDH + (day - 7) % 8]
    if rule.gap_counts_zero:
        scratch[:] = oldest
        spread_gaps(heat[GDH + (day - 3) % 8], heat[GDH + (day - 4) % 8], scratch)
        oldest = scratch
    g0, g1, g2 = heat[GDH + day % 8], heat[GDH + (day - 1) % 8], heat[GDH + (day - 2) % 8]
    g5, g6 = heat[GDH + (day - 5) % 8], heat[GDH + (day - 6) % 8]
    leaf_day(day, g0, g1, g2, g5, g6, oldest, w, above, heat[SYNOP], leaf)


@compiled
def drop_cold(spread: Array, base: Array, gdh: Array) -> None:
    """Days left out bring no heat, not even where a faulty record has its minimum above its maximum."""
    for i in range(len(gdh)):
        gdh[i] = 0.0 if spread[i] + base[i] < 0.0 else gdh[i]


@compiled
def count_positive(dates: Array) -> int:
    """How many dates have been found."""
    found = 0
    for row in dates:
        for i in range(len(row)):
            found += 1 if row[i] > 0 else 0
    return found


@compiled
def blooms_pending(dates: Array, heat: Array, gap_zero: bool) -> int:
    """How many blooms are still possible in a tile."""
    blooms = 0
    for p in range(3):
        total, bloom = heat[AGDH + p], dates[BLOOM + p]
        for i in range(len(bloom)):
            lost = total[i] != total[i] and not gap_zero
            blooms += 0 if bloom[i] > 0 or lost else 1
    return blooms


@compiled
def heat_day(
    tmin: Array, tmax: Array, dayl: Array, units: Scales, rule: Rule, heat: Array, scratch: Array, out: Array
) -> None:
    """GDH of one day of a tile into `out`; nothing is computed where no cell gets above the base."""
    prev = heat[PREV_MIN : PREV_MAX + 1]
    spread, base = scratch[RANGE], scratch[ABOVE]
    busy = load_day(tmin, tmax, dayl, units, rule.lag_check, rule.guards, prev, spread, base)
    if busy > 0:
        degree_hours(dayl, units[2], spread, base, out)
    else:
        out[:] = 0.0


@compiled
def tile_days(
    day: int, start: int, tmin: Array, tmax: Array, dayl: Array, units: Scales,
    rule: Rule, w_leaf: Array, w_bloom: Array, above: float, heat: Array, dates: Array, scratch: Array,
) -> None:  # fmt: skip
    """Take one tile through a batch of days beginning with `day`: arrays are (day, cell)."""
    found = count_positive(dates[LEAF : LEAF + 3])
    leaves, skip = 3 * dates.shape[1] - found, rule.skip_cold
    for k in range(len(tmin)):
        today = day + k
        gdh = scratch[TODAY] if skip else heat[GDH + today % 8]
        heat_day(tmin[k], tmax[k], dayl[k], units, rule, heat, scratch, gdh)
        if leaves > 0:
            if skip:
                leaf_day_skipping(
                    today, start, gdh, scratch[RANGE], scratch[ABOVE], w_leaf, above, heat, dates[LEAF : LEAF + 3]
                )
            else:
                leaf_lags(today, start, rule, w_leaf, above, heat, dates[LEAF : LEAF + 3], scratch[TODAY])
        if skip:
            drop_cold(scratch[RANGE], scratch[ABOVE], gdh)
        found = found if found > 0 else count_positive(dates[LEAF : LEAF + 3])
        for p in range(3 if found > 0 else 0):
            bloom_day(
                today, rule.bloom_start, rule.bloom_day_zero, rule.gap_counts_zero, gdh,
                w_bloom[p], above, heat[AGDH + p], dates[LEAF + p], dates[BLOOM + p],
            )  # fmt: skip
        note_gaps(gdh, dates[BLOOM : BLOOM + 3], dates[SEEN])


@compiled
def tile_state(tmin: Array, heat: Array, dates: Array, gap_zero: bool) -> int:
    """What a tile needs of a batch: 0 nothing more (all in bloom), 1 no value yet (sea), 2 to be computed."""
    if blooms_pending(dates, heat, gap_zero) == 0:
        return 0
    for i in range(dates.shape[1]):
        if dates[SEEN, i] & SEEN_VALUE:
            return 2
    for k in range(len(tmin)):
        for i in range(dates.shape[1]):
            if tmin[k, i] == tmin[k, i]:
                return 2
    return 1


@compiled
def block_needs(tmin: Array, tile: int, heat: Array, dates: Array, gap_zero: bool, states: Array) -> None:
    """`tile_state` of every tile of a block."""
    for t in range(len(states)):
        cut = slice(t * tile, min((t + 1) * tile, dates.shape[1]))
        states[t] = tile_state(tmin[:, cut], heat[:, cut], dates[:, cut], gap_zero)


@compiled
def block_freezes(day: int, tmin: Array, scale: float, offset: float, freeze: Array, seen: Array) -> None:
    """Last hard freeze of every cell of a block, up to the end of this batch."""
    for k in range(len(tmin)):
        note_freeze(tmin[k], scale, offset, day + k, freeze, seen)


@compiled
def block_days(
    day: int, start: int, tile: int, states: Array, tmin: Array, tmax: Array, dayl: Array, units: Scales,
    rule: Rule, w_leaf: Array, w_bloom: Array, above: float, heat: Array, dates: Array,
) -> None:  # fmt: skip
    """Take the tiles that need it through a batch of days; a tile's state stays in the cache meanwhile."""
    cells = dates.shape[1]
    scratch = np.empty((SCRATCH_ROWS, tile))
    for t in range(len(states)):
        lo, hi = t * tile, min((t + 1) * tile, cells)
        if states[t] == 2:
            tile_days(
                day, start, tmin[:, lo:hi], tmax[:, lo:hi], dayl[:, lo:hi], units, rule,
                w_leaf, w_bloom, above, heat[:, lo:hi], dates[:, lo:hi], scratch[:, : hi - lo],
            )  # fmt: skip
        elif states[t] == 1:
            heat[: PREV_MAX + 1, lo:hi] = np.nan
            dates[SEEN, lo:hi] = SEEN_GAP
