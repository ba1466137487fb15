"""sdo-combine as a user calls it: here, killed and called again, and from and to a real S3 server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from jobs.cli import cli
from tests.jobs.conftest import ROOT
from tests.jobs.s3server import S3
from tests.jobs.sdo.trees import Tree, moments


def command(*arguments: object) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "jobs", "run", "sdo-combine", *map(str, arguments)]


def here(*arguments: object, code: int = 0) -> dict[str, Any]:
    """Run it with --json in this process."""
    done = CliRunner().invoke(cli, ["run", "sdo-combine", *map(str, arguments), "--json"])
    assert done.exit_code == code and "Traceback" not in done.stderr, done.output
    return dict(json.loads(done.stdout))


def call(*arguments: object, env: Mapping[str, str], cwd: Path, code: int = 0) -> dict[str, Any]:
    """The same in a process and an environment of its own."""
    environment = {**os.environ, **env, "PYTHONPATH": str(ROOT)}
    words = command(*arguments, "--json")
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment, cwd=cwd, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return dict(json.loads(done.stdout)) if done.stdout else {"said": done.stderr}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Twelve steps."""
    tree = Tree(tmp_path / "tree")
    for moment in moments(12):
        tree.add(moment)
    return tree


def holds(store: str, tree: Tree) -> None:
    """The store holds every image of the tree."""
    import xarray as xr

    found = xr.open_zarr(store).load()
    assert found.valid.all() and found.data.shape == (len(tree.images) // 4, 4, 16, 16)
    for (moment, channel), image in tree.images.items():
        assert np.array_equal(found.data.sel(time=np.datetime64(moment), channel=channel), image)


def test_two_run_directories(tree: Tree, tmp_path: Path) -> None:
    """What another run directory's run has made anew is not believed to be what this one's ledger tells."""
    whole, output = tree.inventory(), tmp_path / "s.zarr"
    part = Tree(tree.folder, images={key: image for key, image in tree.images.items() if key[1] == "bx"})
    words = ["run", "sdo-combine", "--input", whole, "--output", output]
    assert CliRunner().invoke(cli, list(map(str, words))).exit_code == 0
    (output / "data/c/0/0/0/0").unlink()
    other = [*words[:3], part.inventory("bx.csv"), *words[4:], "--run-dir", tmp_path / "other.run"]
    assert CliRunner().invoke(cli, list(map(str, other))).exit_code == 0
    assert CliRunner().invoke(cli, list(map(str, words))).exit_code == 0
    holds(str(output), tree)


def test_here(tree: Tree, tmp_path: Path) -> None:
    """A run writes all; the next finds it done; a damaged file ends in 1 and is named."""
    inventory, output = tree.inventory("SDOMLnpz/inventory.pkl"), tmp_path / "s.zarr"
    told = here("--input", inventory, "--output", output)
    assert (told["done"], told["complete"], told["marked"]) == (2, 12, 0)
    holds(str(output), tree)
    assert here("--input", inventory, "--output", output)["skipped"] == 2
    tree.path("2010-05-01T00:12", "bx").write_bytes(b"PK")
    told = here("--input", inventory, "--output", output, "--overwrite", code=1)
    assert told["marked"] == 1 and told["failed"] == 0
    assert "2010-05-01T00:12,bx" in Path(told["marked_list"]).read_text()


def ask(*arguments: object, code: int = 0) -> str:
    """What the command line says in this process, where nothing is to be computed."""
    done = CliRunner().invoke(cli, ["run", "sdo-combine", *map(str, arguments)])
    assert done.exit_code == code and "Traceback" not in done.output, done.output
    return done.output


def test_refused(tree: Tree, tmp_path: Path) -> None:
    """What cannot be is said in words and ends in 2; a dry run says what would be done and writes nothing."""
    inventory, output = tree.inventory(), tmp_path / "s.zarr"
    assert "Name an inventory" in ask("--output", output, code=2)
    (tmp_path / "notes.txt").touch()
    for option, value, words in (
        ("--start", "never", "--start never is no time"), ("--stop", "", "--stop  is no time"),
        ("--shard-steps", 0, "--shard-steps 0"), ("--cadence", -6, "--cadence -6"), ("--channels", "bq", "channel bq"),
        ("--items", inventory, "no --items"), ("--legacy-pkl", tmp_path / "notes.txt", "no directory"),
    ):  # fmt: skip
        assert words in ask("--input", inventory, "--output", output, option, value, code=2)
    assert "--output" in ask("--show", "2010-05-01", code=2)
    assert "2 items: 2 to do" in ask("--input", inventory, "--output", output, "--dry-run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "tree"]


@pytest.mark.slow
def test_no_server(tmp_path: Path) -> None:
    """A server that does not answer is said in words."""
    env = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    told = call("--input", "s3://bucket/sdoml/", "--output", tmp_path / "s.zarr", env=env, cwd=tmp_path, code=2)
    assert "s3://bucket/sdoml cannot be reached" in told["said"]


@pytest.mark.slow
def test_killed_and_called_again(tmp_path: Path) -> None:
    """Killed in the middle, all its processes with it, the same command goes on and every image is right."""
    tree, output = Tree(tmp_path / "tree"), tmp_path / "s.zarr"
    for moment in moments(500):
        tree.add(moment)
    arguments = ("--input", tree.inventory(), "--output", output, "--shard-steps", 2)
    process = subprocess.Popen(command(*arguments), stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)
    ledger = tmp_path / "s.zarr.run/ledger.jsonl"
    while not ledger.exists() or ledger.read_text().count('"state": "done"') < 20:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    told = here(*arguments)
    assert 0 < told["done"] < 250 and told["done"] + told["skipped"] == 250 and told["complete"] == 500
    holds(str(output), tree)
    assert not list(output.rglob(".part-*"))


@pytest.fixture
def bucket(s3: S3, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tree in a bucket of its own, and this process told where s3:// is."""
    name = f"combine-{tree.folder.parent.name.replace('_', '-')}"
    s3.put(name)
    inventory = tree.inventory()
    for path in [*(tree.path(*key) for key in tree.images), inventory]:
        s3.put(f"{name}/sdoml/{path.relative_to(tree.folder)}", path.read_bytes())
    for key, value in (s3.keys | {"AWS_ENDPOINT_URL": s3.url}).items():
        monkeypatch.setenv(key, value)
    return name


@pytest.mark.slow
def test_from_and_to_s3(bucket: str, s3: S3, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from S3 and written to S3, one object a step; a moment is read with one request for data."""
    import s3fs

    source, output = f"s3://{bucket}/sdoml/SDOMLnpz/inventory.parquet", f"s3://{bucket}/out/s.zarr"
    told = call("--input", source, "--output", output, env=s3.env, cwd=tmp_path)
    assert (told["done"], told["complete"], told["marked"]) == (12, 12, 0)
    holds(output, tree)
    again = ("--input", source, "--output", output, "--workers", 1)
    assert call(*again, env=s3.env, cwd=tmp_path)["skipped"] == 12
    names = s3fs.S3FileSystem().find(f"{bucket}/out")
    assert sum("/data/c/" in name for name in names) == 12 and not any(".complete" in name for name in names)
    asked = count_requests(monkeypatch)
    from jobs.sdo.combine import moment

    monkeypatch.chdir(tmp_path)
    found = moment.show(output, int(np.datetime64("2010-05-01T00:12", "m").astype(int)))
    assert found.values["channels"]["bx"]["mean"] == pytest.approx(tree.images["2010-05-01T00:12", "bx"].mean())
    data = {name: number for name, number in asked.items() if "/data/c/" in name}
    assert data == {"get_object out/s.zarr/data/c/1/0/0/0": 1}
    assert asked.total() <= 8, asked
    assert (tmp_path / "s.zarr.2010-05-01T0012.png").exists()
    s3fs.S3FileSystem().rm(f"{bucket}/out/s.zarr/data/c/3/0/0/0")
    assert call(*again, env=s3.env, cwd=tmp_path)["done"] == 1
    holds(output, tree)
    assert call(*again, "--overwrite", env=s3.env, cwd=tmp_path)["done"] == 12
    holds(output, tree)


def count_requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Requests to S3 from now on, by key."""
    import s3fs

    asked, real = Counter[str](), s3fs.S3FileSystem._call_s3

    async def counted(self: object, method: str, *arguments: object, **words: Any) -> object:  # noqa: ANN401
        asked[f"{method} {words.get('Key', '')}"] += 1
        return await real(self, method, *arguments, **words)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    return asked


def test_scan_of_s3(bucket: str, s3: S3, tree: Tree, tmp_path: Path) -> None:
    """A bucket's folder is searched like a directory, and a broken object is marked."""
    s3.put(f"{bucket}/sdoml/{tree.name('2010-05-01T00:12', 'bx')}", b"PK")
    told = call("--input", f"s3://{bucket}/sdoml/", "--output", tmp_path / "s.zarr", env=s3.env, cwd=tmp_path, code=1)
    assert told["marked"] == 1 and told["complete"] == 11
