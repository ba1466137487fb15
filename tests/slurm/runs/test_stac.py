"""The lecture on the real cluster: five commands on the laptop, from an archive near the cluster to a map."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from subprocess import DEVNULL
from typing import Any

import pystac
import pytest
import xarray as xr

from tests.jobs.archive import server, write_archive
from tests.slurm.laptop import Springline
from tests.slurm.running import follow, owned
from tests.slurm.upping import KERNEL, start, until

pytestmark = pytest.mark.usefixtures("kernels")
PORT = 8700
ARCHIVE = f"http://login:{PORT}"
DRAW = '''
def leaf(source, target):
    """Draw the leaf index of one year."""
    import matplotlib

    matplotlib.use("Agg")
    import xarray

    xarray.open_zarr(source)["leaf_index"].plot.imshow(cmap="viridis_r").figure.savefig(target)
'''
CELL = f"""
from distributed import Client
from jobs.notebook import run

client = Client()
client.wait_for_workers(2, timeout=60)
built = run("stac-build", "daymet", regions="hi", years=[2000], root={ARCHIVE!r}, output="daymet", quiet=True)
staged = run("stac-stage", "daymet", assets=["tmin", "tmax"], output="staged", quiet=True)
spring = run("spring-index", "staged", output="spring.zarr", dask=client, quiet=True)
print(built["items"], staged["staged"], spring["years"]["2000"]["state"], client.status)
"""
PNG = b"\x89PNG"


def run(springline: Springline, job: str, *words: str) -> dict[str, Any]:
    """`springline run JOB --on testbed`; returns what the job itself reports."""
    report: dict[str, Any] = follow(springline, job, *words)["report"]
    return report


@pytest.fixture
def archive(springline: Springline) -> Iterator[str]:
    """An archive of two regions and years, served by login to the cluster's network."""
    login, folder = springline.cluster.login, springline.cluster.cluster_home() / "archive"
    write_archive(folder, {"hi": 24, "pr": 16})
    owned(folder)
    process = login.popen(server("archive", PORT, "0.0.0.0"), user="alice", stdout=DEVNULL, stderr=DEVNULL)
    try:
        until(lambda: login.listens(PORT))
        yield ARCHIVE
    finally:
        process.kill()
        process.wait()


def test_from_an_archive_to_a_map(springline: Springline, archive: str) -> None:
    """A catalog, a look into it, copies of what is needed, the spring index on SLURM workers, and one's own map."""
    home = springline.cluster.cluster_home()
    built = run(springline, "stac-build", "daymet", "--regions", "hi,pr", "--years", "2000:2001", "--root", archive,
                "--sizes", "--output", "daymet", "--in-allocation")  # fmt: skip
    assert (built["items"], built["assets"]) == (4, 12)

    listed = run(springline, "stac-list", "daymet", "--items", "hi-*", "--assets", "tmin,tmax", "--in-allocation")
    assert "hi-2000" in str(listed) and "pr-2000" not in str(listed)

    words = ("daymet", "--items", "hi-*", "--assets", "tmin,tmax", "--to", "staged", "--workers", "2")
    staged = run(springline, "stac-stage", *words)
    assert (staged["done"], staged["staged"]) == (4, 4)
    (item,) = pystac.Catalog.from_file(str(home / "staged/catalog.json")).get_items("hi-2001", recursive=True)
    hrefs = {name: str(asset.get_absolute_href()) for name, asset in item.assets.items()}
    assert hrefs["tmin"].endswith("staged/hi/hi-2001/daymet_v4_daily_hi_tmin_2001.nc")
    assert hrefs["dayl"] == f"{archive}/daymet_v4_daily_hi_dayl_2001.nc"

    words = ("--input", "staged", "--items", "hi-*", "--output", "spring.zarr", "--plot", "--workers", "2")
    spring = run(springline, "spring-index", *words)
    assert {year: of["state"] for year, of in spring["years"].items()} == {"2000": "done", "2001": "done"}
    with xr.open_zarr(home / "spring.zarr", group="2001") as year:
        assert year.leaf_index.notnull().sum() > 300
    assert (home / "spring.zarr.png").read_bytes().startswith(PNG)

    script = springline.home / "draw.py"
    script.write_text(DRAW)
    script.chmod(0o644)
    words = ("draw.py:leaf", "--inputs", "spring.zarr/2*", "--target", "maps/{name}.png", "--in-allocation")
    assert run(springline, "map", *words)["done"] == 2
    assert all((home / f"maps/{year}.png").read_bytes().startswith(PNG) for year in (2000, 2001))


def test_from_a_notebook_on_the_workers_of_a_session(springline: Springline, archive: str) -> None:
    """A cell builds, stages and computes: on the session's workers without a word, and on a client that it has."""
    up = start(springline, "--name", "lecture", "--workers", "2")
    printed = up.on_laptop([sys.executable, str(KERNEL), up.line["url"].removesuffix("/lab"), up.token], input=CELL)
    assert printed.stdout.split() == ["1", "2", "done", "running"], printed.stdout + printed.stderr
    (ledger,) = springline.cluster.cluster_home().rglob("staged.run/ledger.jsonl")
    records = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    hosts = {record["worker"].partition(":")[0] for record in records if record.get("state") == "done"}
    assert hosts and hosts <= {"node1", "node2"}
