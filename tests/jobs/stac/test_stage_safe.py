"""What must not be lost: catalogs of others, what was staged before, files that are no copies; ids of all kinds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pystac
import pytest

from jobs import storage
from jobs.stac import places
from tests.jobs.conftest import ROOT
from tests.jobs.s3server import S3
from tests.jobs.stac.conftest import Said
from tests.jobs.stac.servers import Web, serve_dav, serve_web
from tests.jobs.stac.test_stage import assets, fetched, make
from tests.jobs.stac.test_stage_copy import configure
from tests.jobs.stac.test_stage_names import ODD

Command = Callable[..., Said]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """Files of two items with three assets each."""
    (tmp_path / "web").mkdir()
    for year in (1980, 1981):
        for key in ("tmin", "tmax", "dayl"):
            (tmp_path / f"web/{key}_{year}.nc").write_bytes(f"{key} {year}".encode() * 100)
    with serve_web(tmp_path / "web") as server:
        yield server


@pytest.fixture
def catalog(web: Web, tmp_path: Path) -> Path:
    """The catalog of them: hi/hi-1980 and hi/hi-1981."""
    return make(tmp_path / "catalog", web.url)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a directory."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(path: Path, **values: Any) -> None:  # noqa: ANN401 - whatever JSON holds
    """Let a JSON file say something else."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("fault", ["403 Forbidden", "half"])
@pytest.mark.parametrize("name", ["catalog.json", "hi/catalog.json", "hi/hi-1980/hi-1980.json"])
def test_what_cannot_be_read_is_not_forgotten(
    command: Command, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    """A file of the staged catalog that is denied or cut off: exit 2, it is named, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "served").mkdir()
    with serve_dav(tmp_path / "served") as dav:
        to = ("--to", f"dav://{dav.server}/x")
        assert command("stac-stage", catalog, "--items", "hi-1980", "--assets", "tmin", *to).code == 0
        if fault == "half":
            file = tmp_path / "served/x" / name
            file.write_bytes(file.read_bytes()[:99])
        else:
            dav.faults[f"GET /x/{name}"] = [fault] * 99
        before = contents(tmp_path / "served")
        dav.seen.clear()
        said = command("stac-stage", catalog, "--assets", "tmax", *to)
        assert said.code == 2 and f"x/{name}" in said.errors, said.errors
        assert contents(tmp_path / "served") == before
        assert not [line for line in dav.seen if line.startswith(("PUT", "MOVE", "DELETE"))]


def test_a_server_that_is_busy_is_asked_again(
    command: Command, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 to a look at the catalog and to its writing, once each; for good it is an error with its place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(storage, "WAITS", (0.0, 0.0))
    (tmp_path / "served").mkdir()
    with serve_dav(tmp_path / "served") as dav:
        call = ("stac-stage", catalog, "--items", "hi-1980", "--to", f"dav://{dav.server}/x", "--assets")
        assert command(*call, "tmin").code == 0
        busy = "503 Service Unavailable"
        dav.faults |= {"GET /x/catalog.json": [busy], "HEAD /x/hi/catalog.json": [busy]}
        monkeypatch.setattr(places, "_scratch", lambda path: path.replace("hi-1980.json", ".part-0-hi-1980.json"))
        dav.faults["PUT /x/hi/hi-1980/.part-0-hi-1980.json"] = [busy]
        said = command(*call, "tmin,tmax")
        assert said.code == 0, said.errors
        dav.faults["PUT /x/hi/hi-1980/.part-0-hi-1980.json"] = [busy] * 99
        said = command(*call, "tmin,tmax,dayl")
        assert said.code == 2 and "hi-1980.json cannot be written" in said.errors and "503" in said.errors
        dav.faults.clear()
    assert sum(one["href"].startswith("./") for one in assets(tmp_path / "served/x/catalog.json").values()) == 2


@pytest.mark.parametrize("text", ['{"a": 1}', '{"type": "Catalog", "id": "x", "description": "", "links": [], '
                                  '"stac_version": "1.0.0"}'])  # fmt: skip
@pytest.mark.parametrize("name", ["catalog.json", "collection.json"])
def test_a_catalog_of_others_is_refused(command: Command, catalog: Path, tmp_path: Path, name: str, text: str) -> None:
    """Up front, by name; it stays as it is."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(text)
    said = command("stac-stage", catalog, "--to", tmp_path / "out")
    assert said.code == 2 and f"out/{name} is there and is no catalog of copies" in said.errors, said.errors
    assert contents(tmp_path / "out") == {name: text.encode()}


@pytest.mark.parametrize("how", ["below", "item", "link", "link below"])
def test_the_catalog_that_is_read_is_not_written(command: Command, catalog: Path, tmp_path: Path, how: str) -> None:
    """Neither by one of its parts nor through a link; the message names --update."""
    root = catalog.parent
    (tmp_path / "link").symlink_to(root)
    source = {"below": root / "hi/catalog.json", "item": root / "hi/hi-1980/hi-1980.json", "link": root,
              "link below": tmp_path / "link/hi/catalog.json"}[how]  # fmt: skip
    before = contents(root)
    said = command("stac-stage", source, "--to", tmp_path / "link" if how == "link" else root)
    assert said.code == 2 and "is the catalog itself" in said.errors and "--update" in said.errors, said.errors
    assert contents(root) == before


def test_a_copy_is_not_named_as_its_item(command: Command, web: Web, catalog: Path, tmp_path: Path) -> None:
    """An asset called hi-1980.json has another name beside the item hi-1980."""
    (web.folder / "hi-1980.json").write_text("{}")
    item = catalog.parent / "hi/hi-1980/hi-1980.json"
    change(item, assets={"note": {"href": f"{web.url}/hi-1980.json"}})
    assert command("stac-stage", catalog, "--items", "hi-1980", "--to", tmp_path / "out").code == 0
    href = assets(tmp_path / "out/catalog.json")["hi-1980 note"]["href"]
    assert (tmp_path / "out/hi/hi-1980" / href).read_text() == "{}" and href != "./hi-1980.json"


def test_items_of_one_name_from_two_catalogs(command: Command, web: Web, catalog: Path, tmp_path: Path) -> None:
    """The second is refused, and the first stays, unless --overwrite is said; a moved catalog is the same."""
    out, (other,) = tmp_path / "out", [make(tmp_path / "other", f"{web.url}/other")]
    (web.folder / "other").mkdir()
    (web.folder / "other/tmin_1980.nc").write_bytes(b"another")
    assert command("stac-stage", catalog, "--items", "hi-1980", "--assets", "tmin", "--to", out).code == 0
    before = contents(out)
    call = ("stac-stage", other, "--items", "hi-1980", "--assets", "tmin", "--to", out)
    said = command(*call)
    assert said.code == 1 and contents(out) == before
    assert "is an item hi-1980 of another catalog" in (tmp_path / "out.run/failed.csv").read_text()
    catalog.parent.rename(tmp_path / "moved")
    moved = tmp_path / "moved/catalog.json"
    assert command("stac-stage", moved, "--items", "hi-1980", "--assets", "tmin,tmax", "--to", out).code == 0
    assert fetched(web) == ["tmax_1980.nc", "tmin_1980.nc"]
    assert command(*call, "--overwrite").code == 0
    assert (out / "hi/hi-1980/tmin_1980.nc").read_bytes() == b"another"
    assert assets(out / "catalog.json")["hi-1980 tmin"]["alternate"]["origin"]["href"].endswith("/other/tmin_1980.nc")


@pytest.mark.parametrize("name", ["tmin_1980.nc", "hi-1980.json"])
@pytest.mark.parametrize("update", [False, True])
def test_files_that_are_no_copies_stay(
    command: Command, catalog: Path, tmp_path: Path, name: str, update: bool
) -> None:
    """In the place of a copy or of an item, also when asked twice; --overwrite replaces them."""
    file = tmp_path / "out/hi/hi-1980" / name
    file.parent.mkdir(parents=True)
    file.write_text('{"mine": true}')
    call = ["stac-stage", catalog, "--assets", "tmin", "--to", tmp_path / "out", *(["--update"] if update else [])]
    if update and name.endswith(".json"):
        pytest.skip("nothing is written there")
    ledger = tmp_path / "out.run/ledger.jsonl"
    for again in range(3):
        assert command(*call).code == 1 and file.read_text() == '{"mine": true}'
        if again:  # as if the run had been killed
            ledger.write_text("".join(line for line in ledger.read_text().splitlines(True) if '"end"' not in line))
        assert f"{name} is there and is" in (tmp_path / "out.run/failed.csv").read_text()
    found = assets(catalog if update else tmp_path / "out/catalog.json")
    assert found["hi-1981 tmin"]["file:size"] == 900 and "file:size" not in found.get("hi-1980 tmin", {})
    assert command(*call, "--overwrite").code == 0 and file.read_text() != '{"mine": true}'


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_first_staging_leaves_a_catalog(command: Command, web: Web, tmp_path: Path, number: int) -> None:
    """It names what stays where it is; the next run goes on, and knows copies of which nothing was noted."""
    (web.folder / "tmax_1980.nc").write_bytes(os.urandom(1 << 20) * 24)
    catalog, out = make(tmp_path / "catalog", web.url), tmp_path / "out"
    words = ["stac-stage", str(catalog), "--to", str(out), "--json"]
    how: dict[str, Any] = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    web.pause = 0.01
    alone = [sys.executable, "-m", "jobs", "run", *words]
    run = subprocess.Popen(alone, **how, start_new_session=True)
    end = time.monotonic() + 60
    while not list(out.rglob("tmin_1980.nc")):
        assert time.monotonic() < end and run.poll() is None, run.communicate()
        time.sleep(0.02)
    (os.killpg if number == signal.SIGKILL else os.kill)(run.pid, number)
    run.communicate()
    found = assets(out / "catalog.json")
    assert len(found) == 6 and all("//" in one["href"] or (out / one["href"]) for one in found.values())
    web.pause = 0.0
    ledger = tmp_path / "out.run/ledger.jsonl"  # as if it had been killed before a copy was noted
    ledger.write_text("".join(line for line in ledger.read_text().splitlines(True) if '"done"' not in line))
    again = command(*words)
    assert again.code == 0, again.errors
    assert all(one["href"].startswith("./") for one in assets(out / "catalog.json").values())
    assert not list(out.rglob(".*"))


def test_ids_of_all_kinds(command: Command, tmp_path: Path) -> None:
    """Each has a place of its own in the directory; one that is no text fails alone; pystac finds all."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/h%23x.bin").write_text("one")
    (tmp_path / "data/p q.bin").write_text("two")
    source = tmp_path / "source"
    source.mkdir()
    ids = [*(text for text in ODD if text), "x" * 251]
    links = []
    for number, name in enumerate([*ids, 5]):
        values = {
            "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [],
            "properties": {"datetime": "1980-01-01T00:00:00Z"},
            "assets": {"a": {"href": "../data/h%23x.bin"}, "b": {"href": "../data/p q.bin"}},
        }  # fmt: skip
        (source / f"{number}.json").write_text(json.dumps(values))
        links.append({"rel": "item", "href": f"./{number}.json"})
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "../../up", "description": "odd", "links": links}
    (source / "catalog.json").write_text(json.dumps(root))
    said = command("stac-stage", source, "--to", tmp_path / "deep/er/out")
    assert said.code == 1, said.errors
    out = tmp_path / "deep/er/out"
    assert {path.name for path in tmp_path.iterdir()} == {"data", "source", "deep"}
    found = assets(out / "catalog.json")
    assert set(found) == {f"{name} {key}" for name in ids for key in "ab"}
    items = pystac.Catalog.from_file(str(out / "catalog.json")).get_items()
    paths = [Path(item.assets[key].get_absolute_href() or "") for item in items for key in "ab"]
    assert len(set(paths)) == 2 * len(ids) and {path.read_text() for path in paths} == {"one", "two"}


def test_a_new_signature_copies_nothing_again(command: Command, web: Web, catalog: Path, tmp_path: Path) -> None:
    """What lets somebody in for a while is used, and written down nowhere."""
    item, out = catalog.parent / "hi/hi-1980/hi-1980.json", tmp_path / "out"
    for signature in ("first", "second"):
        signed = {key: {"href": f"{web.url}/{key}_1980.nc?sv=2020&sig={signature}"} for key in ("tmin", "tmax")}
        change(item, assets=signed)
        assert command("stac-stage", catalog, "--items", "hi-1980", "--assets", "tmin", "--to", out).code == 0
    assert fetched(web) == ["tmin_1980.nc"]
    found = assets(out / "catalog.json")
    assert found["hi-1980 tmin"]["alternate"]["origin"]["href"] == f"{web.url}/tmin_1980.nc"
    assert found["hi-1980 tmax"]["href"] == f"{web.url}/tmax_1980.nc"
    written = {**contents(out), **contents(tmp_path / "out.run")}
    assert [name for name, content in written.items() if b"sig=" in content] == []


def test_update_counts_copies_without_its_run_directory(command: Command, catalog: Path, tmp_path: Path) -> None:
    """The catalog knows where they came from; one that is gone comes again."""
    out = tmp_path / "out"
    call = ("stac-stage", catalog, "--assets", "tmin", "--to", out, "--update", "--json")
    assert command(*call).values["staged"] == 2
    for path in (tmp_path / "out.run").glob("ledger*"):
        path.unlink()
    assert command(*call).values["staged"] == 2
    for path in (tmp_path / "out.run").glob("ledger*"):
        path.unlink()
    (out / "hi/hi-1980/tmin_1980.nc").unlink()
    assert command(*call).code == 0 and (out / "hi/hi-1980/tmin_1980.nc").stat().st_size == 900


def test_update_goes_on_after_a_kill(command: Command, catalog: Path, tmp_path: Path) -> None:
    """A copy that appeared before it was noted is no file of somebody else's."""
    call = ("stac-stage", catalog, "--items", "hi-1980", "--assets", "tmin", "--to", tmp_path / "out", "--update")
    item = catalog.parent / "hi/hi-1980/hi-1980.json"
    before = item.read_text()
    assert command(*call).code == 0
    item.write_text(before)
    ledger = tmp_path / "out.run/ledger.jsonl"
    ledger.write_text("".join(line for line in ledger.read_text().splitlines(True) if '"start"' in line))
    assert command(*call).code == 0
    assert assets(catalog)["hi-1980 tmin"]["href"].endswith("out/hi/hi-1980/tmin_1980.nc")


def test_no_path_of_this_machine_in_a_catalog_on_s3(
    command: Command, catalog: Path, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the items were read is said of URLs alone."""
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, {"s3": {"endpoint_url": s3.url}}, {**s3.keys, "AWS_ENDPOINT_URL": s3.url})
    s3.put("no-paths")
    assert command("stac-stage", catalog, "--assets", "tmin", "--to", "s3://no-paths/x").code == 0
    for one in s3.client.list_objects(Bucket="no-paths")["Contents"]:
        body = s3.client.get_object(Bucket="no-paths", Key=one["Key"])["Body"].read()
        assert str(tmp_path).encode() not in body, one["Key"]


def test_a_place_that_does_not_answer(command: Command, catalog: Path) -> None:
    """It is named, and it is no mistake in the program."""
    said = command("stac-stage", catalog, "--to", "ftp://127.0.0.1:1/x")
    assert said.code == 2 and "ftp://127.0.0.1:1/x" in said.errors, said.errors


@pytest.mark.parametrize("place", ["disk", "dav"])
def test_files_of_this_machine_are_staged_and_again(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """All of a local item, then again: the catalog names the copies and where they came from, on a server as file://."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "served").mkdir()
    (tmp_path / "data").mkdir()
    for key in ("tmin", "tmax", "dayl"):
        (tmp_path / f"data/{key}_1980.nc").write_bytes(key.encode() * 100)
    catalog = make(tmp_path / "catalog", str(tmp_path / "data"))
    with serve_dav(tmp_path / "served") as dav:
        to = str(tmp_path / "served") if place == "disk" else f"dav://{dav.server}/"
        for asked in ("tmin,tmax", "tmin,tmax,dayl", "tmin,tmax,dayl"):
            said = command(
                "stac-stage", catalog, "--items", "hi-1980", "--assets", asked, "--to", f"{to.rstrip('/')}/x"
            )
            assert said.code == 0, said.errors
            there = assets(tmp_path / "served/x/catalog.json")
            copied = {key.partition(" ")[2] for key, one in there.items() if one["href"].startswith("./")}
            assert copied == set(asked.split(",")), there
            origin = f"{'' if place == 'disk' else 'file://'}{tmp_path}/data/tmin_1980.nc"
            assert there["hi-1980 tmin"]["alternate"]["origin"]["href"] == origin
