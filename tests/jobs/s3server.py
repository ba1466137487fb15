"""A real S3 server on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

KEYS = ("key", "secret")


@dataclass(frozen=True)
class S3:
    """A server of our own: it takes any keys, and anonymous readers of what is public."""

    url: str

    @property
    def env(self) -> dict[str, str]:
        """The environment of a process in which s3:// is this server."""
        return dict(os.environ) | self.keys | {"AWS_ENDPOINT_URL": self.url, "FSSPEC_S3_ENDPOINT_URL": self.url}

    @property
    def keys(self) -> dict[str, str]:
        """The environment that holds keys."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
        return dict(zip(names, (*KEYS, "us-east-1"), strict=True))

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        """What `jobs.sdo.remote` is told to use it with keys."""
        return {"s3": {"endpoint_url": self.url, "key": KEYS[0], "secret": KEYS[1]}}

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 - boto3 makes its classes as it runs
        """A client with keys."""
        import boto3  # type: ignore[import-untyped, unused-ignore]

        region, (key, secret) = "us-east-1", KEYS
        return boto3.client("s3", region, endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret)

    def put(self, path: str, content: bytes = b"", *, public: bool = False) -> str:
        """Make a bucket ("name") or an object ("name/key"), for everybody if it is public; returns its URL."""
        bucket, _, key = path.partition("/")
        if key:
            self.client.put_object(Bucket=bucket, Key=key, Body=content, ACL="public-read" if public else "private")
        else:
            self.client.create_bucket(Bucket=bucket)
        return f"s3://{path}"


@contextmanager
def serve(folder: Path) -> Iterator[S3]:
    """A real S3 server; it ends with the block; its log goes to a folder."""
    log = folder / "log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stdout=stream, stderr=stream
        )
    try:
        while "Running on" not in log.read_text():
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield S3(next(word for word in log.read_text().split() if word.startswith("http://127")))
    finally:
        server.kill()
        server.wait()
