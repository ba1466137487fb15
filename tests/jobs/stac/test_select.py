"""Choosing from a catalog: the same from a directory, over HTTP and from an API; what is broken costs only itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pystac_client.exceptions import APIError

from jobs.errors import InputError, UsageError
from jobs.stac import api as apis
from jobs.stac import select
from tests.jobs.s3server import S3
from tests.jobs.stac.conftest import Said
from tests.jobs.stac.servers import Web, serve_dav, serve_web

Choose = Callable[..., list[select.Chosen]]


@pytest.fixture(params=["directory", "http", "api"])
def url(request: pytest.FixtureRequest) -> str:
    """One catalog, three ways."""
    if request.param == "directory":
        return str(request.getfixturevalue("daymet"))
    if request.param == "http":
        return f"{request.getfixturevalue('web').url}/catalog/catalog.json"
    return str(request.getfixturevalue("api"))


def choose(url: str, notes: list[str] | None = None, items: str | None = None, **options: str) -> list[select.Chosen]:
    """What is chosen with these options of the command line."""
    return list(select.chosen(url, select.filters(options, items), [].append if notes is None else notes.append))


def pairs(found: list[select.Chosen]) -> set[str]:
    """ITEM/ASSET of what is chosen."""
    assert not any(one.problem for one in found)
    return {f"{one.item}/{one.asset}" for one in found}


def test_filters_choose_the_same_everywhere(url: str) -> None:
    """Ids, patterns, assets, box, time and collections, alone and together."""
    assert select.is_catalog(url)
    everything = choose(url)
    assert len(everything) == len(pairs(everything)) == 18
    assert pairs(choose(url, items="hi-1980", assets="tmin,tmax")) == {"hi-1980/tmin", "hi-1980/tmax"}
    assert pairs(choose(url, items="*-1981,pr-1980", assets="d*")) == {"hi-1981/dayl", "pr-1981/dayl", "pr-1980/dayl"}
    assert pairs(choose(url, time="1982/..", assets="tmin")) == {"hi-1982/tmin", "pr-1982/tmin"}
    assert pairs(choose(url, time="1980-12-30T12:00:00Z", assets="tmin")) == {"hi-1980/tmin", "pr-1980/tmin"}
    assert pairs(choose(url, bbox="-158,21,-157,22", assets="tmin", time="1981")) == {"hi-1981/tmin"}
    assert pairs(choose(url, collections="p*", items="*-1980", assets="tmin")) == {"pr-1980/tmin"}
    assert pairs(choose(url, collections="pr", time="1980/1981", assets="tmax")) == {"pr-1980/tmax", "pr-1981/tmax"}


def test_what_is_said_of_an_asset(url: str) -> None:
    """Its place, its item's catalogs and collection, when it begins, what it is."""
    (one,) = choose(url, items="hi-1980", assets="tmin")
    assert one.href == "https://data.invalid/daymet/daymet_v4_daily_hi_tmin_1980.nc"
    assert (one.parents, one.collection, one.datetime) == (("hi",), "hi", "1980-01-01T12:00:00Z")
    assert (one.media_type, one.size, one.properties["region"]) == ("application/x-netcdf", None, "hi")


def test_what_is_not_there_is_told_with_what_there_is(url: str) -> None:
    """An unknown id beside a known one fails alone; where nothing is left it is an error of the command."""
    known, unknown = choose(url, items="hi-1980,hi-198", assets="tmin")
    assert known.item == "hi-1980" and "'hi-198' in" in unknown.problem and "Did you mean 'hi-198" in unknown.problem
    for options, message, hint in [
        ({"items": "hi_1980"}, "hi_1980", "hi-1980"),
        ({"time": "1990"}, "--time 1990", "collections hi, pr"),
        ({"bbox": "0,0,1,1"}, "--bbox 0,0,1,1", "hi-1980"),
        ({"collections": "na"}, "--collections na", "collections hi, pr"),
        ({"assets": "tmim*"}, "has an asset tmim*", "tmin, tmax, dayl"),
    ]:
        with pytest.raises(InputError) as error:
            choose(url, **options)
        assert message in error.value.message and hint in error.value.hint, error.value.message + error.value.hint


def test_an_asset_that_an_item_lacks_is_that_items_problem(daymet: Path, tmp_path: Path) -> None:
    """The other items are chosen."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    edit(copy / "hi/hi-1981/hi-1981.json", lambda item: item["assets"].pop("tmin"))
    found = choose(str(copy), assets="tmin", collections="hi")
    problems = [one.problem for one in found if one.problem]
    assert [one.item for one in found] == ["hi-1980", "hi-1981", "hi-1982"]
    assert problems == ["the item hi-1981 has no asset 'tmin'; it has tmax, dayl."]


def test_pages_of_an_api_are_all_read(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items come page by page."""
    monkeypatch.setattr(apis, "PAGE", 2)
    assert len(choose(api, assets="tmin")) == 6


def test_what_is_broken_costs_only_itself(daymet: Path, tmp_path: Path) -> None:
    """Broken links, loops, cut-off files, an item without a datetime and one twice: named, the others are chosen."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    hi = copy / "hi/collection.json"
    (copy / "hi/hi-1980/hi-1980.json").unlink()
    cut = copy / "hi/hi-1981/hi-1981.json"
    cut.write_text(cut.read_text()[:300])
    edit(copy / "hi/hi-1982/hi-1982.json", lambda item: item["properties"].pop("start_datetime"))
    shutil.copytree(copy / "pr/pr-1980", copy / "pr/again")
    link(copy / "pr/collection.json", "item", "./again/pr-1980.json")
    link(copy / "catalog.json", "child", "./gone/catalog.json")
    link(hi, "child", "../catalog.json")
    link(hi, "child", "./collection.json")
    notes: list[str] = []
    found = choose(str(copy), notes, assets="tmin")
    assert pairs([one for one in found if not one.problem]) == {"pr-1980/tmin", "pr-1981/tmin", "pr-1982/tmin"}
    problems = {one.item: one.problem for one in found if one.problem}
    assert set(problems) == {"hi-1980", "hi-1981", "hi-1982", "pr-1980", "catalog"}
    assert "hi-1980.json is not there" in problems["hi-1980"] and "broken link in" in problems["hi-1980"]
    assert "no JSON, or cut off (line" in problems["hi-1981"]
    assert "The item hi-1982" in problems["hi-1982"] and "has no datetime" in problems["hi-1982"]
    assert "a second item is called pr-1980 in pr" in problems["pr-1980"]
    assert "gone/catalog.json is not there" in problems["catalog"]
    assert sum("a loop, not followed" in note for note in notes) == 2
    notes.clear()
    some = choose(str(copy), notes, items="pr-198[12]", assets="tmin")
    assert [one.item for one in some] == ["pr-1981", "pr-1982", "catalog"]  # the lost catalog may have held one
    assert len(notes) == 5 and sum("broken link" in note for note in notes) == 2  # an item without a time is no link


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 5}, "its id is 5, which is no text"),
        ({"id": None}, "its id is null"),
        ({"collection": 5}, "its collection is 5"),
        ({"bbox": [1, 2, 3]}, "its bbox is [1, 2, 3]"),
        ({"assets": {"tmin": {}}}, "its asset tmin has no href"),
        ({"properties": {"start_datetime": "soon", "end_datetime": "later"}}, "no STAC: "),
    ],
)
def test_an_item_that_says_odd_things_is_one_problem(
    change: dict[str, Any], message: str, daymet: Path, tmp_path: Path
) -> None:
    """The others are chosen, by patterns, box and time too."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    edit(copy / "hi/hi-1981/hi-1981.json", lambda item: item.update(change))
    found = choose(str(copy), assets="tmin", collections="h*", bbox="-161,18,-154,24", time="1980/..")
    (problem,) = (one.problem for one in found if one.problem)
    assert [one.item for one in found] == ["hi-1980", "hi-1981", "hi-1982"]
    assert message in problem and "hi-1981.json" in problem and "broken link" not in problem


def test_a_link_without_an_href_is_one_problem(daymet: Path, tmp_path: Path) -> None:
    """It is named; what the other links of the catalog lead to is chosen. Links that lead to no items do not matter."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    edit(copy / "hi/collection.json", lambda found: found["links"].extend([{"rel": "item"}, {"rel": "license"}, 5]))
    found = choose(str(copy), assets="tmin")
    assert len(pairs([one for one in found if not one.problem])) == 6
    problems = [one.problem for one in found if one.problem]
    assert all(f"broken link in {copy}/hi/collection.json: link " in one for one in problems)
    assert [one.rpartition(" has ")[2] for one in problems] == ["no href (item)", "no rel"]


def test_a_catalog_that_is_linked_as_an_item_too(daymet: Path, tmp_path: Path) -> None:
    """The one link is broken, the other is followed."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    root = copy / "catalog.json"
    edit(root, lambda found: found["links"].insert(0, {"rel": "item", "href": "./hi/collection.json"}))
    found = choose(str(copy), assets="tmin")
    assert len(pairs([one for one in found if not one.problem])) == 6
    assert [one.problem.partition("/copy/")[2] for one in found if one.problem] == [
        f"catalog.json: {copy}/hi/collection.json is no item but a Collection"
    ]


def test_a_catalog_that_is_below_itself_under_other_names(daymet: Path, tmp_path: Path) -> None:
    """Links of the file system make ever new names, and two of them ever more: each is seen through at once."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    for name in ("me", "myself"):
        (copy / name).symlink_to(copy)
        link(copy / "catalog.json", "child", f"./{name}/catalog.json")
    notes: list[str] = []
    assert pairs(choose(str(copy), notes, items="hi-1980", assets="tmin")) == {"hi-1980/tmin"}
    assert sum("once more: a loop" in note for note in notes) == 2


def test_a_catalog_that_two_others_link_is_read_once(daymet: Path, tmp_path: Path) -> None:
    """Its items are chosen once."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    link(copy / "pr/collection.json", "child", "../hi/collection.json")
    link(copy / "pr/collection.json", "item", "../hi/hi-1980/hi-1980.json")
    assert len(choose(str(copy), assets="tmin")) == 6


def test_a_copy_of_a_published_catalog_means_its_own_files(daymet: Path, tmp_path: Path) -> None:
    """Links are relative to where a file was read, wherever the catalog says it stands."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    for path in copy.rglob("*.json"):
        link(path, "self", f"https://published.invalid/{path.relative_to(copy)}")
    edit(copy / "hi/hi-1980/hi-1980.json", lambda item: item["assets"]["tmin"].update(href="./tmin.nc"))
    (one,) = choose(str(copy), items="hi-1980", assets="tmin")
    assert one.href == str(copy / "hi/hi-1980/tmin.nc")


@pytest.mark.parametrize(
    ("answer", "message", "advice"),
    [("401", "login", "netrc"), ("500", "500", "later"), ("<html>", "a web page, not with JSON", "address of the API")],
)
def test_an_api_that_does_not_answer(
    answer: str, message: str, advice: str, tmp_path: Path, command: Callable[..., Said]
) -> None:
    """What it says instead, and what to do."""
    (tmp_path / "v1").write_text("<html>Welcome</html>")
    with serve_web(tmp_path) as server:
        server.faults["/v1"] = [answer] * 9 if answer.isdigit() else []
        said = command("stac-list", f"{server.url}/v1")
    assert said.code == 2 and message in said.errors and advice in said.errors, said.errors


def test_an_api_whose_search_fails(tmp_path: Path) -> None:
    """The root answers, the search does not."""
    with serve_web(tmp_path) as server:
        conforms = "https://api.stacspec.org/v1.0.0/item-search"
        links = [{"rel": "search", "href": f"{server.url}/search", "type": "application/geo+json"}]
        root = {"type": "Catalog", "id": "x", "description": "x", "stac_version": "1.0.0", "links": links}
        (tmp_path / "v1").write_text(json.dumps({**root, "conformsTo": [conforms]}))
        with pytest.raises(InputError, match="answers with status 501"):  # it knows no POST
            choose(f"{server.url}/v1")


def test_an_api_that_denies_a_search() -> None:
    """It is said where the login goes."""
    error = APIError("no")
    error.status_code = 401
    said = apis.wrong("https://stac.invalid/v1", error)
    assert "answers with status 401" in said.message and "machine stac.invalid login" in said.hint


def test_an_item_of_an_api_that_says_odd_things_is_one_problem(daymet: Path) -> None:
    """The others are found."""
    found = json.loads((daymet / "hi/hi-1980/hi-1980.json").read_text())
    assert apis._node("https://stac.invalid", found).item is not None
    for change, message in (({"id": 5}, "its id is 5"), ({"links": 5, "properties": {}}, "no datetime")):
        node = apis._node("https://stac.invalid", {**found, **change})
        assert node.item is None and node.is_leaf and message in node.problem
    assert apis._node("https://stac.invalid", {**found, "links": [{"rel": "self"}, 5]}).id == "hi-1980"


def test_what_is_a_catalog(daymet: Path, web: Web, tmp_path: Path) -> None:
    """Files and servers that say STAC; a user's own JSON files, stores and other URLs are none."""
    (tmp_path / "own.json").write_text('{"type": "FeatureCollection", "features": []}')
    (tmp_path / "X.SAFE").mkdir()
    assert select.is_catalog(str(daymet)) and select.is_catalog(str(daymet / "hi/collection.json"))
    assert select.is_catalog(str(daymet / "hi/hi-1980/hi-1980.json"))
    others = ["own.json", "X.SAFE", "none.json", "none"]
    assert not any(select.is_catalog(str(tmp_path / name)) for name in others)
    seen = len(web.seen)
    assert not select.is_catalog(f"{web.url}/x/tmin.nc") and len(web.seen) == seen  # a name is enough
    assert not select.is_catalog(f"{web.url}/x/none")


@pytest.mark.parametrize("place", ["directory", "file", "http", "dav", "s3"])
def test_a_catalog_is_its_directory_too(
    place: str, daymet: Path, web: Web, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everywhere, with or without a slash at its end; a collection of it as well."""
    with serve_dav(daymet.parent) as dav:
        if place == "s3":
            for name, value in s3.env.items():
                monkeypatch.setenv(name, value)
            s3.put("directories")
            for path in filter(Path.is_file, daymet.rglob("*")):
                s3.put(f"directories/{path.relative_to(daymet.parent).as_posix()}", path.read_bytes())
        top = {
            "directory": str(daymet), "file": daymet.as_uri(), "http": f"{web.url}/catalog",
            "dav": f"dav://{dav.server}/catalog", "s3": "s3://directories/catalog",
        }[place]  # fmt: skip
        for url in (f"{top}/hi", f"{top}/hi/"):
            assert select.is_catalog(url) and len(choose(url)) == 9
        assert select.is_catalog(top) and len(choose(top)) == 18
        assert not select.is_catalog(f"{top}/hi/hi-1980") and not select.is_catalog(f"{top}/none")


def test_a_catalog_that_was_not_there_a_moment_ago(daymet: Path, tmp_path: Path) -> None:
    """A notebook asks again: answers are not kept."""
    assert not select.is_catalog(str(tmp_path / "copy"))
    with serve_web(tmp_path) as server:
        assert not select.is_catalog(f"{server.url}/copy")
        shutil.copytree(daymet, tmp_path / "copy")
        assert select.is_catalog(str(tmp_path / "copy")) and select.is_catalog(f"{server.url}/copy")


def test_a_url_of_a_file_is_read_as_one(daymet: Path, tmp_path: Path) -> None:
    """What it has to write as %20 is a blank of the name; a name with %20 in it is found too."""
    copy = shutil.copytree(daymet, tmp_path / "copy")
    hrefs = {"tmin": f"file://{tmp_path}/a%20b.nc", "tmax": f"file://{tmp_path}/100%25.nc"}
    (tmp_path / "100%25.nc").touch()
    item = {key: {"href": href} for key, href in hrefs.items()}
    edit(copy / "hi/hi-1980/hi-1980.json", lambda found: found.update(assets=item))
    found = choose(str(copy), items="hi-1980")
    assert {one.href for one in found} == {f"{tmp_path}/a b.nc", f"{tmp_path}/100%25.nc"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bbox": "-158,22,-157,21"}, "upside down"),
        ({"bbox": "170,-10,-170,10"}, "upside down"),
        ({"bbox": "0,0,1"}, "not four numbers"),
        ({"bbox": "0,0,1,91"}, "not on Earth"),
        ({"time": "1982/1980"}, "ends before it begins"),
        ({"time": "spring"}, "not understood"),
        ({"time": "1980-13"}, "not understood"),
    ],
)
def test_filters_that_cannot_be(options: dict[str, Any], message: str) -> None:
    """Refused before anything is read."""
    with pytest.raises(UsageError, match=message):
        select.filters(options, None)


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file."""
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def link(path: Path, rel: str, href: str) -> None:
    """Add a link."""
    edit(path, lambda found: found["links"].append({"rel": rel, "href": href}))
