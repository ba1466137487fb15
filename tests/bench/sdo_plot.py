"""sdo-irradiance's picture: text times given to matplotlib, as the page does, against ours."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

FRAMES = (3_000, 130_000)
"""A year of a frame each four minutes has 130,000; the page's way would take many minutes for it."""
MOST_SECONDS = 2.0
CADENCE = 240


def rows(count: int) -> pd.DataFrame:
    """What would be found in `count` files: rotation and noise, flares, eclipses, a gap, bad and lost frames."""
    import pandas as pd

    chance = np.random.default_rng(94)
    seconds = np.arange(count) * CADENCE
    span = count * CADENCE
    mean = 1.15 + 0.12 * np.sin(seconds / (27 * 86400) * 2 * np.pi) + chance.normal(0, 0.004, count)
    for at, height in zip(chance.uniform(0.1, 0.9, 6), (0.3, 0.5, 0.2, 2.0, 0.4, 4.0), strict=True):
        since = (seconds - at * span) / 1800
        mean += np.where(since >= 0, height * np.exp(-np.clip(since, 0, 50)), 0)
    exptime = np.where(mean > 2, 1.2, 2.9)
    quality = np.where(chance.random(count) < 0.01, 1 << 8, 0)
    mean = np.where(quality > 0, mean * chance.uniform(0.3, 1.2, count), mean)
    status = np.where(chance.random(count) < 0.002, "corrupt", "ok")
    times = pd.Series(np.datetime64("2020-01-01", "ms") + (seconds * 1000 + 570).astype("timedelta64[ms]"))
    made = pd.DataFrame(
        {
            "key": [f"s3://gov-nasa-hdrl-data1/sdo/aia/0094/sdo_aia_h2_{i:07}_0094_v1.fits" for i in range(count)],
            "time": times.dt.strftime("%Y-%m-%dT%H:%M:%S.57Z").where(status == "ok", None),
            "start": times.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "mean_dn": np.where(status == "ok", mean * exptime / 2.9, np.nan),
            "n_valid": 4096**2,
            "exptime": exptime,
            "quality": quality,
            "bytes": 13_910_400,
            "status": status,
        }
    )
    day, hour = seconds // 86400, seconds % 86400 / 3600
    eclipse = (day % 180 > 40) & (day % 180 < 63) & (hour > 6) & (hour < 7)
    gap = (seconds > 0.60 * span) & (seconds < 0.63 * span)
    return made[~eclipse & ~gap] if count > 100 else made


def page(found: pd.DataFrame) -> bytes:
    """The page: T_OBS as text, unsorted, through `plot`, which is what `plot_date` is since Matplotlib 3.11."""
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots()
    good = found[found["time"].notna()]
    axis.plot(good["time"].tolist(), good["mean_dn"].tolist(), "o")
    plt.xticks(rotation=90)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    plt.close(figure)
    return stream.getvalue()


def ours(found: pd.DataFrame) -> bytes:
    """springline, from the rows."""
    from jobs.sdo.irradiance.plot import draw
    from jobs.sdo.irradiance.table import About, dataset, table

    return draw(dataset(table(found), About("aia_0094")))


def seconds_of(call: Callable[..., Any], *arguments: object) -> float:
    """How long a call takes."""
    begin = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - begin


def main() -> None:
    """Print the table."""
    import matplotlib as mpl

    from tests.bench.report import goal, table

    mpl.use("Agg")
    few, many = (rows(count) for count in FRAMES)
    ours(rows(10))  # imports and the font cache are the same for all
    took = {count: seconds_of(ours, found) for count, found in zip(FRAMES, (few, many), strict=True)}
    lines = [
        ["page: times as text", f"{FRAMES[0]:,}", f"{seconds_of(page, few):.2f}"],
        *(["springline, from rows to PNG", f"{count:,}", f"{seconds:.2f}"] for count, seconds in took.items()),
    ]
    table(("", "frames", "seconds"), lines)
    print()
    goal(f"{FRAMES[1]:,} frames in at most {MOST_SECONDS:g} s", reached=took[FRAMES[1]] <= MOST_SECONDS)


if __name__ == "__main__":
    main()
