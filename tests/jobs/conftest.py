"""Real data where there are any, a small synthetic grid where there are none, and the command line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.s3server import S3, serve

ROOT = Path(__file__).parents[2]
Runner = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data of spring-index; tests that need it are skipped without it."""
    folder = Path(os.environ.get("SPRINGLINE_TEST_DATA", ROOT / "../shared/data")) / "spring-index"
    if not folder.is_dir():
        pytest.skip("no real data: set SPRINGLINE_TEST_DATA")
    return folder.resolve()


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic years of 40 × 40 cells with a coast, in Daymet's layout."""
    from jobs.spring_index.sample import write_sample

    folder = tmp_path_factory.mktemp("daymet")
    write_sample(folder, [2000, 2001], 40, 30_000.0)
    return folder


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3 server; make a bucket with a name of your own first."""
    with serve(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """`python -m jobs ARGS` in a process of its own, as a batch script would run it."""

    def call(*arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobs", *map(str, arguments)]
        environment = {k: v for k, v in os.environ.items() if k != "SPRINGLINE_DEBUG"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, check=False, env=environment
        )

    return call


@pytest.fixture
def here() -> Runner:
    """The same in this process, where what it imports is there already: most of the time of a small run."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        from click.testing import CliRunner

        from jobs.cli import cli

        words = [*map(str, arguments)]
        with contextlib.chdir(ROOT):
            done = CliRunner().invoke(cli, words)
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def spring() -> Callable[..., dict[str, Any]]:
    """Run spring-index in this process, on a thread, thus in one item process; returns the report's JSON values."""
    from jobs.model import Request
    from jobs.progress import Quiet
    from jobs.registry import load

    @contextlib.contextmanager
    def threads(tasks: int, **_: object) -> Iterator[object]:
        from dask.distributed import Client

        with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
            yield client

    def call(inputs: object, output: Path, overwrite: bool = False, **options: object) -> dict[str, Any]:
        many = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        request = Request(tuple(map(str, many)), str(output), options, Quiet(), threads, overwrite)
        return json.loads(json.dumps(dict(load("spring-index").run(request).values)))

    return call


@pytest.fixture(scope="session")
def dates_of(spring: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The store that a whole run makes of the sample, computed once for each set of options. Do not change it."""
    folder = tmp_path_factory.mktemp("whole")

    def store(sample: Path, **options: str) -> Path:
        place = folder / f"{sample.name}{'-'.join(['', *options.values()])}.zarr"
        if not place.exists():
            spring(sample, place, **options)
        return place

    return store
