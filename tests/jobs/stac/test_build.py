"""Catalogs that are built: valid by pystac, as the lecture uses them, whole or not at all."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pystac
import pytest

from jobs.errors import OutputError
from jobs.stac import select, writing
from tests.jobs.s3server import S3
from tests.jobs.stac.conftest import Said
from tests.jobs.stac.servers import serve_dav, serve_web

pytestmark = pytest.mark.filterwarnings("ignore:get_item is deprecated")  # as the lecture calls it
Command = Callable[..., Said]
TABLE = """\
id,datetime,start_datetime,end_datetime,west,south,east,north,asset:data,asset:quality,collection,subcatalog,cloud,tile
one,2001-05-01,,,4,51,5,52,one.nc,https://data.invalid/one.tif,scenes,,12.5,007
two,,2002-01-01T00:00:00Z,2002-12-31T00:00:00Z,5,51,7,53,two.nc,,scenes,2002,3,31UFU
three,2003-05-01T10:00:00+02:00,,,,,,,s3://bucket/three.zarr,,,,,
"""


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection can be made."""

    def refuse(*_: object) -> None:
        raise OSError("a test without a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def files(folder: Path) -> list[str]:
    """Names below a directory, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("links", ["self-contained", "relative-published", "absolute-published"])
def test_the_catalog_of_the_lecture(links: str, command: Command, tmp_path: Path) -> None:
    """All regions and years; valid without a network; children and items are found as the lecture does."""
    said = command("stac-build", "daymet", "--links", links, "--output", tmp_path / "catalog", "--json")
    assert (said.code, said.values["items"], said.values["assets"], said.values["catalogs"]) == (0, 129, 387, 3)
    catalog = pystac.Catalog.from_file(said.values["catalog"])
    assert catalog.validate_all() == 129
    assert catalog.catalog_type == links.upper().replace("-", "_")
    assert [child.id for child in catalog.get_children()] == ["na", "hi", "pr"]
    child, item = catalog.get_child("hi"), catalog.get_item("pr-2022", recursive=True)
    assert child is not None and len(list(child.get_items())) == 43 and item is not None
    href = "https://thredds.daac.ornl.gov/thredds/fileServer/ornldaac/2129/daymet_v4_daily_pr_tmin_2022.nc"
    assert item.assets["tmin"].get_absolute_href() == href
    assert set(files(tmp_path)) == {f"catalog/{name}" for name in files(tmp_path / "catalog")}  # nothing beside it


def test_regions_are_where_they_are(data: Path, command: Command, tmp_path: Path) -> None:
    """Boxes and times are those of the published collections of Daymet."""
    command("stac-build", "daymet", "--years", "1980:2020", "--output", tmp_path / "catalog")
    for region in ("na", "hi", "pr"):
        ours = json.loads((tmp_path / "catalog" / region / "collection.json").read_text())["extent"]
        theirs = json.loads((data / f"stac-daymet/daymet-daily-{region}-collection.json").read_text())["extent"]
        assert ours["spatial"]["bbox"][0] == pytest.approx(theirs["spatial"]["bbox"][0], abs=1.5e-4)
        assert ours["temporal"] == theirs["temporal"]
        item = json.loads((tmp_path / "catalog" / region / f"{region}-1981/{region}-1981.json").read_text())
        said = item["properties"]
        assert (said["start_datetime"], said["end_datetime"]) == ("1981-01-01T12:00:00Z", "1981-12-31T12:00:00Z")
        points = item["geometry"]["coordinates"][0]
        bounds = [f(point[at] for point in points) for f in (min, max) for at in (0, 1)]
        assert bounds == pytest.approx(item["bbox"])


def test_local_data_are_named_relative_to_their_item(command: Command, tmp_path: Path) -> None:
    """A catalog beside its data can be moved with them; a published one with absolute links names whole paths."""
    (tmp_path / "data").mkdir()
    build = ("stac-build", "daymet", "--regions", "hi", "--years", "1980", "--root", tmp_path / "data", "--output")
    assert command(*build, tmp_path / "data/catalog").code == 0
    shutil.move(tmp_path / "data", tmp_path / "moved")
    item = pystac.Catalog.from_file(str(tmp_path / "moved/catalog/catalog.json")).get_item("hi-1980", recursive=True)
    assert item is not None
    assert item.assets["tmin"].href == "../../../daymet_v4_daily_hi_tmin_1980.nc"
    assert item.assets["tmin"].get_absolute_href() == f"{tmp_path}/moved/daymet_v4_daily_hi_tmin_1980.nc"
    absolute = ("--links", "absolute-published", "--published", "https://stac.invalid/daymet")
    assert command(*build, tmp_path / "published", *absolute).code == 0
    text = json.loads((tmp_path / "published/hi/hi-1980/hi-1980.json").read_text())
    assert text["assets"]["tmin"]["href"] == f"{tmp_path}/data/daymet_v4_daily_hi_tmin_1980.nc"
    assert {link["href"] for link in text["links"] if link["rel"] == "self"} == {
        "https://stac.invalid/daymet/hi/hi-1980/hi-1980.json"
    }


def test_sizes_are_asked_for(command: Command, tmp_path: Path) -> None:
    """They are noted; an asset that is not there is named, and the catalog is written."""
    for name in ("tmin", "tmax"):
        (tmp_path / f"daymet_v4_daily_hi_{name}_1980.nc").write_bytes(bytes(1000))
    build = ("stac-build", "daymet", "--regions", "hi", "--years", "1980", "--root", tmp_path, "--sizes")
    said = command(*build, "--output", tmp_path / "catalog", "--json")
    assert (said.code, said.values["bytes"]) == (1, 2000)
    missing = f"{tmp_path}/daymet_v4_daily_hi_dayl_1980.nc"
    assert said.values["missing"] == {missing: "not there"} and f"{missing}: not there" in said.errors
    item = json.loads((tmp_path / "catalog/hi/hi-1980/hi-1980.json").read_text())
    assert [asset.get("file:size") for asset in item["assets"].values()] == [1000, 1000, None]
    assert item["stac_extensions"] == ["https://stac-extensions.github.io/file/v2.1.0/schema.json"]


def test_why_a_size_is_not_known(command: Command, tmp_path: Path) -> None:
    """A server that denies it or is not there is no missing file."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/x.nc"
    with serve_web(tmp_path) as server:
        server.faults["/denied.nc"] = ["403"] * 9
        hrefs = {"gone": f"{server.url}/gone.nc", "denied": f"{server.url}/denied.nc", "nobody": nobody}
        lines = ["id,datetime,asset,href", *(f"x,2001-05-01,{key},{href}" for key, href in hrefs.items())]
        (tmp_path / "t.csv").write_text("\n".join(lines))
        said = command("stac-build", tmp_path / "t.csv", "--sizes", "--output", tmp_path / "catalog", "--json")
    missing = said.values["missing"]
    assert said.code == 1 and missing[hrefs["gone"]] == "not there"
    assert "denies it (HTTP 403)" in missing[hrefs["denied"]]
    assert missing[nobody].startswith("it cannot be asked: ") and "Connect" in missing[nobody]


def test_names_with_odd_letters(command: Command, tmp_path: Path) -> None:
    """Blanks, # and ? in an id and in the names of files; a URL of a file writes a blank as %20."""
    (tmp_path / "a b#c?d.nc").write_bytes(bytes(1000))
    hrefs = ("a b#c?d.nc", f"file://{tmp_path}/a%20b%23c%3Fd.nc")
    lines = ["id,datetime,asset:relative,asset:url", f"a b#c?d,2001-05-01,{','.join(hrefs)}"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    said = command("stac-build", tmp_path / "t.csv", "--sizes", "--output", tmp_path / "catalog", "--json")
    assert (said.code, said.values["bytes"]) == (0, 2000), said.errors
    (item,) = command("stac-list", tmp_path / "catalog", "--json").values["items"]
    assert [asset["href"] for asset in item["assets"]] == [str(tmp_path / "a b#c?d.nc")] * 2
    found = select.chosen(str(tmp_path / "catalog"), select.Filters(), pytest.fail)
    assert [one.href for one in found] == [str(tmp_path / "a b#c?d.nc")] * 2


def test_only_a_catalog_of_ours_is_replaced(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --overwrite; what a failed attempt meets stays as it was."""
    output = tmp_path / "catalog"
    build = ("stac-build", "daymet", "--regions", "hi", "--output", output, "--years")
    assert command(*build, "1980").code == 0
    assert "holds a catalog" in command(*build, "1981").errors
    assert command(*build, "1981", "--overwrite").code == 0
    (tmp_path / ".part-0badcafe-catalog").mkdir()  # of a run that was killed
    assert command(*build, "1981", "--overwrite").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["catalog"]
    before = files(tmp_path)
    assert before == [f"catalog/{name}" for name in ("catalog.json", "hi/collection.json", "hi/hi-1981/hi-1981.json")]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        said = command(*build, "1982", "--overwrite")
    assert said.code == 2 and "No space left" in said.errors and files(tmp_path) == before
    (output / "hi/data.nc").touch()
    said = command(*build, "1981", "--overwrite")
    assert said.code == 2 and "holds more than a catalog, such as hi/data.nc" in said.errors
    (output / "hi/data.nc").unlink()
    (output / "catalog.json").write_text('{"type": "Catalog"}')
    said = command(*build, "1981", "--overwrite")
    assert said.code == 2 and "no catalog of springline's" in said.errors


@pytest.mark.usefixtures("offline")
def test_a_table_makes_a_catalog(command: Command, tmp_path: Path) -> None:
    """Collections, subcatalogs, boxes, times and further columns; valid by pystac."""
    (tmp_path / "scenes.csv").write_text(TABLE)
    said = command("stac-build", tmp_path / "scenes.csv", "--output", tmp_path / "catalog", "--json")
    assert (said.code, said.values["items"], said.values["assets"], said.values["id"]) == (0, 3, 4, "scenes")
    catalog = pystac.Catalog.from_file(said.values["catalog"])
    assert catalog.validate_all() == 3
    one, two, three = (catalog.get_item(name, recursive=True) for name in ("one", "two", "three"))
    assert one is not None and two is not None and three is not None
    assert one.assets["data"].get_absolute_href() == str(tmp_path / "one.nc")
    assert one.assets["data"].media_type == "application/x-netcdf"
    assert (one.properties["cloud"], one.properties["tile"], one.bbox) == (12.5, "007", [4, 51, 5, 52])
    assert (two.datetime, two.common_metadata.title, list(two.assets)) == (None, None, ["data"])
    assert three.geometry is None and three.properties["datetime"] == "2003-05-01T08:00:00Z"
    collection = catalog.get_child("scenes")
    assert isinstance(collection, pystac.Collection)
    assert collection.extent.spatial.bboxes == [[4, 51, 5, 52]]
    folder = catalog.get_child("2002")
    assert folder is not None and [child.id for child in folder.get_children()] == ["scenes"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x,,,,4,51,5,52,a.nc,,,,,", "line 2: the item x has no datetime"),
        (",2001-01-01,,,4,51,5,52,a.nc,,,,,", "line 2: no id"),
        ("x,2001-01-01,,,4,52,5,51,a.nc,,,,,", "is no box"),
        ("x,2001-01-01,,,170,50,-170,51,a.nc,,,,,", "across the 180th meridian"),
        ("x,soon,,,4,51,5,52,a.nc,,,,,", "soon is no date or time"),
        ("x,2001-01-01,,,4,51,5,52,a.nc,,,,,,,,", "more values than columns"),
        ("x,,2002-01-01,2001-01-01,4,51,5,52,a.nc,,,,,", "ends before it begins"),
        ("x,2001-01-01,,,4,51,5,52,a.nc,,,,,\nx,2001-01-02,,,4,51,5,52,b.nc,,,,,", "line 3: a second item is called x"),
    ],
)
def test_a_line_that_cannot_be(line: str, message: str, command: Command, tmp_path: Path) -> None:
    """It is named, and nothing is written."""
    (tmp_path / "t.csv").write_text(TABLE.splitlines()[0] + f"\n{line}\n")
    said = command("stac-build", tmp_path / "t.csv", "--output", tmp_path / "catalog")
    assert said.code == 2 and message in said.errors, said.errors
    assert files(tmp_path) == ["t.csv"]


def test_assets_may_have_lines_of_their_own(command: Command, tmp_path: Path) -> None:
    """Columns asset and href: several lines make one item; the geometry may be GeoJSON."""
    point = json.dumps({"type": "Point", "coordinates": [5.1, 52.1]}).replace('"', '""')
    lines = ["id,datetime,geometry,asset,href", *(f'x,2001-05-01,"{point}",{key},{key}.nc' for key in ("a", "b"))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    assert command("stac-build", tmp_path / "t.csv", "--output", tmp_path / "catalog").code == 0
    item = pystac.Catalog.from_file(str(tmp_path / "catalog/catalog.json")).get_item("x")
    assert item is not None and list(item.assets) == ["a", "b"] and item.bbox == [5.1, 52.1, 5.1, 52.1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("daymet --regions na,ha", "Daymet has no ha"),
        ("daymet --variables tmn", "Did you mean tmin?"),
        ("daymet --years 1979:1980", "from 1980 on"),
        ("daymet --years 1982:1980", "not understood"),
        ("daymet --published https://x.invalid", "Add --links"),
        ("daymet daymet", "one catalog"),
        ("none.csv", "cannot be read"),
    ],
)
def test_what_cannot_be_built(arguments: str, message: str, command: Command, tmp_path: Path) -> None:
    """A message, and nothing is written."""
    said = command("stac-build", *arguments.split(), "--output", tmp_path / "catalog")
    assert said.code == 2 and message in said.errors, said.errors
    assert files(tmp_path) == []


def test_a_catalog_on_an_object_store(s3: S3, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, listed, replaced; its root is there only while the rest is."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    s3.put("catalogs")
    build = ("stac-build", "daymet", "--regions", "hi", "--output", "s3://catalogs/daymet", "--years")
    assert command(*build, "1980:1981").code == 0
    assert command(*build, "1982").code == 2
    assert command(*build, "1982", "--overwrite").code == 0
    keys = [one["Key"] for one in s3.client.list_objects(Bucket="catalogs")["Contents"]]
    assert keys == [f"daymet/{name}" for name in ("catalog.json", "hi/collection.json", "hi/hi-1982/hi-1982.json")]
    said = command("stac-list", "s3://catalogs/daymet", "--assets", "tmin", "--json")
    assert (said.code, said.values["item_count"], said.values["items"][0]["id"]) == (0, 1, "hi-1982")
    put, left = writing._put, [3]

    def break_off(url: str, text: str) -> None:
        left[0] -= 1
        if not left[0]:
            raise OutputError("The network is gone.")
        put(url, text)

    with monkeypatch.context() as patched:
        patched.setattr(writing, "_put", break_off)
        assert "network is gone" in command(*build, "1983", "--overwrite").errors
    assert command("stac-list", "s3://catalogs/daymet").code == 2  # half a catalog is none
    assert command(*build, "1983").code == 0  # and may be built anew
    keys = [one["Key"] for one in s3.client.list_objects(Bucket="catalogs")["Contents"]]
    assert keys == [f"daymet/{name}" for name in ("catalog.json", "hi/collection.json", "hi/hi-1983/hi-1983.json")]


def test_a_catalog_on_a_webdav_server(command: Command, tmp_path: Path) -> None:
    """Written with its directories, listed, replaced, and refused where something else is."""
    (tmp_path / "served").mkdir()
    with serve_dav(tmp_path / "served") as server:
        build = ("stac-build", "daymet", "--regions", "hi", "--output", f"dav://{server.server}/a/catalog", "--years")
        assert command(*build, "1980").code == 0
        assert "holds a catalog" in command(*build, "1981").errors
        assert command(*build, "1981", "--overwrite").code == 0
        expected = [f"a/catalog/{name}" for name in ("catalog.json", "hi/collection.json", "hi/hi-1981/hi-1981.json")]
        assert files(tmp_path / "served") == expected
        said = command("stac-list", f"dav://{server.server}/a/catalog", "--items", "hi-1981", "--json")
        assert (said.code, said.values["item_count"]) == (0, 1)
        server.full = True
        said = command(*build[:-2], f"dav://{server.server}/b/catalog", "--years", "1980")
        assert said.code == 2 and not (tmp_path / "served/b/catalog/catalog.json").exists(), said.errors
        server.full = False
        (tmp_path / "served/a/catalog/catalog.json").rename(tmp_path / "served/a/catalog/other.json")
        assert "no catalog of springline's" in command(*build, "1981", "--overwrite").errors
