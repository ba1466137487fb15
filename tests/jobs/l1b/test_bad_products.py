"""Every kind of broken product as an item of one batch of good ones: the good are done, the bad are named, once."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.l1b import output
from tests.jobs.l1b.conftest import restate

pytestmark = pytest.mark.slow
Products = Callable[..., Path]
Breaker = Callable[[Path], None]


def lose(pattern: str) -> Breaker:
    """Delete a file."""
    return lambda safe: next(safe.glob(pattern)).unlink()


def cut(pattern: str, share: float) -> Breaker:
    """Keep the first part of a file."""

    def do(safe: Path) -> None:
        file = next(safe.glob(pattern))
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])

    return do


def silently(breaker: Breaker) -> Breaker:
    """Break it, and make the manifest agree: only reading finds it."""

    def do(safe: Path) -> None:
        breaker(safe)
        restate(safe)

    return do


def rewrite(old: str, new: str) -> Breaker:
    """Change the manifest."""

    def do(safe: Path) -> None:
        text = (safe / "manifest.safe").read_text()
        assert re.search(old, text)
        (safe / "manifest.safe").write_text(re.sub(old, new, text))

    return do


VV = "measurement/*-vv-*.tiff"
BROKEN: dict[str, tuple[Breaker, str, int]] = {
    "0001": (lose("annotation/calibration/noise-*-vh-*"), "the VH noise file .* is missing", 0),
    "0002": (lose("annotation/calibration/calibration-*-vv-*"), "the VV calibration file .* is missing", 0),
    "0003": (lose("annotation/*-vv-*.xml"), "the VV annotation file .* is missing", 0),
    "0004": (cut("annotation/*-vv-*.xml", 0.5), "the VV annotation file .* bytes; the manifest says", 0),
    "0005": (silently(cut("annotation/*-vv-*.xml", 0.5)), "not well-formed", 1),
    "0006": (silently(cut("annotation/calibration/noise-*-vv-*", 0.5)), "not well-formed", 1),
    "0007": (cut(VV, 0.7), "the VV measurement file .* bytes; the manifest says", 0),
    "0008": (silently(cut(VV, 0.7)), "measurement .*-vv-.* is cut off", 1),
    "0009": (silently(cut(VV, 0.0)), "measurement .*-vv-.* is empty", 1),
    "000A": (lose(VV), "the VV measurement file .* is missing", 0),
    "000B": (rewrite("productType>GRD<", "productType>SLC<"), "holds SLC of mode IW", 0),
    "000C": (rewrite("<gml:coordinates>7.55", "<gml:coordinates>3.55"), "outside the footprint", 1),
    "000D": (cut("manifest.safe", 0.5), "manifest manifest.safe is not well-formed", 0),
    "000E": (lose("manifest.safe"), "has no manifest.safe", 0),
}
"""New end of the identifier → what is broken, the words that tell it, and attempts: 0 is found before any worker."""


@pytest.fixture(scope="module")
def batch(products: Products, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of broken products, good ones among them."""
    folder = tmp_path_factory.mktemp("batch")
    good = products("9550")
    for end, (breaker, _, _) in BROKEN.items():
        breaker(shutil.copytree(good, folder / good.name.replace("9550", end)))
    for tail in ("9550", "6D00", "FEC3", "4B8B", "5371"):
        (folder / products(tail).name).symlink_to(products(tail))
    return folder


def ledger_of(run_dir: Path) -> dict[str, dict[str, Any]]:
    """The last record of each item by the end of its identifier."""
    lines = [json.loads(line) for line in (run_dir / "ledger.jsonl").read_text().splitlines()]
    return {Path(line["item"]).stem[-4:]: line for line in lines if "item" in line}


def test_broken_products_among_good_ones(batch: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """Good products are complete, each broken one failed once in words that fit, exit 1; then --only-failed."""
    out = tmp_path / "l1b"
    done = run("run", "l1b", f"{batch}/*.SAFE", batch / "error.SAFE", "--output", out, "--workers", 2, timeout=400)
    assert done.returncode == 1, done.stderr
    stores = sorted(out.iterdir())
    assert [store.name[-15:-11] for store in stores] == ["6D00", "FEC3", "9550", "4B8B"]
    assert all(output.is_complete(str(store)) for store in stores)
    expected = {end: (words, attempts) for end, (_, words, attempts) in BROKEN.items()}
    expected |= {"5371": ("the VH annotation file .* is missing", 0), "rror": ("there is no such product", 0)}
    ledger = ledger_of(Path(f"{out}.run"))
    assert {end for end, line in ledger.items() if line["state"] == "failed"} == set(expected)
    with Path(f"{out}.run", "failed.csv").open(encoding="utf-8") as file:
        listed = {Path(row["source"]).stem[-4:]: row for row in csv.DictReader(file)}
    for end, (words, attempts) in expected.items():
        assert re.search(words, ledger[end]["message"]), ledger[end]
        assert re.search(words, listed[end]["message"])
        assert (ledger[end]["attempt"], listed[end]["attempts"]) == (attempts, str(attempts))
    assert ledger["9550"]["result"]["polarisations"] == ["VV", "VH"]
    assert ledger["000C"]["error"] == "QualityError"

    shutil.rmtree(stores[0])
    again = run("run", "l1b", f"{batch}/*.SAFE", "--output", out, "--only-failed", "--polarisations", "VV", timeout=400)
    assert again.returncode == 1, again.stderr
    assert [path.name[-15:-11] for path in sorted(out.iterdir())] == ["FEC3", "0001", "9550", "5371", "4B8B"]


def test_xsar_in_a_batch(batch: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """The same engine runs xsar: two at a time end, Stripmap is refused before, an older processing is left out."""
    pytest.importorskip("xsar", reason="xsar is not installed; docs/l1b.md says how")
    out = tmp_path / "l1b"
    done = run(
        "run", "l1b", *(f"{batch}/*_{tail}.SAFE" for tail in ("9550", "6D00", "FEC3", "4B8B")), "--engine", "xsar",
        "--format", "netcdf", "--newest-ipf", "--output", out, "--workers", 2, timeout=400,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Taking S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_6D00.SAFE" in done.stderr
    assert [path.name[-13:-9] for path in sorted(out.iterdir())] == ["6D00", "9550"]
    assert all(output.is_complete(str(path)) for path in out.iterdir())
    ledger = ledger_of(Path(f"{out}.run"))
    assert "Stripmap" in ledger["4B8B"]["message"]
    assert "FEC3" not in ledger
