"""--show: the numbers and the picture of one moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobs.cli import cli
from tests.jobs.sdo.trees import Combine, Tree, moments


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Five steps and, much later, one of a single channel."""
    tree = Tree(tmp_path / "tree")
    for moment in moments(5):
        tree.add(moment)
    tree.add("2010-05-01T01:36", ("0094",))
    return tree


@pytest.fixture(params=["posix", "object"])
def store(tree: Tree, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The tree combined."""
    combine = Combine(tmp_path / "s.zarr")
    combine(tree.inventory(), layout=request.param, shard_steps=2 if request.param == "posix" else None)
    return combine.output


def show(store: Path, moment: str, *more: str) -> Result:
    """`run sdo-combine --output STORE --show T` in this process."""
    return CliRunner().invoke(cli, ["run", "sdo-combine", "--output", str(store), "--show", moment, *more])


def test_moment(store: Path, tree: Tree) -> None:
    """The step at most half a cadence away is shown: numbers of every channel, where they come from, a picture."""
    from PIL import Image

    said = show(store, "2010-05-01T00:17").output
    assert "2010-05-01T00:12, step 1" in said
    image = tree.images["2010-05-01T00:12", "bx"]
    assert f"{image.min():.4g}" in said and "HMI20100501_0012_bx.npz" in said
    with Image.open(store.with_name("s.zarr.2010-05-01T0012.png")) as picture:
        assert picture.width > 800


def test_values(store: Path, tree: Tree) -> None:
    """--json has the same, and None where a channel is missing."""
    told: dict[str, Any] = json.loads(show(store, "2010-05-01T01:36Z", "--json").stdout)
    image, missing = tree.images["2010-05-01T01:36", "0094"], {"valid": False, "min": None, "mean": None, "max": None}
    assert told["time"] == "2010-05-01T01:36" and told["index"] == 8
    assert told["channels"]["bx"] == missing | {"source": None}
    found = told["channels"]["0094"]
    assert found["valid"] and found["min"] == image.min() and found["max"] == image.max()
    assert found["mean"] == pytest.approx(image.mean(dtype=float))


def test_no_picture(store: Path) -> None:
    """Where no picture can be written the numbers are said all the same."""
    store.with_name("s.zarr.2010-05-01T0012.png").mkdir()
    done = show(store, "2010-05-01T00:12")
    assert done.exit_code == 0 and "HMI20100501_0012_bx.npz" in done.output and "no picture: " in done.output


def test_damaged_chunk(store: Path) -> None:
    """A chunk that cannot be decoded is named, and how to mend it."""
    for path in store.glob("data/c/*/0/0/0"):
        path.write_bytes(path.read_bytes()[:-50])
    done = show(store, "2010-05-01T00:12")
    assert done.exit_code == 2 and "Remove data/c/" in done.output


@pytest.mark.parametrize(
    ("moment", "near"),
    [
        ("2010-05-01T01:06", "2010-05-01T00:48 and 2010-05-01T01:36"),
        ("2010-05-02T00:00", "2010-05-01T01:36"), ("2009-01-01", "2010-05-01T00:00"),
    ],
)  # fmt: skip
def test_no_such_moment(store: Path, moment: str, near: str) -> None:
    """Where there is nothing the neighbours are named."""
    done = show(store, moment)
    assert done.exit_code == 2 and f"The next steps there are: {near}." in done.output


def test_no_store(tmp_path: Path) -> None:
    """A store that is not there, or is another's, ends in 60."""
    assert show(tmp_path / "s.zarr", "2010-05-01").exit_code == 60
    (tmp_path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    assert show(tmp_path, "2010-05-01").exit_code == 60
