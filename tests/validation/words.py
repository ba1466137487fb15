"""What the page says around its numbers."""

from __future__ import annotations

TEXTS = {
    "head": """# spring-index: how right is it?

`{command}` computed every number and drew every picture on this page (the numbers of the last section excepted, which
says so): {versions}. It ends with exit code 1 if one of the promises is broken. Real data come from
`SPRINGLINE_TEST_DATA`; what is made up says **SYNTHETIC**. All dates are days of the year from 1, also those of
`rsdat`, which stores them from 0. What the variants are stands in [spring-index.md](spring-index.md).

{promises}""",
    "stations": """## Against the published MATLAB toolbox

Daily extremes of {count} GHCN stations, {years} station-years, and the leaf and bloom index that the toolbox of Ault,
Zurita-Milla & Schwartz (2015) gives for them; both come with the toolbox. Gaps are filled as it fills them, and the
day length is its own formula. `matlab-2015` is the toolbox as released and has to be equal. `corrected` differs where
the released code leaves out cold days without moving its three-day sums; `npn` and `rsdat` count the heat for the
bloom from another day.

{table}

MAE: mean absolute error in days.

```{{figure}} figures/validation-stations.png
:alt: On the left points on a line; on the right bars, most of them at no difference.
Station-years. Left: `matlab-2015` over the toolbox, all on the line. Middle and right: how many days
each variant differs from the toolbox, on a logarithmic scale.
```""",
    "plain": """## Against a second implementation

[`tests/jobs/reference.py`](../tests/jobs/reference.py) is the model written down again: one cell, plain Python, hour
by hour, no tables, no shortcuts. On all station-years and the real Daymet pixels together, every plant's date:

{table}""",
    "tutorial": """## Against the tutorial's own formulas

[`tests/jobs/tutorial.py`](../tests/jobs/tutorial.py) is the RS-DAT tutorial's formulation in xarray: whole arrays, a
24-hour axis, rolling sums. Variant `rsdat` has to give its every date, its odd ways with missing days included. Dates
of the three plants on SYNTHETIC cells of every kind (tropics to Arctic, 300 days, float32), and on the real Daymet
pixels ({pixels} pixel-years):

{table}

A sea cell has no date on either side.""",
    "variants": """## The variants against each other

Leaf and bloom index of each variant against `corrected`; a positive number is later. `one side`: dates that only one
of the two has.

{table}

**Where the differences come from.** One switch at a time, all others as in `corrected`; the switch's variant stands
in brackets. Share of indices that change, and the largest change:

{switches}

- The *bloom start* is most of it: `npn` forgets the heat of the leaf day, `rsdat` counts that day as the first. Both
  move many blooms by a day or two; where spring is slow, a day's worth of heat takes many days.
- *Cold days left out* move leaves by up to a week or so, either way, in few years: after a warm spell in winter,
  where frost breaks it up.
- *Extremes made consistent* matter on days whose minimum lies above the next day's maximum: after a front has passed.
- The days *before the window* count where leaves open in the first days of January.
- A *missing day after the leaf* makes the bloom unknown, but in `rsdat`: dates on one side only.
- The *guards* matter where a day has no range or a minimum of exactly 0 °F, and hardly there; the *trigger* only
  where a sum is 999.5 to the last digit; *days 241 to 300* where spring comes very late.

```{{figure}} figures/validation-maps.png
:alt: Two maps of leaf and bloom, early in the south, late in the mountains.
SYNTHETIC country: leaf and bloom index of the corrected model.
```

```{{figure}} figures/validation-differences.png
:alt: Six maps of differences of up to a week, most of them zero.
SYNTHETIC country: each other variant minus the corrected model. Grey: sea.
```

The maps are of one year of the SYNTHETIC sample (`python -m jobs.spring_index.sample`): a made-up country with a
mountain range and a coast.""",
    "light": """## Day length

Daymet's own formula, with its steps of a milliradian in latitude, against the day length that its files hold; a cell
is off if it is by more than 0.01 s on any day:

{table}

The one cell lies on the edge of a step: its latitude in the file is rounded to float32. The toolbox's formula is
another one, up to {apart:.2f} h from Daymet's between 25° and 60° N. The step on 1 March is
the toolbox's own. What its day length does to dates, on the real pixels:

{dates}

```{{figure}} figures/validation-daylength.png
:alt: Curves over the year, one for each latitude; most lie at 0.1 to 0.4 h, that of 60° N between -0.5 and 1.1 h.
The toolbox's day length minus Daymet's over the year, at latitudes on both sides of the step at 40° N.
```""",
    "limits": """## What this page cannot show

- **A real map.** There is no small public file with daily minimum *and* maximum temperature of a grid: the maps are
  SYNTHETIC. Real are the stations, the pixels, and the day length of one grid.
- **Three stations** of one part of the world, {north} N, have results of the toolbox to compare with.
- **Agreement with nature.** *These numbers are not of this command*: they were measured once, elsewhere, with the
  lilac observations 1956–2009 that USA-NPN publishes, against the index of a weather station, less than 10 km
  away but in the last two rows:

{nature}

  An error of a week is normal: the indices compare years and places, they do not tell a gardener the day.""",
}
NATURE = (
    ("leaf, all lilacs", "1,486", "−3.9", "9.3", "0.83"),
    ("leaf, cloned lilac only", "876", "–", "7.3", "0.87"),
    ("bloom, all lilacs", "2,127", "−4.0", "7.0", "0.89"),
    ("lilac's own leaf, six stations, cloned lilac < 100 km", "59", "–", "7.4", "0.91"),
    ("lilac's own bloom, the same", "53", "–", "5.0", "0.90"),
)
