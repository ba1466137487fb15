"""STAC catalogs as the input of batch jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.model import BatchJob, Request, Row
from jobs.registry import load
from tests.jobs.batch.conftest import Map


@pytest.fixture
def catalog(mapped: Map) -> Path:
    """Two items with two assets each, in a catalog beside them; the file of another is cut off."""
    table = ["id,datetime,asset:a,asset:b,collection"]
    for item in ("one", "two", "three"):
        table.append(f"{item},2001-05-01,in/{item}.a.txt,in/{item}.b.txt,texts")
        for asset in "ab":
            mapped.source(f"{item}.{asset}.txt", f"{item} {asset}\n")
    (mapped.folder / "table.csv").write_text("\n".join(table))
    done = mapped.run("run", "stac-build", mapped.folder / "table.csv", "--output", mapped.folder / "catalog")
    assert done.returncode == 0, done.stderr
    (mapped.folder / "catalog/texts/three/three.json").write_text('{"type": "Feature", "stac_version')
    return mapped.folder / "catalog"


def test_assets_are_items(mapped: Map, catalog: Path) -> None:
    """Each goes where the template says; what is broken in the catalog fails as an item of its own, with a report."""
    arguments = [f"{Path(__file__).with_name('functions.py')}:copy", "--input", catalog]
    target = ["--target", f"{mapped.output}/{{collection}}/{{item}}.{{asset}}.out", "--json"]
    done = mapped.run("run", "map", *arguments, *target)
    values = json.loads(done.stdout)
    assert (done.returncode, values["total"], values["done"], values["failed"]) == (1, 5, 4, 1)
    written = {path.name: path.read_text() for path in (mapped.output / "texts").iterdir()}
    assert written == {f"{item}.{asset}.out": f"{item} {asset}\n" for item in ("one", "two") for asset in "ab"}
    assert "three.json is no JSON, or cut off" in (mapped.output.with_suffix(".run") / "failed.csv").read_text()
    again = mapped.run("run", "map", *arguments, *target, "--items", "o*", "--assets", "b", "--time", "2001")
    values = json.loads(again.stdout)
    assert (again.returncode, values["total"], values["skipped"]) == (0, 1, 1)


def test_what_a_catalog_says_is_no_path(mapped: Map, catalog: Path) -> None:
    """An id that climbs out of the target's directory is a name in it; a column of one's own table may hold folders."""
    item = catalog / "texts/one/one.json"
    found = json.loads(item.read_text())
    found["id"] = "../../evil"
    found["assets"] = {"../../a": found["assets"]["a"]}
    item.write_text(json.dumps(found))
    function = f"{Path(__file__).with_name('functions.py')}:copy"
    target = f"{mapped.output}/{{item}}-{{asset}}/{{item}}.txt"
    done = mapped.run("run", "map", function, "--input", catalog, "--target", target, "--assets", "*a")
    assert done.returncode == 1, done.stderr  # the item whose file is cut off
    outside = [path for path in mapped.folder.rglob("*evil*") if not path.is_relative_to(mapped.output)]
    inside = [path for path in mapped.output.rglob("*") if path.is_file()]
    assert not outside and len(inside) == 2 and not list(mapped.folder.parent.glob("*evil*"))
    (mapped.folder / "own.csv").write_text(f"source,item\n{mapped.folder}/in/one.a.txt,deep/er\n")
    mapped("copy", "--items", mapped.folder / "own.csv", "--target", f"{mapped.output}/{{item}}/x.out")
    assert (mapped.output / "deep/er/x.out").exists()


def test_hints_name_what_a_catalog_says(mapped: Map, catalog: Path) -> None:
    """Where a target names something else, or is the same for several assets."""
    function = f"{Path(__file__).with_name('functions.py')}:copy"
    for target, hint in [
        ("{itme}", "Did you mean {item}?"),
        ("{xyz}", "item, asset, collection"),
        ("{item}", "{asset}"),
    ]:
        said = mapped.refused("map", function, "--input", str(catalog), "--target", f"{mapped.output}/{target}")
        assert hint in said, said


def test_filters_need_a_catalog(mapped: Map) -> None:
    """And a catalog what the filters name."""
    mapped.source("a.txt")
    said = mapped.refused(*mapped.arguments("copy", "--assets", "tmin")[1:])
    assert "--assets choose from a STAC catalog" in said
    assert "upside down" in mapped.refused(*mapped.arguments("copy", "--bbox", "0,2,1,1")[1:])


def test_options_of_a_job_win_over_filters() -> None:
    """A job that has an option of that name keeps it; jobs that read other catalogs have no filters."""
    names = [option.name for option in load("spring-index").options]
    assert names.count("bbox") == 1 and {"assets", "time", "collections"} <= set(names)
    assert not {"assets", "time", "collections"} & {option.name for option in load("sdo-combine").options}


def rows_with_a_problem(asked: object) -> Iterator[Row]:
    """A plan of three rows, two of which, of one source, cannot be done."""
    yield Row("good", "/dev/shm/never", done=True)
    yield Row("bad", problem="there is no such thing")
    yield Row("bad", problem="nor such a one")


def test_a_plan_may_say_what_cannot_be_done(tmp_path: Path) -> None:
    """The row fails with its own words; the others count."""
    from jobs.batch import job
    from jobs.progress import Quiet

    here = "tests.jobs.batch.test_catalogs"
    batch = BatchJob("x", "", f"{here}:rows_with_a_problem", "", plan=f"{here}:rows_with_a_problem",
                     output_aliases=("--to",))  # fmt: skip
    assert job.as_job(batch).output_aliases == ("--to",)
    request = Request((), str(tmp_path / "out"), {}, Quiet(), lambda *_: pytest.fail("nothing is to do"))  # type: ignore[arg-type, return-value]
    report = job.run(batch, request)
    assert (report.values["skipped"], report.values["failed"]) == (1, 2)
    assert "nor such a one" in (tmp_path / "out.run/failed.csv").read_text()
