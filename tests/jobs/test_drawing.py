"""Pictures for notebooks: north is up, dates stand beside days of the year, tasks stand behind what they need."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr
from dask import delayed

from jobs import drawing


@pytest.fixture(autouse=True)
def no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Figures are drawn without a screen, and forgotten afterwards."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: None)
    yield
    plt.close("all")


@pytest.mark.parametrize("north_first", [True, False])
def test_north_is_up(north_first: bool) -> None:
    """Whatever the order of the rows in the file; days of the year get dates, axes kilometres."""
    import matplotlib.pyplot as plt

    y = np.array([3000.0, 2000.0, 1000.0])
    days = xr.DataArray(
        np.array([[60.0, 60], [91, 91], [121, 121]]), {"y": y, "x": [1000.0, 2000.0]}, ("y", "x"),
        attrs={"long_name": "first leaf", "units": "1", "comment": "day of year, 1 = 1 January"},
    )  # fmt: skip
    drawing.maps(days if north_first else days[::-1])
    axis, bar = plt.gcf().axes
    (image,) = axis.get_images()
    assert image.get_array()[0, 0] == 60 and image.get_extent() == [0.5, 2.5, 0.5, 3.5]
    labels = [label.get_text() for label in bar.get_yticklabels()]
    assert labels == ["1 Mar", "15 Mar", "1 Apr", "15 Apr", "1 May"] and bar.get_ylabel() == "first leaf"


def test_a_task_stands_behind_what_it_needs() -> None:
    """A column further to the right than the last of them."""
    one = delayed(int)("1")
    needs = delayed(sum)([one, delayed(abs)(one)]).dask.get_all_dependencies()
    places = drawing._places(needs)
    assert all(places[task][0] > places[other][0] for task, needed in needs.items() for other in needed)
    assert len(set(places.values())) == len(needs)


def test_a_line_of_time_has_a_bar_for_each_attempt() -> None:
    """Of the ledger those with a worker count, of Dask those that computed; they begin at zero."""
    import matplotlib.pyplot as plt

    ledger = [
        {"event": "start", "time": 5.0},
        {"state": "done", "worker": "a", "time": 10.0, "seconds": 2.0},
        {"state": "failed", "worker": "", "time": 9.0, "seconds": 0.0},
    ]
    stream = [
        {"key": "sum-1", "worker": "b", "startstops": [
            {"action": "transfer", "start": 10.0, "stop": 11.0}, {"action": "compute", "start": 11.0, "stop": 14.0}]},
    ]  # fmt: skip
    drawing.timeline([*ledger, *stream])
    axis = plt.gca()
    bars = [path.get_extents().bounds[::2] for many in axis.collections for path in many.get_paths()]
    assert sorted(bars) == [(0.0, 2.0), (1.0, 3.0)]
    assert [label.get_text() for label in axis.get_legend().get_texts()] == ["done", "sum"]
