"""Files that commands of the pages work on, made in the current directory: `python -m tests.docs.kits NAME …`."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.jobs.archive import server

ARCHIVE_PORT = 8700
SERVERS = {
    "archive": (ARCHIVE_PORT, server(".", ARCHIVE_PORT)),
    "s3": (5999, [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "5999"]),
}
"""Kits that need a server on the laptop: its port, and its command."""


def daymet() -> None:
    """Two years of Daymet files in daymet/."""
    from jobs.spring_index.sample import write_sample

    write_sample(Path("daymet"), (2000, 2001), 24)


def archive() -> None:
    """Daymet as ORNL has it, flat, served by HTTP."""
    from tests.jobs.archive import write_archive

    write_archive(Path(), {"na": 16, "hi": 24, "pr": 16})


def raw() -> None:
    """Some NetCDF files in raw/."""
    import numpy as np
    import xarray

    Path("raw").mkdir()
    for number in range(4):
        xarray.Dataset({"t": ("time", np.arange(20.0) + number)}).to_netcdf(f"raw/{number}.nc", engine="h5netcdf")


def bucket() -> None:
    """A cloud registry of the Sun's images, in the bucket that HelioCloud has; the images also in level1/."""
    from jobs.sdo.sample import write_sample

    bucket, folder = "gov-nasa-hdrl-data1", Path("registry").resolve()
    write_sample(folder, frames=8, size=64)
    for path in folder.rglob("*.*"):
        content = path.read_bytes()
        if path.suffix in (".json", ".csv"):
            content = content.replace(f"{folder}/".encode(), f"s3://{bucket}/".encode())
        put(bucket, str(path.relative_to(folder)), content)
    (folder / "94").rename("level1")


def sdoml() -> None:
    """A tree of NPZ files with its inventory: in SDOMLnpz/, and in a bucket."""
    from tests.jobs.sdo.trees import Tree, moments

    tree = Tree(Path())
    for moment in moments(4, start="2012-03-07T00:00"):
        tree.add(moment)
    tree.inventory("SDOMLnpz/inventory.pkl")
    for path in Path("SDOMLnpz").rglob("*.npz"):
        put("bucket", str(path), path.read_bytes())


def put(bucket: str, key: str, content: bytes) -> None:
    """Make an object that everybody may read."""
    client = _client()
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key=key, Body=content, ACL="public-read")


@cache
def _client() -> Any:  # noqa: ANN401 - boto3 makes its classes as it runs
    import boto3  # type: ignore[import-untyped, unused-ignore]

    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


def s3() -> None:
    """The reader's own bucket."""
    _client().create_bucket(Bucket="mine")


def install(folder: Path, texts: Mapping[str, str]) -> None:
    """Do what `pip install .` would do with a package that a page shows: its modules, and its entry points."""
    folder.mkdir(exist_ok=True)
    project = tomllib.loads(texts.get("pyproject.toml", "")).get("project", {"name": "none"})
    about = folder / f"{project['name']}-1.0.dist-info"
    about.mkdir(exist_ok=True)
    points = [f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in named.items())
              for group, named in project.get("entry-points", {}).items()]  # fmt: skip
    (about / "entry_points.txt").write_text("\n".join(points))
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


KITS: dict[str, Callable[[], None]] = {kit.__name__: kit for kit in (s3, archive, daymet, raw, bucket, sdoml)}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        KITS[name]()
