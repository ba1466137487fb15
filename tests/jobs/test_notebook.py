"""Jobs from Python: what they return, what they raise, and that the options mean what they mean on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs import cli, notebook, registry
from jobs.errors import ItemsFailedError, NotFoundError, UsageError
from tests.jobs.batch import functions

FUNCTIONS = Path(__file__).parent / "batch/functions.py"


def test_spring_index_from_python(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run on a client that is there already gives the report's values and leaves the client open."""
    import xarray as xr
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0") as client:
        store = tmp_path / "spring.zarr"
        told = notebook.run("spring-index", sample, output=store, years=[2000], variant="npn", dask=client)
        assert client.status == "running"
    assert told["schema_version"] == 1 and told["variant"] == "npn"
    with xr.open_zarr(store, group="2000") as year:
        assert year.leaf_index.notnull().any()
    assert not (store / "2001").exists()
    assert "spring-index" in capsys.readouterr().out


def test_failed_items_are_named(tmp_path: Path) -> None:
    """What failed stands in the error with its reason, and the others are done."""
    for name in ("good.txt", "bad-corrupt.txt"):
        (tmp_path / name).write_text("words")
    target = f"{tmp_path}/out/{{stem}}.txt"
    function = f"{FUNCTIONS}:copy"
    (tmp_path / "bad-corrupt.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ItemsFailedError, match=r"1 item is not done\.\n.*bad-corrupt\.txt: .*can't decode") as caught:
        notebook.run("map", function, tmp_path / "*.txt", target=target, case="upper", quiet=True)
    assert caught.value.values["done"] == 1 and (tmp_path / "out/good.txt").read_text() == "WORDS"


def test_a_function_itself_is_no_name() -> None:
    """It is said how to name it."""
    with pytest.raises(UsageError, match="neither text nor a path") as caught:
        notebook.run("map", functions.copy, "x", target="{stem}")  # type: ignore[arg-type]
    assert '"tests.jobs.batch.functions:copy"' in caught.value.hint
    with pytest.raises(UsageError, match="neither text nor a path"):
        notebook.run("stac-list", ["x"])  # type: ignore[arg-type]


def test_further_spellings_and_ids_with_commas(tmp_path: Path) -> None:
    """`to` is stac-stage's output, once; each member of a list is one name, whatever is in it."""
    for item in ("a,b", "a", "b"):
        (tmp_path / f"{item}.bin").write_text(item)
    lines = ["id,datetime,asset:data", *(f'"{item}",2001-05-01,"{item}.bin"' for item in ("a,b", "a", "b"))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    notebook.run("stac-build", tmp_path / "t.csv", output=tmp_path / "catalog", quiet=True)
    asked: dict[str, Any] = {"items": ["a,b"], "quiet": True}
    assert [one["id"] for one in notebook.run("stac-list", tmp_path / "catalog", **asked)["items"]] == ["a,b"]
    told = notebook.run("stac-stage", tmp_path / "catalog", to=tmp_path / "staged", **asked)
    assert (told["done"], told["output"]) == (1, str(tmp_path / "staged"))
    assert [path.read_text() for path in (tmp_path / "staged").rglob("*.bin")] == ["a,b"]
    with pytest.raises(UsageError, match="output and to are the same"):
        notebook.run("stac-stage", tmp_path / "catalog", output="x", to="y")
    with pytest.raises(UsageError, match="no option 'to'"):
        notebook.run("spring-index", "x", to="y")


def test_options_are_those_of_the_command_line() -> None:
    """Without any, each job's options have the values that the command line gives them; wrong ones are named."""
    for name in sorted({*registry.names()} - {registry.MAP}):
        job = registry.load(name)
        parsed = cli.job_command(job).make_context(name, ["-o", "x"] if job.has_output else []).params
        theirs = {key: value for key, value in parsed.items() if key not in (*cli.COMMON, "more")}
        assert notebook._options(job, {}) == theirs
    job = registry.load("spring-index")
    assert notebook._options(job, {"bbox": (-125, 24, -66, 50)})["bbox"] == "-125,24,-66,50"
    for wrong, says in (({"yeras": "2000"}, "no option 'yeras'"), ({"variant": "x"}, "not one of 'corrected'")):
        with pytest.raises(UsageError, match=says):
            notebook.run("spring-index", "x", output="y", **wrong)
    with pytest.raises(NotFoundError) as caught:
        notebook.run("sprng-index", "x")
    assert caught.value.hint == "Did you mean 'spring-index'?"
