"""What a manifest says, on real ones; and what is said when it cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.errors import InputError
from jobs.l1b.safe import read_safe

Products = Callable[..., Path]


def test_manifest_of_iw(metadata: Products) -> None:
    """Everything the identifier says, and what it does not, is read from the manifest of an IW product."""
    safe = read_safe(str(metadata("9550")))
    assert safe.name == "S1A_IW_GRDH_1SDV_20200708T182643_20200708T182708_033367_03DDAA_9550"
    assert (safe.platform, safe.mode, safe.swath, safe.product_type) == ("SENTINEL-1A", "IW", "IW", "GRD")
    assert safe.polarisations == ("VV", "VH")
    assert safe.start == datetime(2020, 7, 8, 18, 26, 43, 249126, UTC)
    assert safe.stop == datetime(2020, 7, 8, 18, 27, 8, 247423, UTC)
    assert safe.processed == datetime(2020, 7, 8, 21, 51, 8, tzinfo=UTC)
    assert (safe.orbit_pass, safe.absolute_orbit, safe.relative_orbit) == ("ASCENDING", 33367, 45)
    assert (safe.datatake, safe.configuration, safe.ipf_version) == ("03DDAA", 6, "003.31")
    assert safe.auxiliary["CAL"] == "S1A_AUX_CAL_V20171017T080000_G20190731T120030.SAFE"
    assert set(safe.auxiliary) == {"CAL", "PP1", "INS", "RES"}
    assert safe.footprint[0] == (-4.211704, 7.559314)
    assert len(safe.files) == 11
    tiff = safe.find("measurement", "VH")
    assert tiff is not None
    assert (tiff.size, tiff.md5) == (847047360, "1b9ecec8c174cb747ae55387945825c5")
    assert {file.role for file in safe.files} >= {"product", "calibration", "noise", "measurement", "quicklook"}


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("BB15", ("SENTINEL-1A", "EW", "EW", ("HH", "HV"), "058549", "003.52")),
        ("4B8B", ("SENTINEL-1C", "SM", "S4", ("HH", "HV"), "000538", "003.90")),
        ("5371", ("SENTINEL-1B", "IW", "IW", ("VV", "VH"), "039993", "003.40")),
        ("FEC3", ("SENTINEL-1A", "IW", "IW", ("VV", "VH"), "00574F", "002.36")),
    ],
)
def test_manifests_of_ten_years(metadata: Products, tail: str, expected: tuple[object, ...]) -> None:
    """Manifests of three satellites, three modes and five processors are read alike; the identifier agrees."""
    safe = read_safe(str(metadata(tail)))
    found = (safe.platform, safe.mode, safe.swath, safe.polarisations, safe.datatake, safe.ipf_version)
    assert found == expected
    parts = safe.name.split("_")
    assert parts[-3:-1] == [f"{safe.absolute_orbit:06d}", safe.datatake]
    assert f"{safe.start:%Y%m%dT%H%M%S}" == parts[4]


def refused(path: Path) -> InputError:
    """The error of reading this SAFE, which must be permanent and helpful."""
    with pytest.raises(InputError) as caught:
        read_safe(str(path))
    assert caught.value.hint
    return caught.value


def test_what_is_not_a_safe(tmp_path: Path) -> None:
    """Nothing, a zip, a folder without manifest and a manifest of something else are refused by name."""
    assert "no such product" in str(refused(tmp_path / "S1A_X.SAFE"))
    (tmp_path / "S1A_X.zip").write_bytes(b"PK")
    assert refused(tmp_path / "S1A_X.zip").hint == "unpack it first"
    folder = tmp_path / "error.SAFE"
    folder.mkdir()
    assert "error.SAFE has no manifest.safe" in str(refused(folder))
    manifest = folder / "manifest.safe"
    for content, words in (
        (b"", "manifest manifest.safe is empty"),
        (b"<a><b></a>", "not well-formed XML"),
        (b"<a/>", "has no platform/familyName"),
    ):
        manifest.write_bytes(content)
        error = refused(folder)
        assert words in str(error)
        assert "error" in str(error)


def test_files_stay_inside_the_product(metadata: Products, tmp_path: Path) -> None:
    """A manifest that lists a file outside its product is refused."""
    text = (metadata("9550") / "manifest.safe").read_text()
    folder = tmp_path / "S1A_X.SAFE"
    folder.mkdir()
    (folder / "manifest.safe").write_text(text.replace('href="./measurement/', 'href="../../measurement/', 1))
    assert "no place inside the product" in str(refused(folder))


def test_entities_are_not_resolved(metadata: Products, tmp_path: Path) -> None:
    """A manifest cannot make this program read another file of the machine."""
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    text = (metadata("9550") / "manifest.safe").read_text()
    head, rest = text.split("?>", 1)
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    folder = tmp_path / "S1A_X.SAFE"
    folder.mkdir()
    (folder / "manifest.safe").write_text(f"{head}?>{entity}{rest.replace('ASCENDING', '&e;')}")
    assert "SECRET" not in str(refused(folder))


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that gives EIO")  # noqa: PTH110
def test_errors_that_may_pass_come_through(tmp_path: Path) -> None:
    """An I/O error of the file system stays the OSError it is, so that it is retried."""
    folder = tmp_path / "S1A_X.SAFE"
    folder.mkdir()
    (folder / "manifest.safe").symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match="Input/output error"):
        read_safe(str(folder))
