"""What is said of a product before a worker is used, and which of several processings are taken."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.errors import InputError, UsageError
from jobs.l1b import preflight
from jobs.l1b.options import settings

Products = Callable[..., Path]


def refused(safe: Path, **options: object) -> str:
    """The message of a failed check, which also says what to do."""
    with pytest.raises(InputError) as caught:
        preflight.check(str(safe), options)
    assert caught.value.hint
    return caught.value.message


def one(safe: Path, pattern: str) -> Path:
    """The one file of a product that a pattern means."""
    (found,) = safe.glob(pattern)
    return found


def test_good_products_pass(products: Products) -> None:
    """Products of all modes pass, with whatever polarisations they have."""
    for tail in ("9550", "BB15", "4B8B"):
        preflight.check(str(products(tail)), {})
    safe, polarisations = preflight.inspect(str(products("9550")), settings({"polarisations": "vh"}))
    assert (safe.name[-4:], polarisations) == ("9550", ("VH",))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("annotation/*-vh-*.xml", "VH annotation"),
        ("annotation/calibration/calibration-*-vv-*.xml", "VV calibration"),
        ("annotation/calibration/noise-*-vv-*.xml", "VV noise"),
        ("measurement/*-vh-*.tiff", "VH measurement"),
    ],
)
def test_missing_and_short_files_are_named(product: Path, pattern: str, words: str) -> None:
    """A file of the manifest that is cut, empty or gone fails at once, and is named; so is its polarisation."""
    file = one(product, pattern)
    content = file.read_bytes()
    for cut in (content[: len(content) // 2], b""):
        file.write_bytes(cut)
        message = refused(product)
        assert words in message
        assert f"has {len(cut):,} bytes; the manifest says {len(content):,}" in message
        assert file.name in message
    file.unlink()
    assert f"the {words} file {file.relative_to(product).as_posix()} is missing" in refused(product)
    other = "VH" if words[:2] == "VV" else "VV"
    preflight.check(str(product), {"polarisations": other})


def test_files_that_are_not_read_do_not_matter(product: Path) -> None:
    """A lost quick look is no reason to fail."""
    shutil.rmtree(product / "preview")
    preflight.check(str(product), {})


def test_polarisations(products: Products) -> None:
    """A polarisation the product never had, and one whose files were not fetched, are told apart."""
    assert "has no HH; it has VV and VH" in refused(products("9550"), polarisations="HH")
    assert "VH annotation" in refused(products("5371"))
    assert "is missing" in refused(products("5371"))
    preflight.check(str(products("5371")), {"polarisations": "VV"})


def test_other_products_are_refused(product: Path, tmp_path: Path) -> None:
    """Nothing, a file, an empty folder, and an SLC are refused by name."""
    assert "there is no such product" in refused(tmp_path / "error.SAFE")
    (tmp_path / "empty.SAFE").mkdir()
    assert "manifest.safe" in refused(tmp_path / "empty.SAFE")
    manifest = product / "manifest.safe"
    manifest.write_text(manifest.read_text().replace("productType>GRD<", "productType>SLC<"))
    assert "holds SLC of mode IW" in refused(product)


def test_objects_are_no_folders() -> None:
    """A product in an object store is refused with a way out."""
    with pytest.raises(InputError, match="not on this machine"):
        preflight.check("memory://bucket/S1A.SAFE", {})


def test_xsar_and_stripmap(products: Products) -> None:
    """xsar fails on Stripmap with words of numpy; here it is said before."""
    assert "Stripmap" in refused(products("4B8B"), engine="xsar")
    preflight.check(str(products("4B8B")), {"engine": "direct"})


def test_two_processings_of_one_acquisition(metadata: Products, caplog: pytest.LogCaptureFixture) -> None:
    """Both are kept and it is said; --newest-ipf takes the higher version; other products are not touched."""
    old, new, other = (str(metadata(tail)) for tail in ("FEC3", "6D00", "9550"))
    sources = [new, other, old]
    with caplog.at_level(logging.WARNING, "springline"):
        assert preflight.select(sources, {}) == sources
        assert preflight.select(sources, {"newest_ipf": True}) == [new, other]
        assert preflight.select([old, other], {"newest_ipf": True}) == [old, other]
        assert preflight.select(sources, {"newest_ipf": True}) == [new, other]
    assert len(caplog.messages) == 2
    assert all("FEC3" in text and "6D00" in text and "9550" not in text for text in caplog.messages)
    assert "Taking S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_6D00.SAFE" in caplog.messages[1]


def test_neighbouring_slices_are_not_one_acquisition(caplog: pytest.LogCaptureFixture) -> None:
    """Slices of one data take begin 25 seconds apart; a name that is none is left alone."""
    slices = [
        "/d/S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_6D00.SAFE",
        "/d/S1A_IW_GRDH_1SDV_20150203T043134_20150203T043159_004454_00574F_AAAA.SAFE",
        "/d/error.SAFE",
        "/d/S1A_IW_GRDH_1SDV_yesterday_today_004454_00574F_AAAA.SAFE",
    ]
    assert preflight.select(slices, {"newest_ipf": True}) == slices
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resolution": 10}, "--resolution 10"),
        ({"variables": "sigma0,sigma1"}, "'sigma1'"),
        ({"polarisations": "VV,XX"}, "'XX'"),
        ({"engine": "xsar", "variables": "valid_fraction"}, "'valid_fraction'"),
        ({"format": "tiff"}, "--format tiff"),
        ({"land_mask": "no_such_file.shp"}, "no_such_file.shp"),
    ],
)
def test_options_are_checked_before_any_item(options: dict[str, object], words: str) -> None:
    """What cannot be met ends the run with the option's name instead of failing every product."""
    with pytest.raises(UsageError, match=words) as caught:
        preflight.select(["/d/a.SAFE"], options)
    assert not isinstance(caught.value, InputError)
    assert caught.value.hint
