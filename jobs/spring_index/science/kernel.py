"""The model's arithmetic: a tile of cells through a batch of days, compiled, without a 24-hour axis.

GDH is the sum over the hours of max(0, D·S + u), D the day's range, u its minimum above base, S the hour's weight.
The sum of positive parts is the largest sum of any subset, and with D ≥ 0 that is a subset of the hours with the
largest S: GDH = max over k of D·C(k) + k·u, C(k) the sum of the k largest weights. Cells that share a day length share
C, and the extremes of a tile tell which few k can be meant. So do the extremes of GDH tell when no leaf, and no
bloom, can be due anywhere in the tile: most days need no test.

Nothing here assumes that there is no NaN; only products of the degree hours are fused with their sums. A cell's dates
depend on nothing but its own days, whatever tile, block or batch it travels in, down to the rounding of its GDH.

One long file on purpose: numba's cache looks at the date of the file of the function that is called, and would
miss a change in another one.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.compiled import compiled, fused, larger

Array = npt.NDArray[Any]
Scales = tuple[float, float, float]
"""Scale and offset to °F, and units of day length per hour."""
HOURS = 24
LONGEST_DAY = 24.001
"""Day lengths up to here are 24 h: polar days are stored as 86400.0001 s [h]."""
LOG_HOURS = np.log(np.maximum(np.arange(HOURS + 1.0), 1.0))

# Rows of the state of a cell: `heat` is float64, `dates` int16 (0 = not yet).
DDE2, GDH, PREV_MIN, PREV_MAX, SYNOP, AGDH, HEAT_ROWS = 0, 6, 9, 10, 11, 12, 15
LEAF, BLOOM, SEEN, DATE_ROWS = 0, 3, 6, 7
SEEN_VALUE, SEEN_GAP = 1, 2
# What a tile needs of a batch: nothing more, nothing but time (sea, else all in bloom), the same and that was noted
# before, to be computed.
NOTHING, TIME, WAITING, COMPUTE = 0, 1, 2, 3
# Rows of the scratch of a tile.
RANGE, ABOVE, TOP, TODAY, SCRATCH_ROWS = 0, 1, 2, 3, 4
# What is known of a tile: `peaks`, no more than which are its DDE2 of six days, GDH of three, SYNOP and AGDH; `counts`
# of dates found, the day from which all leaves that are out count for the bloom, whether every cell has had a value,
# and how often its groups did not hold.
PEAK_GDH, PEAK_SYNOP, PEAK_AGDH, PEAKS = 6, 9, 10, 13
SETTLED, VALUED, STRANGE, COUNTS = 6, 9, 10, 11
# Of a day length: the hourly weights in falling order, then the sums of the k largest, k = 0 … 24.
SUMS, TABLE = HOURS, 2 * HOURS + 1
NEAR = 1e-6
"""What rounding may do to a bound [°F]."""


class Rule(NamedTuple):
    """The switches of a variant the kernels look at; see `model.Variant`."""

    lag_check: bool
    guards: bool
    skip_cold: bool
    edge_padding: bool
    gap_counts_zero: bool
    bloom_start: int
    bloom_day_zero: int


class State(NamedTuple):
    """What is kept of a block between its days, tile by tile: rows × cells of the first, of the second, …"""

    cells: int
    size: int
    """Cells of a tile."""
    order: Array
    """(cell) uint32: the place in the input of the first cell of the first tile, of the second, …"""
    heat: Array
    dates: Array
    peaks: Array
    """(tile, PEAKS)"""
    counts: Array
    """(tile, COUNTS)"""
    needs: Array
    """`tile_state` of the tiles."""
    freeze: Array
    """(cell), like the next in the order of the input: day of the last hard freeze, 0 or -1; see `block_freezes`."""
    holes: Array
    """Whether a minimum was missing on any day."""


def new_state(cells: int, size: int) -> State:
    """The state of a block before its first day."""
    tiles = -(-cells // size)
    peaks, counts = np.zeros((tiles, PEAKS)), np.zeros((tiles, COUNTS), np.int64)
    needs, order = np.full(tiles, COMPUTE, np.int8), np.arange(cells, dtype=np.uint32)
    heat, dates = np.zeros(HEAT_ROWS * cells), np.zeros(DATE_ROWS * cells, np.int16)
    freeze, holes = np.zeros((2, cells), np.int16)
    return State(cells, size, order, heat, dates, peaks, counts, needs, freeze, holes)


class Bounds(NamedTuple):
    """Extremes of a tile on one day, above the base [°F], and how many cells lack it or have it upside down."""

    min_low: float
    max_low: float
    min_high: float
    max_high: float
    gaps: int
    inverted: int


class Runs(NamedTuple):
    """Neighbours that share a day length; see `light.runs`."""

    shared: bool
    """False: there are none, every day is searched for them."""
    told: bool
    """Day lengths of all cells are given, and may differ from those of their groups."""
    starts: Array
    groups: Array
    """Group of each run."""
    tiles: Array
    """First run of each tile."""
    cells: Array
    """A cell of each group."""


class Batch(NamedTuple):
    """Some days of a block, in the order of the input, and how to look at them."""

    first: int
    """Day of year of the first of them."""
    start: int
    """The first day of the window."""
    in_order: bool
    """The cells of a tile are neighbours in the input, and need not be gathered."""
    tmin: Array
    tmax: Array
    dayl: Array
    units: Scales
    rule: Rule
    light: Runs
    leaf: Array
    """Weights of the sum that opens the first leaves, (plant, term)."""
    bloom: Array
    above: float
    """What the sums must exceed."""


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
def tabulate(lengths: Array, unit: float, table: Array) -> None:
    """Weights of each day length in falling order, and the sums of the largest: the rows of `table`."""
    for g in range(len(lengths)):
        row = table[g]
        hourly_weights(np.float64(lengths[g] / unit), row[:HOURS])
        row[:HOURS] = -np.sort(-row[:HOURS])
        row[SUMS] = 0.0 * row[0]
        for k in range(HOURS):
            row[SUMS + k + 1] = row[SUMS + k] + row[k]


@fused
def most_of_five(
    table: Array, day: int, k: int, more: bool, lo: np.uint64, hi: np.uint64, spread: Array, above: Array, gdh: Array
) -> None:
    """GDH as the most heat of k to k + 4 hours with the largest weights, or as it is if `more` and that is."""
    j, n = SUMS + k, np.float64(k)
    a, b, c, d, e = table[day, j], table[day, j + 1], table[day, j + 2], table[day, j + 3], table[day, j + 4]
    for i in range(lo, hi):
        s, u = spread[i], above[i]
        ua = n * u
        ub = ua + u
        uc = ub + u
        ud = uc + u
        va, vb, vc, vd, ve = s * a + ua, s * b + ub, s * c + uc, s * d + ud, s * e + (ud + u)
        va, vb = (va if va > vb else vb), (vc if vc > vd else vd)
        va = va if va > vb else vb
        if more:
            vb = gdh[i]
            ve = ve if ve > vb else vb
        gdh[i] = va if va > ve else ve


@compiled
def hours_above(table: Array, day: int, low: float, high: float, limit: float) -> int:
    """How many hours of a day with these extremes are above a limit; the weights fall."""
    count = 0
    for step in (16, 8, 4, 2, 1):
        if count + step <= HOURS and low + table[day, count + step - 1] * (high - low) > limit:
            count += step
    return count


@fused
def shared_hours(
    table: Array, day: int, bounds: Bounds, lo: np.uint64, hi: np.uint64, spread: Array, above: Array, gdh: Array
) -> None:
    """GDH of cells that share a day length, row `day` of the table, and whose extremes lie within `bounds`."""
    least = hours_above(table, day, bounds.min_low, bounds.min_high, NEAR)
    most = hours_above(table, day, bounds.max_low, bounds.max_high, -NEAR)
    if least == most:
        weight, hours = table[day, SUMS + least], np.float64(least)
        for i in range(lo, hi):
            gdh[i] = spread[i] * weight + hours * above[i]
    else:
        first = least - least % 5
        for k in range(first, most + 1, 5):
            most_of_five(table, day, k, k > first, lo, hi, spread, above, gdh)


@fused
def eight_hours(w: Array, first: int, lo: np.uint64, hi: np.uint64, spread: Array, above: Array, gdh: Array) -> None:
    """Add the heat of eight hours to the degree hours of cells that share a day length."""
    a, b, c, d = w[first], w[first + 1], w[first + 2], w[first + 3]
    e, f, g, h = w[first + 4], w[first + 5], w[first + 6], w[first + 7]
    for i in range(lo, hi):
        s, u = spread[i], above[i]
        va, vb, vc, vd = s * a + u, s * b + u, s * c + u, s * d + u
        ve, vf, vg, vh = s * e + u, s * f + u, s * g + u, s * h + u
        va, vb = (0.0 if va < 0.0 else va), (0.0 if vb < 0.0 else vb)
        vc, vd = (0.0 if vc < 0.0 else vc), (0.0 if vd < 0.0 else vd)
        ve, vf = (0.0 if ve < 0.0 else ve), (0.0 if vf < 0.0 else vf)
        vg, vh = (0.0 if vg < 0.0 else vg), (0.0 if vh < 0.0 else vh)
        total = ((va + vb) + (vc + vd)) + ((ve + vf) + (vg + vh))
        gdh[i] = total if first == 0 else gdh[i] + total


@compiled
def all_hours(weights: Array, lo: np.uint64, hi: np.uint64, spread: Array, above: Array, gdh: Array) -> None:
    """GDH of cells that share a day length, hour by hour."""
    for first in range(0, HOURS, 8):
        eight_hours(weights, first, lo, hi, spread, above, gdh)


@compiled
def degree_hours(dayl: Array, dayl_unit: float, spread: Array, above: Array, gdh: Array) -> None:
    """GDH of a day [°F h]; neighbours that happen to have the same day length share one set of hourly weights."""
    weights = np.empty(HOURS)
    start, n = 0, len(gdh)
    while start < n:
        length = dayl[start]
        end = start + 1
        while end < n and dayl[end] == length:
            end += 1
        hourly_weights(np.float64(length / dayl_unit), weights)
        all_hours(weights, np.uint64(start), np.uint64(end), spread, above, gdh)
        start = end


@compiled
def gather(values: Array, order: Array, found: Array) -> None:
    """The values of the cells of a tile."""
    for i in range(len(found)):
        found[i] = values[order[i]]


@compiled
def as_shared(given: Array, dayl: Array, light: Runs, tile: int, lo: int) -> bool:
    """Whether the cells of a tile that begins with `lo` have, in `dayl`, the day lengths `given` for their groups."""
    starts, groups, cells, strangers = light.starts, light.groups, light.cells, 0
    for run in range(light.tiles[tile], light.tiles[tile + 1]):
        length = given[cells[groups[run]]]
        for i in range(np.uint64(starts[run] - lo), np.uint64(starts[run + 1] - lo)):
            strangers += 0 if dayl[i] == length or (dayl[i] != dayl[i] and length != length) else 1
    return strangers == 0


@compiled
def note_light(dayl: Array, longest: float, spread: Array) -> int:
    """Days without a length that can be have neither range nor heat; how many cells lack the day."""
    gaps = 0
    for i in range(len(spread)):
        width = spread[i] if 0.0 <= dayl[i] <= longest else np.float64(np.nan)
        spread[i] = width
        gaps += 1 if width != width else 0
    return gaps


@compiled
def load_day(tmin: Array, tmax: Array, units: Scales, lag: bool, guards: bool, prev: Array, day: Array) -> Bounds:
    """Daily range, and minimum and maximum above base [°F] of one day, into rows of `day`; returns what bounds them.

    `prev` holds the corrected minimum and maximum of the day before. A day that lacks one extreme lacks both.
    """
    prev_min, prev_max, spread, above, top = prev[0], prev[1], day[RANGE], day[ABOVE], day[TOP]
    scale, offset, gaps, inverted = units[0], units[1], 0, 0
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
        spread[i], above[i], top[i] = width, low - 31.0, (low - 31.0) + width
        gaps += 1 if width != width else 0
        inverted += 1 if width < 0.0 else 0
    return Bounds(lowest(above), highest(above), lowest(top), highest(top), gaps, inverted)


@compiled
def highest(values: Array) -> float:
    """The largest of a row, missing ones left out."""
    most = -np.inf
    for i in range(len(values)):
        most = larger(most, values[i])
    return most


@compiled
def lowest(values: Array) -> float:
    """The smallest of a row, missing ones left out."""
    most = -np.inf
    for i in range(len(values)):
        most = larger(most, -values[i])
    return -most


@compiled
def three_days(today: Array, before: Array, earlier: Array, dde2: Array) -> None:
    """DDE2 of today."""
    for i in range(len(dde2)):
        dde2[i] = today[i] + before[i] + earlier[i]


@compiled
def count_spells(dde2: Array, synop: Array) -> None:
    """Count a warm spell where today is one."""
    for i in range(len(dde2)):
        synop[i] += 1.0 if dde2[i] >= 637.0 else 0.0


@compiled
def due(w: Array, age: float, spells: float, dde2: float, dd57: float) -> float:
    """The weighted sum that opens a plant's first leaf; never less where no term is less, rounding included."""
    total: float = w[0] * age + w[1] * spells + w[2] * dde2 + w[3] * dd57
    return total


@compiled
def leaf_day(
    date: int, age: float, synop: Array, dde2: Array, dd57: Array, hole: Array, w: Array, above: float, leaf: Array
) -> int:
    """Test one day for the first leaf of one plant, none where `hole` is missing; returns how many cells have it."""
    here, found = np.int16(date), 0
    for i in range(len(leaf)):
        total = due(w, age, synop[i], dde2[i], dd57[i] + 0.0 * hole[i])
        hit = leaf[i] == 0 and total > above
        leaf[i] = here if hit else leaf[i]
        found += 1 if hit else 0
    return found


@compiled
def heat_since_leaf(day: int, start: int, everywhere: bool, gap_zero: bool, g: Array, leaf: Array, agdh: Array) -> None:
    """Add a day to the heat since the leaf of one plant."""
    for i in range(len(g)):
        gain = 0.0 if gap_zero and g[i] != g[i] else g[i]
        agdh[i] += gain if everywhere or (leaf[i] > 0 and day - leaf[i] >= start) else 0.0


@compiled
def bloom_day(day: int, start: int, zero: int, w: Array, above: float, agdh: Array, leaf: Array, bloom: Array) -> int:
    """Test one day for the first bloom of one plant; returns how many cells have it."""
    age, heat, here, found = w[0], w[1], np.int16(day), 0
    for i in range(len(agdh)):
        since = day - leaf[i] - start
        on = leaf[i] > 0 and since >= 0 and bloom[i] == 0
        hit = on and age * (since + zero) + heat * agdh[i] > above
        bloom[i] = here if hit else bloom[i]
        found += 1 if hit else 0
    return found


@compiled
def note_gaps(g: Array, bloom: Array, seen: Array) -> None:
    """Mark cells that had a value, and a missing day, before their last bloom."""
    b0, b1, b2 = bloom[0], bloom[1], bloom[2]
    for i in range(len(g)):
        mark = 1 if g[i] == g[i] else 2
        seen[i] |= np.int16(0 if (b0[i] > 0 and b1[i] > 0 and b2[i] > 0) else mark)


@compiled
def fill_lags(day: int, padded: bool, heat: Array) -> None:
    """On the first day, let the days before it look like it: two of them, or all seven when padded."""
    today = heat[GDH + day % 3]
    heat[GDH + (day - 1) % 3] = today
    heat[GDH + (day - 2) % 3] = today
    for lag in range(1, 6):
        before = heat[DDE2 + (day - lag) % 6]
        for i in range(len(today)):
            two = today[i] + (today[i] if padded or lag < 2 else 0.0)
            before[i] = two + today[i] if padded else (two if lag < 3 else 0.0)


@compiled
def leaf_day_skipping(
    day: int, start: int, today: Array, scratch: Array, w: Array, above: float, heat: Array, leaf: Array, counts: Array
) -> None:
    """Leaf of a model that leaves cold days out: each cell keeps its own last warm days, the latest first."""
    for i in range(len(today)):
        if scratch[RANGE, i] + scratch[ABOVE, i] < 0.0:
            continue
        if day == start:
            heat[GDH, i] = heat[GDH + 1, i] = today[i]
            heat[DDE2, i], heat[DDE2 + 1, i] = today[i] + today[i], today[i]
        for lag in range(5, 0, -1):
            heat[DDE2 + lag, i] = heat[DDE2 + lag - 1, i]
        heat[DDE2, i] = today[i] + heat[GDH, i] + heat[GDH + 1, i]
        heat[GDH + 1, i], heat[GDH, i] = heat[GDH, i], today[i]
        heat[SYNOP, i] += 1.0 if heat[DDE2, i] >= 637.0 else 0.0
        for p in range(3):
            total = due(w[p], day - 1.0, heat[SYNOP, i], heat[DDE2, i], heat[DDE2 + 5, i])
            if leaf[p, i] == 0 and total > above:
                leaf[p, i] = day + (1 if p == 1 else 0)
                counts[LEAF + p] += 1
                counts[SETTLED + p] = day + 2


@compiled
def drop_cold(spread: Array, base: Array, gdh: Array) -> None:
    """Days left out bring no heat, not even where a faulty record has its minimum above its maximum."""
    for i in range(len(gdh)):
        gdh[i] = 0.0 if spread[i] + base[i] < 0.0 else gdh[i]


@compiled
def tile_hours(
    tile: int, lo: int, bounds: Bounds, light: Runs, table: Array, spread: Array, above: Array, gdh: Array
) -> int:
    """GDH of a tile that begins with cell `lo`, run by run; returns the cells whose day length cannot be."""
    starts, groups, dark = light.starts, light.groups, 0
    for run in range(light.tiles[tile], light.tiles[tile + 1]):
        a, b, day = np.uint64(starts[run] - lo), np.uint64(starts[run + 1] - lo), groups[run]
        if table[day, SUMS] != table[day, SUMS]:
            for i in range(a, b):
                spread[i] = gdh[i] = np.nan
            dark += starts[run + 1] - starts[run]
        elif bounds.inverted > 0:
            all_hours(table[day], a, b, spread, above, gdh)
        else:
            shared_hours(table, day, bounds, a, b, spread, above, gdh)
    return dark


@compiled
def heat_of(
    k: int, tile: int, lo: int, batch: Batch, table: Array, tmin: Array, tmax: Array, dayl: Array,
    heat: Array, scratch: Array, gdh: Array, counts: Array,
) -> int:  # fmt: skip
    """GDH of day `k` of a batch of one tile, its weather given, into `gdh`; returns how many cells lack the day."""
    units, rule, light = batch.units, batch.rule, batch.light
    prev, spread, above = heat[PREV_MIN : PREV_MAX + 1], scratch[RANGE], scratch[ABOVE]
    bounds = load_day(tmin, tmax, units, rule.lag_check, rule.guards, prev, scratch)
    if light.shared and (not light.told or as_shared(batch.dayl[k], dayl, light, tile, lo)):
        return bounds.gaps + tile_hours(tile, lo, bounds, light, table[k], spread, above, gdh)
    counts[STRANGE] += 1
    gaps = note_light(dayl, LONGEST_DAY * units[2], spread)
    if gaps == 0 and bounds.max_low <= 0.0 and bounds.max_high <= 0.0:
        gdh[:] = 0.0
    else:
        degree_hours(dayl, units[2], spread, above, gdh)
    return gaps


@compiled
def heat_day(
    k: int, tile: int, lo: int, batch: Batch, table: Array, order: Array, room: tuple[Array, Array, Array],
    heat: Array, scratch: Array, gdh: Array, counts: Array,
) -> int:  # fmt: skip
    """The same, its weather taken from the input, by way of the room for it if it does not lie there in order."""
    hi = lo + len(order)
    if batch.in_order:
        low, high, hours = batch.tmin[k, lo:hi], batch.tmax[k, lo:hi], batch.dayl[k, lo:hi]
        return heat_of(k, tile, lo, batch, table, low, high, hours, heat, scratch, gdh, counts)
    tmin, tmax, dayl = room[0][: len(order)], room[1][: len(order)], room[2][: len(order)]
    gather(batch.tmin[k], order, tmin)
    gather(batch.tmax[k], order, tmax)
    if batch.light.told:
        gather(batch.dayl[k], order, dayl)
    return heat_of(k, tile, lo, batch, table, tmin, tmax, dayl, heat, scratch, gdh, counts)


@compiled
def leaf_pass(
    today: int, start: int, rule: Rule, w: Array, above: float, heat: Array, leaf: Array, peak: float,
    peaks: Array, counts: Array,
) -> None:  # fmt: skip
    """First leaf on one day, for a model that counts every day."""
    if today == start:
        fill_lags(today, rule.edge_padding, heat)
        peaks[:PEAK_GDH] = 3.0 * peak
        peaks[PEAK_GDH : PEAK_GDH + 3] = peak
    dde2, dd57 = heat[DDE2 + today % 6], heat[DDE2 + (today - 5) % 6]
    hole = heat[DDE2 + (today - 3) % 6] if rule.gap_counts_zero else dd57
    g0, g1, g2 = heat[GDH + today % 3], heat[GDH + (today - 1) % 3], heat[GDH + (today - 2) % 3]
    three_days(g0, g1, g2, dde2)
    peaks[PEAK_GDH + today % 3] = peak
    sums = peak + peaks[PEAK_GDH + (today - 1) % 3] + peaks[PEAK_GDH + (today - 2) % 3]
    peaks[today % 6] = sums
    if sums >= 637.0:
        peaks[PEAK_SYNOP] += 1.0
        count_spells(dde2, heat[SYNOP])
    age, spells, late = today - 1.0, peaks[PEAK_SYNOP], peaks[(today - 5) % 6]
    for p in range(3):
        if counts[LEAF + p] < len(dde2) and due(w[p], age, spells, sums, late) > above:
            date = today + (1 if p == 1 else 0)
            counts[LEAF + p] += leaf_day(date, age, heat[SYNOP], dde2, dd57, hole, w[p], above, leaf[p])
            counts[SETTLED + p] = today + 2


@compiled
def bloom_pass(
    today: int, rule: Rule, w: Array, above: float, gdh: Array, heat: Array, dates: Array, peak: float,
    peaks: Array, counts: Array,
) -> None:  # fmt: skip
    """Heat and first bloom of the plants that have leaves."""
    for p in range(3):
        leaf, bloom, agdh = dates[LEAF + p], dates[BLOOM + p], heat[AGDH + p]
        if counts[LEAF + p] > 0 and counts[BLOOM + p] < len(gdh):
            everywhere = counts[LEAF + p] == len(gdh) and today >= counts[SETTLED + p]
            heat_since_leaf(today, rule.bloom_start, everywhere, rule.gap_counts_zero, gdh, leaf, agdh)
            peaks[PEAK_AGDH + p] += peak
            if w[p, 1] * peaks[PEAK_AGDH + p] > above:
                start, zero = rule.bloom_start, rule.bloom_day_zero
                counts[BLOOM + p] += bloom_day(today, start, zero, w[p], above, agdh, leaf, bloom)


@compiled
def tile_days(
    tile: int, lo: int, batch: Batch, table: Array, order: Array, room: tuple[Array, Array, Array],
    heat: Array, dates: Array, peaks: Array, counts: Array, scratch: Array,
) -> None:  # fmt: skip
    """Take one tile, its first cell is `lo`, through a batch of days."""
    cells, rule, start, above = dates.shape[1], batch.rule, batch.start, batch.above
    leaf = dates[LEAF : LEAF + 3]
    if batch.first == start:
        heat[PREV_MIN : PREV_MAX + 1] = np.nan
    for k in range(len(batch.tmin)):
        today = batch.first + k
        gdh = scratch[TODAY] if rule.skip_cold else heat[GDH + today % 3]
        gaps = heat_day(k, tile, lo, batch, table, order, room, heat, scratch, gdh, counts)
        peak = max(0.0, highest(gdh))
        if counts[:3].sum() < 3 * cells:
            if rule.skip_cold:
                leaf_day_skipping(today, start, gdh, scratch, batch.leaf, above, heat, leaf, counts)
            else:
                leaf_pass(today, start, rule, batch.leaf, above, heat, leaf, peak, peaks, counts)
        if rule.skip_cold:
            drop_cold(scratch[RANGE], scratch[ABOVE], gdh)
        bloom_pass(today, rule, batch.bloom, above, gdh, heat, dates, peak, peaks, counts)
        if gaps > 0 or counts[VALUED] == 0:
            note_gaps(gdh, dates[BLOOM : BLOOM + 3], dates[SEEN])
            counts[VALUED] = 1 if gaps == 0 else counts[VALUED]
        if counts[3:6].sum() == 3 * cells:
            return


@compiled
def tile_state(tmin: Array, order: Array, heat: Array, dates: Array, found: Array, gap_zero: bool) -> int:
    """What a tile needs of a batch."""
    state = NOTHING
    if found.sum() == 3 * len(order):
        return state
    for i in range(len(order)):
        waits = False
        for p in range(3):
            lost = heat[AGDH + p, i] != heat[AGDH + p, i] and not gap_zero
            waits = waits or not (lost or dates[BLOOM + p, i] > 0)
        if waits:
            if dates[SEEN, i] & SEEN_VALUE:
                return COMPUTE
            for k in range(len(tmin)):
                if tmin[k, order[i]] == tmin[k, order[i]]:
                    return COMPUTE
            state = TIME
    return state


@compiled
def tile_of(state: State, tile: int) -> tuple[int, Array, Array, Array]:
    """First cell, order, heat and dates of a tile; its rows lie side by side: loops over them are vectorised."""
    lo, hi = tile * state.size, min((tile + 1) * state.size, state.cells)
    heat = state.heat[lo * HEAT_ROWS : hi * HEAT_ROWS].reshape(HEAT_ROWS, hi - lo)
    return lo, state.order[lo:hi], heat, state.dates[lo * DATE_ROWS : hi * DATE_ROWS].reshape(DATE_ROWS, hi - lo)


@compiled
def block_needs(tmin: Array, gap_zero: bool, state: State) -> None:
    """Fill in what every tile of a block needs."""
    for t in range(len(state.needs)):
        _, order, heat, dates = tile_of(state, t)
        needs = tile_state(tmin, order, heat, dates, state.counts[t, 3:6], gap_zero)
        if needs != TIME or state.needs[t] != WAITING:
            state.needs[t] = needs


@compiled
def note_freeze(tmin: Array, limit: float, day: int, freeze: Array, holes: Array) -> None:
    """Remember the day where its minimum is a hard freeze; -1 after a missing day, which may have been one."""
    warm, here, unknown = 0, np.int16(day), np.int16(-1)
    for i in range(len(tmin)):
        warm += 1 if tmin[i] > limit else 0
    if warm == len(tmin):
        return
    for i in range(len(tmin)):
        known = tmin[i] == tmin[i]
        freeze[i] = freeze[i] if tmin[i] > limit else (here if known else unknown)
        holes[i] |= np.int16(0 if known else 1)


@compiled
def block_freezes(day: int, tmin: Array, limit: float, state: State) -> None:
    """Last hard freeze of every cell of a block, up to the end of this batch; minima above `limit` are none."""
    for lo in range(0, state.cells, state.size):
        hi = min(lo + state.size, state.cells)
        for k in range(len(tmin)):
            note_freeze(tmin[k, lo:hi], limit, day + k, state.freeze[lo:hi], state.holes[lo:hi])


@compiled
def block_dates(state: State) -> Array:
    """The dates of all cells, in the order of the input."""
    found = np.empty((DATE_ROWS, state.cells), np.int16)
    for t in range(len(state.needs)):
        _, order, _, dates = tile_of(state, t)
        for row in range(DATE_ROWS):
            for i in range(len(order)):
                found[row, order[i]] = dates[row, i]
    return found


@compiled
def wait_for_data(heat: Array, seen: Array) -> None:
    """A batch without a value: nothing is known of the days before those to come."""
    heat[: PREV_MAX + 1] = np.nan
    for i in range(len(seen)):
        seen[i] |= np.int16(0 if seen[i] & SEEN_VALUE else SEEN_GAP)


@compiled
def block_days(batch: Batch, lengths: Array, state: State) -> None:
    """Take the tiles that need it through a batch of days; a tile's state stays in the cache meanwhile."""
    table = np.empty((len(lengths), lengths.shape[1], TABLE))
    for k in range(len(lengths)):
        tabulate(lengths[k], batch.units[2], table[k])
    rows, size = np.empty(SCRATCH_ROWS * state.size), state.size
    room = np.empty(size, batch.tmin.dtype), np.empty(size, batch.tmax.dtype), np.empty(size, batch.dayl.dtype)
    for t in range(len(state.needs)):
        lo, order, heat, dates = tile_of(state, t)
        if state.needs[t] == COMPUTE:
            scratch = rows[: SCRATCH_ROWS * len(order)].reshape(SCRATCH_ROWS, len(order))
            tile_days(t, lo, batch, table, order, room, heat, dates, state.peaks[t], state.counts[t], scratch)
        elif state.needs[t] == TIME:
            wait_for_data(heat, dates[SEEN])
            state.needs[t] = WAITING
