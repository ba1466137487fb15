"""Products that a STAC catalog names."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.l1b.assets import products
from jobs.model import Row
from tests.jobs.conftest import Runner
from tests.jobs.l1b.conftest import Products


def row(item: str, asset: str, href: str) -> Row:
    """A row of a catalog."""
    return Row(href, columns={"item": item, "asset": asset, "collection": "grd"})


def test_the_safe_is_found_among_the_assets() -> None:
    """As a folder or by its manifest, once; an item without one has a problem, and problems stay."""
    broken = Row("gone.json", columns={"item": "d", "asset": "", "collection": ""}, problem="broken link")
    found = list(products([
        row("a", "safe", "/data/A.SAFE/"), row("a", "manifest", "/data/A.SAFE/manifest.safe"),
        row("a", "vv", "/data/A.SAFE/measurement/vv.tiff"), row("b", "vh", "/b.tiff"), row("b", "vv", "/b.tiff"),
        row("c", "manifest", "s3://bucket/C.SAFE/manifest.safe"), broken,
    ]))  # fmt: skip
    assert [one.source for one in found] == ["/data/A.SAFE", "b", "s3://bucket/C.SAFE", "gone.json"]
    assert [bool(one.problem) for one in found] == [False, True, False, True]
    assert "none of the assets vh, vv is a SAFE folder" in found[1].problem


def test_a_catalog_of_products(metadata: Products, tmp_path: Path, here: Runner) -> None:
    """l1b takes those of the catalog that the filters want."""
    safe = metadata("9550")
    name = safe.name.removesuffix(".SAFE")
    lines = ["id,datetime,west,south,east,north,asset:manifest,asset:vv",
             f"{name},2021-12-01,4,51,6,53,{safe}/manifest.safe,{safe}/measurement/x.tiff",
             f"S1B_other,2021-12-01,4,51,6,53,,{safe}/measurement/x.tiff"]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(lines))
    assert here("run", "stac-build", tmp_path / "t.csv", "--output", tmp_path / "catalog").returncode == 0
    asked = ("run", "l1b", tmp_path / "catalog", "--output", tmp_path / "out", "--dry-run", "--json")
    done = here(*asked, "--bbox", "5,52,7,54", "--time", "2021-12")
    values = json.loads(done.stdout)
    assert (values["total"], values["would_fail"]) == (2, 2), done.stderr  # metadata only: there is no measurement
    assert f"{safe}" in done.stderr and "S1B_other is no product" in done.stderr
    done = here(*asked, "--items", "S1A*")
    assert json.loads(done.stdout)["total"] == 1, done.stderr
