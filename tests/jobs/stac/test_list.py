"""Catalogs and APIs as `stac-list` shows them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.jobs.stac.conftest import Said
from tests.jobs.stac.test_select import edit, link

Command = Callable[..., Said]


def test_a_catalog_as_a_tree(daymet: Path, command: Command, tmp_path: Path) -> None:
    """Collections with their extents and numbers of items, items, assets with sizes as far as they are known."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    edit(copy / "hi/hi-1980/hi-1980.json", lambda item: item["assets"]["tmin"].update({"file:size": 11_500_000_000}))
    said = command("stac-list", copy, "--assets", "tmin", "--limit", "2")
    lines = [" ".join(line.split()) for line in said.output.splitlines()]
    base = "https://data.invalid/daymet/daymet_v4_daily_hi_tmin"
    assert said.code == 0 and lines == [
        "daymet-daily-v4",
        "hi Daymet daily, Hawaii 1980-01-01T12:00:00Z/1982-12-31T12:00:00Z -160.31,17.95,-154.77,23.52 3 items",
        "hi-1980 1980-01-01T12:00:00Z/1980-12-30T12:00:00Z -160.31,17.95,-154.77,23.52",
        f"tmin 11.5 GB application/x-netcdf {base}_1980.nc",
        "hi-1981 1981-01-01T12:00:00Z/1981-12-31T12:00:00Z -160.31,17.95,-154.77,23.52",
        f"tmin - application/x-netcdf {base}_1981.nc",
        "pr Daymet daily, Puerto Rico 1980-01-01T12:00:00Z/1982-12-31T12:00:00Z -67.99,16.84,-64.12,19.94 3 items",
        "… and 4 items more",
        "6 items; 2 assets listed, 11.5 GB as far as the catalog says",
    ]


def test_a_catalog_as_json(daymet: Path, command: Command) -> None:
    """One object with stable keys."""
    values = command("stac-list", daymet, "--items", "pr-1981", "--assets", "dayl", "--json").values
    assert (values["schema_version"], values["type"], values["item_count"], values["complete"]) == (
        1, "catalog", 1, True,
    )  # fmt: skip
    assert [(one["id"], one["type"], one["items"]) for one in values["collections"]] == [
        ("hi", "Collection", 0), ("pr", "Collection", 1),
    ]  # fmt: skip
    (item,) = values["items"]
    assert set(item) == {
        "id", "collection", "parents", "href", "datetime", "start_datetime", "end_datetime", "bbox", "assets",
    }  # fmt: skip
    assert [set(asset) for asset in item["assets"]] == [{"key", "href", "type", "size", "checksum"}]


def test_an_api(api: str, command: Command) -> None:
    """Its collections, then items until there are enough."""
    values = command("stac-list", api, "--limit", "4", "--json").values
    assert (values["type"], values["item_count"], values["complete"]) == ("api", 4, False)
    assert {one["id"] for one in values["collections"]} == {"hi", "pr"}
    said = command("stac-list", api, "--collections", "pr", "--time", "1981", "--assets", "tmin")
    assert said.code == 0 and said.output.splitlines()[-1] == "1 item; 1 asset listed", said.output


def test_what_is_broken_is_named_after_the_rest(daymet: Path, command: Command, tmp_path: Path) -> None:
    """Exit code 1; all else is listed."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    (copy / "hi/hi-1980/hi-1980.json").write_text("{")
    link(copy / "catalog.json", "child", "./gone/catalog.json")
    said = command("stac-list", copy, "--json")
    assert said.code == 1 and said.values["item_count"] == 5 and "2 failed" in said.errors
    assert {Path(one["href"]).name for one in said.values["problems"]} == {"hi-1980.json", "catalog.json"}
    (copy / "catalog.json").write_text(json.dumps({"no": "stac"}))
    said = command("stac-list", copy)
    assert said.code == 2 and "is no STAC" in said.errors


def test_a_directory_that_is_no_catalog(command: Command, tmp_path: Path) -> None:
    """It is said what it lacks."""
    said = command("stac-list", tmp_path)
    assert said.code == 2 and f"{tmp_path} is a directory without a catalog.json" in said.errors, said.errors


def test_two_catalogs_of_one_name(daymet: Path, command: Command, tmp_path: Path) -> None:
    """The items of each are counted for it."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    pr = copy / "pr/collection.json"
    edit(pr, lambda found: found.update(id="hi", links=[one for one in found["links"] if "1982" not in one["href"]]))
    values = command("stac-list", copy, "--json").values
    assert [(one["id"], one["items"]) for one in values["collections"]] == [("hi", 3), ("hi", 2)]
