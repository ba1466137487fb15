"""Targets on an object store: a real S3 server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.conftest import ROOT

SCRIPT = """
import fsspec, zarr

def store(source, target, *, half=False):
    '''Write two objects below the target, or one and then fail.'''
    fs, path = fsspec.url_to_fs(target)
    fs.pipe_file(path + "/a", b"a" * 10)
    if half:
        raise ValueError("half")
    fs.pipe_file(path + "/b", b"b" * 10)
"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which s3://bucket is a bucket of a server of our own."""
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stdout=stream, stderr=stream
        )
    try:
        while "Running on" not in log.read_text():
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        url = next(word for word in log.read_text().split() if word.startswith("http://127"))
        urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT"), timeout=10).close()
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
        yield os.environ | keys | {"AWS_ENDPOINT_URL": url, "FSSPEC_S3_ENDPOINT_URL": url}
    finally:
        server.kill()
        server.wait()


def test_a_marker_comes_last(s3: dict[str, str], tmp_path: Path) -> None:
    """An item is done once its marker is there; what was half-written goes when it is done again."""
    (tmp_path / "store.py").write_text(SCRIPT)
    for name in "xyz":
        (tmp_path / f"{name}.txt").touch()

    def run(*more: str, code: int = 0) -> dict[str, object]:
        command = [sys.executable, "-m", "jobs", "run", "map", f"{tmp_path}/store.py:store", f"{tmp_path}/*.txt"]
        command += ["--target", "s3://bucket/out/{stem}", "--run-dir", f"{tmp_path}/story", "--json", *more]
        done = subprocess.run(command, capture_output=True, text=True, env=s3, cwd=ROOT, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    assert run("--half", code=1)["failed"] == 3
    assert run("--limit", "1")["done"] == 1
    again = run()
    assert (again["done"], again["skipped"], again["bytes_out"]) == (2, 1, 40)
    assert run()["skipped"] == 3
    script = "import fsspec; print(*sorted(fsspec.filesystem('s3').find('bucket')))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=s3, check=True).stdout
    whole = [f"bucket/out/{name}{end}" for name in "xyz" for end in ("/a", "/b", ".complete")]
    assert found.split() == sorted(whole)
