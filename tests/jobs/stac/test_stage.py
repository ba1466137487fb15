"""stac-stage as a user calls it: what is copied, what the catalogs say then, killed, full, refused."""

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

import pytest

from jobs import storage
from tests.jobs.conftest import ROOT
from tests.jobs.s3server import S3
from tests.jobs.stac.conftest import Said
from tests.jobs.stac.servers import NAME, PASSWORD, TOKEN, Web, serve_dav, serve_web
from tests.jobs.stac.test_stage_copy import configure

Command = Callable[..., Said]
YEARS, KEYS = (1980, 1981), ("tmin", "tmax", "dayl")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """Files of two items with three assets each."""
    folder = tmp_path / "web"
    folder.mkdir()
    for year in YEARS:
        for key in KEYS:
            (folder / f"{key}_{year}.nc").write_bytes(f"{key} {year}".encode() * 100)
    with serve_web(folder) as server:
        yield server


@pytest.fixture
def catalog(web: Web, tmp_path: Path) -> Path:
    """The catalog of them: hi/hi-1980 and hi/hi-1981."""
    return make(tmp_path / "catalog", web.url)


def make(folder: Path, root: str, kind: str = "SELF_CONTAINED") -> Path:
    """Write a catalog of the two items, with assets below a root."""
    from datetime import UTC, datetime

    import pystac

    top = pystac.Catalog("daymet", "Daymet", title="All of it")
    below = pystac.Catalog("hi", "Hawaii", title="The islands")
    top.add_child(below)
    for year in YEARS:
        item = pystac.Item(f"hi-{year}", None, None, datetime(year, 1, 1, tzinfo=UTC), {"region": "hi"})
        for key in KEYS:
            item.add_asset(key, pystac.Asset(f"{root}/{key}_{year}.nc", media_type="application/netcdf"))
        below.add_item(item)
    top.normalize_and_save(str(folder), pystac.CatalogType[kind])
    return folder / "catalog.json"


def assets(catalog: str | Path) -> dict[str, dict[str, Any]]:
    """What a catalog says of its assets, read with pystac alone from this machine, after pystac found it valid."""
    import pystac

    root = pystac.Catalog.from_file(str(catalog))
    validate(root)
    return {f"{item.id} {key}": asset.to_dict() for item in root.get_items(recursive=True)
            for key, asset in item.assets.items()}  # fmt: skip


def validate(root: Any) -> None:  # noqa: ANN401 - a catalog of pystac
    """Let pystac look at all of it, without the schema of the extension `file`, which is far away."""
    import pystac

    for folder, _, items in root.walk():
        folder.validate()
        for item in items:
            copy = pystac.Item.from_dict(item.to_dict(), preserve_dict=True)
            copy.stac_extensions = [name for name in copy.stac_extensions if "/file/" not in name]
            copy.validate()


def fetched(web: Web) -> list[str]:
    """Names of the files that were asked for."""
    return sorted(line.split()[1].strip("/") for line in web.seen if line.startswith("GET"))


def test_only_what_is_asked_for_is_copied(command: Command, web: Web, catalog: Path, tmp_path: Path) -> None:
    """Copies beside their items, named relative to them; all else where it is; sizes and checksums are there."""
    import fsspec

    out = tmp_path / "out"
    said = command("stac-stage", catalog, "--items", "hi-1980", "--assets", "tmin,tmax", "--to", out, "--json")
    assert said.code == 0, said.errors
    assert fetched(web) == ["tmax_1980.nc", "tmin_1980.nc"]
    found = assets(out / "catalog.json")
    assert set(found) == {f"hi-1980 {key}" for key in KEYS}
    assert found["hi-1980 dayl"] == {"href": f"{web.url}/dayl_1980.nc", "type": "application/netcdf"}
    staged = found["hi-1980 tmin"]
    assert staged["href"] == "./tmin_1980.nc" and staged["alternate"]["origin"]["href"] == f"{web.url}/tmin_1980.nc"
    assert staged["file:size"] == 900 and staged["file:checksum"].startswith("1220")
    with fsspec.open(str(out / "hi/hi-1980/tmin_1980.nc")) as stream:
        assert stream.read() == b"tmin 1980" * 100
    assert json.loads((out / "hi/catalog.json").read_text())["title"] == "The islands"
    values = said.values
    assert (values["items"], values["assets"], values["staged"], values["staged_bytes"]) == (1, 3, 2, 1800)
    assert values["catalog"] == str(out / "catalog.json") and values["bytes_in"] == 1800


def test_again_does_nothing_and_more_keeps_what_is_there(
    command: Command, web: Web, catalog: Path, tmp_path: Path
) -> None:
    """The same call asks the server nothing and writes nothing; another asset or item comes to those that are there."""
    out = tmp_path / "out"
    first = ("stac-stage", catalog, "--items", "hi-1980", "--assets", "tmin", "--to", out)
    assert command(*first).code == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    web.seen.clear()
    assert command(*first).code == 0
    assert web.seen == [] and {path: path.stat().st_mtime_ns for path in out.rglob("*.json")} == before
    for path in tmp_path.glob("out.run/*"):  # a lost ledger loses nothing: the catalog knows
        path.unlink() if path.is_file() else None
    assert command("stac-stage", catalog, "--assets", "tmax", "--to", out, "--json").values["staged"] == 3
    assert command(*first).code == 0
    assert fetched(web) == ["tmax_1980.nc", "tmax_1981.nc"]
    found = assets(out / "catalog.json")
    relative = {name for name, asset in found.items() if asset["href"].startswith("./")}
    assert relative == {"hi-1980 tmin", "hi-1980 tmax", "hi-1981 tmax"} and len(found) == 6


def test_a_copy_that_was_damaged_or_replaced_comes_again(
    command: Command, web: Web, catalog: Path, tmp_path: Path
) -> None:
    """One that has another size, and one whose asset the catalog now has from somewhere else."""
    out = tmp_path / "out"
    call = ("stac-stage", catalog, "--items", "hi-1980", "--assets", "tmin", "--to", out)
    assert command(*call).code == 0
    (out / "hi/hi-1980/tmin_1980.nc").write_bytes(b"half")
    assert command(*call).code == 0 and len(web.gets("tmin_1980.nc")) == 2
    (web.folder / "new").mkdir()
    (web.folder / "new/tmin_1980.nc").write_bytes(b"new")
    item = tmp_path / "catalog/hi/hi-1980/hi-1980.json"
    item.write_text(item.read_text().replace(f"{web.url}/tmin", f"{web.url}/new/tmin"))
    assert command(*call).code == 0
    assert (out / "hi/hi-1980/tmin_1980.nc").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["s3", "webdav", "dcache"])
def test_a_catalog_on_other_places(
    command: Command, web: Web, catalog: Path, tmp_path: Path, s3: S3, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies and their catalog on S3, WebDAV and dCache are the same, and come back from there to this machine."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "served").mkdir()
    with serve_dav(tmp_path / "served", dcache=kind == "dcache") as dav:
        known = {
            "s3": {"endpoint_url": s3.url}, "webdav": {"base_url": dav.base},
            "dcache": {"api_url": f"{dav.base}/api/v1", "webdav_url": dav.base, "token": TOKEN},
        }  # fmt: skip
        configure(monkeypatch, known, {**s3.keys, "AWS_ENDPOINT_URL": s3.url})
        root = {"s3": "s3://staged-to", "webdav": dav.url, "dcache": "dcache://data"}[kind]
        if kind == "s3":
            s3.put("staged-to")
        for _ in range(2):
            assert command("stac-stage", catalog, "--assets", "tmin", "--to", f"{root}/x").code == 0
        assert fetched(web) == ["tmin_1980.nc", "tmin_1981.nc"]
        assert command("stac-stage", f"{root}/x/catalog.json", "--assets", "tmin", "--to", tmp_path / "back").code == 0
        found = assets(tmp_path / "back/catalog.json")
        assert found["hi-1981 tmin"]["href"] == "./tmin_1981.nc"
        assert found["hi-1981 tmin"]["alternate"]["origin"]["href"] == f"{web.url}/tmin_1981.nc"
        assert found["hi-1981 dayl"]["href"] == f"{web.url}/dayl_1981.nc"
        assert (tmp_path / "back/hi/hi-1981/tmin_1981.nc").read_bytes() == b"tmin 1981" * 100
        fs, path = storage.filesystem(f"{root}/x")
        names = {str(name).rpartition("/")[2] for name in fs.find(path)}
        assert names == {"catalog.json", "hi-1980.json", "hi-1981.json", "tmin_1980.nc", "tmin_1981.nc"}


def test_update_rewrites_the_catalog_itself(command: Command, web: Web, catalog: Path, tmp_path: Path) -> None:
    """Relative where the copies lie below it, absolute elsewhere; a second call does nothing; other keys stay."""
    below, far = catalog.parent, tmp_path / "far"
    assert command("stac-stage", catalog, "--assets", "tmin", "--to", below, "--update").code == 0
    assert command("stac-stage", catalog, "--items", "hi-1980", "--assets", "tmax", "--to", far, "--update").code == 0
    assert command("stac-stage", catalog, "--assets", "tmin", "--to", below, "--update").code == 0
    assert fetched(web) == ["tmax_1980.nc", "tmin_1980.nc", "tmin_1981.nc"]
    found = assets(catalog)
    assert found["hi-1980 tmin"]["href"] == "./tmin_1980.nc" and found["hi-1980 tmin"]["file:size"] == 900
    assert found["hi-1980 tmax"]["href"] == str(far / "hi/hi-1980/tmax_1980.nc")
    assert found["hi-1981 tmax"]["href"] == f"{web.url}/tmax_1981.nc"
    assert found["hi-1980 tmin"]["type"] == "application/netcdf"
    (below / "hi/hi-1980/tmin_1980.nc").unlink()
    assert command("stac-stage", catalog, "--assets", "tmin", "--to", below, "--update").code == 0
    assert len(web.gets("tmin_1980.nc")) == 2, "the ledger knows where a copy that is gone came from"


def test_update_of_a_catalog_on_s3_and_on_a_server_that_is_only_read(
    command: Command, web: Web, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 is rewritten; HTTP is refused, with what to do instead."""
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, {"s3": {"endpoint_url": s3.url}}, {**s3.keys, "AWS_ENDPOINT_URL": s3.url})
    s3.put("rewritten")
    folder = make(tmp_path / "catalog", web.url).parent
    for path in folder.rglob("*.json"):
        s3.put(f"rewritten/c/{path.relative_to(folder)}", path.read_bytes())
    said = command(
        "stac-stage", "s3://rewritten/c/catalog.json", "--assets", "tmin", "--to", "s3://rewritten/c", "--update"
    )
    assert said.code == 0, said.errors
    body = s3.client.get_object(Bucket="rewritten", Key="c/hi/hi-1980/hi-1980.json")["Body"].read()
    assert json.loads(body)["assets"]["tmin"]["href"] == "./tmin_1980.nc"
    make(web.folder, web.url)
    said = command("stac-stage", f"{web.url}/catalog.json", "--to", tmp_path / "out", "--update")
    assert said.code == 2 and "can only be read" in said.errors and "Leave --update out" in said.errors


def test_what_fails_stays_where_it_is_and_the_rest_goes_on(
    command: Command, web: Web, catalog: Path, tmp_path: Path
) -> None:
    """A file that is not there, one that was replaced, two of one name: named, exit code 1, and a valid catalog."""
    (web.folder / "tmin_1980.nc").unlink()
    item = catalog.parent / "hi/hi-1981/hi-1981.json"
    values = json.loads(item.read_text())
    values["assets"]["tmin"]["file:size"] = 5
    values["assets"]["same"] = {"href": f"{web.url}/elsewhere/tmax_1981.nc"}
    item.write_text(json.dumps(values))
    said = command("stac-stage", catalog, "--assets", "tmin,tmax,same", "--to", tmp_path / "out", "--retries", "0")
    assert (said.code == 1 and "5 items are not done" in said.errors) or "4 items are not done" in said.errors, (
        said.errors
    )
    failed = (tmp_path / "out.run/failed.csv").read_text()
    assert "tmin_1980.nc is not there." in failed and "has 900 bytes, and the catalog says 5" in failed
    assert "both called tmax_1981.nc" in failed and "has no asset 'same'" in failed
    found = assets(tmp_path / "out/catalog.json")
    assert {name for name, asset in found.items() if asset["href"].startswith("./")} == {"hi-1980 tmax", "hi-1981 tmax"}
    assert found["hi-1980 tmin"]["href"] == f"{web.url}/tmin_1980.nc"


def test_a_lone_item_and_relative_hrefs(command: Command, tmp_path: Path) -> None:
    """An item file with a relative href is a catalog of one; a file of this machine is copied, the other named."""
    folder = tmp_path / "lone"
    folder.mkdir()
    (folder / "a.nc").write_bytes(b"here")
    values = {
        "type": "Feature", "stac_version": "1.0.0", "id": "lone", "geometry": None, "links": [],
        "properties": {"datetime": "1980-01-01T00:00:00Z"}, "assets": {"a": {"href": "./a.nc"}, "b": {"href": "b.nc"}},
    }  # fmt: skip
    (folder / "lone.json").write_text(json.dumps(values))
    assert command("stac-stage", folder / "lone.json", "--assets", "a", "--to", tmp_path / "out").code == 0
    found = assets(tmp_path / "out/catalog.json")
    assert found["lone a"]["href"] == "./a.nc" and found["lone b"]["href"] == str(folder / "b.nc")
    assert (tmp_path / "out/lone/a.nc").read_bytes() == b"here"


def test_a_search_becomes_a_catalog(command: Command, web: Web, tmp_path: Path, api: str) -> None:
    """What an API finds has a catalog of its own, below its collection; what cannot be had stays where it is."""
    said = command(
        "stac-stage", api, "--items", "hi-1980", "--assets", "tmin", "--to", tmp_path / "out", "--retries", "0"
    )
    assert said.code == 1  # the assets lie on a server that is not there
    found = assets(tmp_path / "out/catalog.json")
    assert found["hi-1980 tmin"]["href"].startswith("https://data.invalid/") and len(found) > 1


def test_collections_stay_collections(command: Command, web: Web, catalog: Path, tmp_path: Path) -> None:
    """With their extent, licence and links to the world; their items name them here. One file for two keys is one."""
    import pystac

    extent = {"spatial": {"bbox": [[-161, 17, -154, 24]]}, "temporal": {"interval": [["1980-01-01T00:00:00Z", None]]}}
    path = catalog.parent / "hi/catalog.json"
    values = json.loads(path.read_text()) | {"type": "Collection", "license": "CC-BY-4.0", "extent": extent}
    values["links"].append({"rel": "license", "href": "./LICENSE.txt"})
    path.write_text(json.dumps(values))
    path = catalog.parent / "hi/hi-1980/hi-1980.json"
    values = json.loads(path.read_text()) | {"collection": "hi"}
    values["links"].append({"rel": "collection", "href": "../catalog.json"})
    values["assets"]["same"] = dict(values["assets"]["tmin"])
    path.write_text(json.dumps(values))
    assert (
        command("stac-stage", catalog, "--assets", "tmin,same", "--items", "hi-1980", "--to", tmp_path / "out").code
        == 0
    )
    found = assets(tmp_path / "out/catalog.json")
    assert fetched(web) == ["tmin_1980.nc"] and found["hi-1980 same"]["href"] == "./tmin_1980.nc"
    item = next(pystac.Catalog.from_file(str(tmp_path / "out/catalog.json")).get_items(recursive=True))
    collection = item.get_collection()
    assert collection is not None and collection.license == "CC-BY-4.0"
    assert collection.get_self_href() == str(tmp_path / "out/hi/collection.json")
    assert collection.get_single_link("license").get_href() == str(catalog.parent / "hi/LICENSE.txt")
    assert item.get_single_link("canonical") is None, "a path of this machine means nothing elsewhere"


def test_a_function_of_ones_own_has_the_logins_too(
    command: Command, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fsspec opens in a function for `map` is asked for with ~/.netrc; without it the error says so."""
    web.login = True
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    script = "import fsspec, shutil\ndef f(source, target):\n    fsspec.filesystem('http').get_file(source, target)\n"
    (tmp_path / "own.py").write_text(script)
    call = ("map", f"{tmp_path}/own.py:f", "--inputs", f"{web.url}/tmin_1980.nc", "--target", f"{tmp_path}/m/{{name}}")
    said = command(*call)
    assert said.code == 1 and "Put it in ~/.netrc: machine 127.0.0.1" in said.errors
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {NAME} password {PASSWORD}\n")
    assert command(*call).code == 0 and (tmp_path / "m/tmin_1980.nc").read_bytes() == b"tmin 1980" * 100


def test_a_place_whose_package_is_missing(
    command: Command, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says which extra brings it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "webdav", raising=False)
    for module, to in (("webdav4.fsspec", "webdav://a.invalid/x"), ("dcachefs", "dcache://x")):
        monkeypatch.setitem(sys.modules, module, None)
        said = command("stac-stage", catalog, "--to", to)
        assert said.code == 2 and "pip install 'springline[stac]'" in said.errors, said.errors


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("http://127.0.0.1:1/x", r"Nothing can be written to http.*\n.*webdav://"),
        ("/proc/nowhere", "cannot be written"),
        ("{catalog}", "is the catalog itself"),
        ("{catalog}/a#b", "has # in it"),
    ],
)
def test_places_that_cannot_be_written_are_refused(command: Command, catalog: Path, to: str, words: str) -> None:
    """Before anything is fetched."""
    import re

    said = command("stac-stage", catalog, "--to", to.format(catalog=catalog.parent))
    assert said.code == 2 and re.search(words, said.errors), said.errors


@pytest.mark.slow
def test_a_killed_run_goes_on(command: Command, web: Web, tmp_path: Path) -> None:
    """Whole files are not fetched again, the half one goes on; the catalog of before is valid meanwhile."""
    for year in YEARS:
        (web.folder / f"tmax_{year}.nc").write_bytes(os.urandom(1 << 20) * 24)
    catalog, out = make(tmp_path / "catalog", web.url), tmp_path / "out"
    words = ["stac-stage", str(catalog), "--to", str(out), "--json", "--assets"]
    how: dict[str, Any] = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    assert command(*words, "tmin").code == 0
    web.pause = 0.01
    alone = [sys.executable, "-m", "jobs", "run", *words, "tmin,tmax,dayl"]
    run = subprocess.Popen(alone, **how, start_new_session=True)
    halves = lambda: [path for path in out.rglob(".half-*.nc") if path.stat().st_size > 9 << 20]  # noqa: E731
    end = time.monotonic() + 60
    while len(halves()) < 2 or not (out / "hi/hi-1980/dayl_1980.nc").exists():
        assert time.monotonic() < end and run.poll() is None, run.communicate()
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    found = assets(out / "catalog.json")
    assert sum(asset["href"].startswith("./") for asset in found.values()) == 2
    web.pause = 0.0
    web.seen.clear()
    again = command(*words, "tmin,tmax,dayl")
    assert again.code == 0, again.errors
    values = again.values
    assert values["staged"] == 6 and values["bytes_in"] < 2 * (16 << 20) + 2000
    assert all("bytes=" in line for line in web.seen if "tmax" in line and line.startswith("GET"))
    assert set(fetched(web)) == {"tmax_1980.nc", "tmax_1981.nc", "dayl_1981.nc"}
    for path in web.folder.glob("*.nc"):
        assert (out / f"hi/hi-{path.stem[-4:]}" / path.name).read_bytes() == path.read_bytes()
    assert all(asset["href"].startswith("./") for asset in assets(out / "catalog.json").values())
    assert not list(out.rglob(".*"))


@pytest.mark.slow
def test_a_full_disk_loses_only_what_does_not_fit(command: Command, web: Web, catalog: Path, tmp_path: Path) -> None:
    """The large file fails with the place in its message, the small ones are there, and so is a valid catalog."""
    (web.folder / "tmax_1980.nc").write_bytes(os.urandom(1 << 20) * 9)
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", disk], check=False).returncode:
        pytest.skip("no file system of our own: not root")
    try:
        alone = ("--workers", "1", "--retries", "0")  # the next one finds room: it is this file's own trouble
        said = command("stac-stage", catalog, "--to", disk / "out", "--run-dir", tmp_path / "run", *alone)
        assert said.code == 1
        failed = (tmp_path / "run/failed.csv").read_text().splitlines()
        assert len(failed) == 2 and "no room for" in failed[1] and str(disk) in failed[1]
        found = assets(disk / "out/catalog.json")
        assert {name for name, asset in found.items() if not asset["href"].startswith("./")} == {"hi-1980 tmax"}
        assert not list(disk.rglob(".*"))
    finally:
        subprocess.run(["umount", disk], check=True)
