"""Targets on an object store: a real S3 server on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.jobs.conftest import ROOT
from tests.jobs.s3server import S3

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


def test_a_marker_comes_last(s3: S3, tmp_path: Path) -> None:
    """An item is done once its marker is there; what was half-written goes when it is done again."""
    s3.put("bucket")
    (tmp_path / "store.py").write_text(SCRIPT)
    for name in "xyz":
        (tmp_path / f"{name}.txt").touch()

    def run(*more: str, code: int = 0) -> dict[str, object]:
        words = ["map", f"{tmp_path}/store.py:store", f"{tmp_path}/*.txt", "--target", "s3://bucket/out/{stem}"]
        words += ["--run-dir", f"{tmp_path}/story", "--workers", "1", "--json", *more]
        command = [sys.executable, "-m", "jobs", "run", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=s3.env, cwd=ROOT, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    assert run("--half", code=1)["failed"] == 3
    assert run("--limit", "1")["done"] == 1
    again = run()
    assert (again["done"], again["skipped"], again["bytes_out"]) == (2, 1, 40)
    assert run()["skipped"] == 3
    found = [one["Key"] for one in s3.client.list_objects(Bucket="bucket")["Contents"]]
    whole = [f"out/{name}{end}" for name in "xyz" for end in ("/a", "/b", ".complete")]
    assert found == sorted(whole)
