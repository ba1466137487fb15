"""A file's bytes → its statistic: astropy's numbers, whatever the layout; damage is an error, never a wrong number."""

from __future__ import annotations

import gzip
import io
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from jobs.errors import InputError, UsageError
from jobs.sdo.irradiance.image import CorruptError, HeaderTooLong, measure, require
from jobs.sdo.irradiance.measurement import irradiance
from tests.jobs.conftest import ROOT
from tests.jobs.sdo.damage import COPIES, outcomes

LAYOUTS = {
    "int16": "aia_171_cutout.fits",
    "int32 scaled": "hmi.sharp_cea_720s.377.20110215_020000_TAI.continuum.fits",
    "quantised": "small/hdrl_f32_rice_q16_256.fits",
    "blank": "small/jsoc_int16_rice_256_blank.fits",
}
Pixels = npt.NDArray[Any]


def reference(content: bytes) -> Pixels:
    """The image as astropy has it, in float64."""
    from astropy.io import fits

    with fits.open(io.BytesIO(content)) as opened:
        image = next(hdu for hdu in opened if hdu.data is not None)
        return np.asarray(image.data, np.float64)


def written(
    image: Pixels, *, compressed: str = "", cards: tuple[tuple[str, object], ...] = (), sums: bool = True
) -> bytes:
    """The image as astropy writes it; `cards` are written as they are."""
    from astropy.io import fits

    header = fits.Header(cards)
    stream = io.BytesIO()
    if compressed:
        hdu = fits.CompImageHDU(image, header, compression_type=compressed, tile_shape=(1, image.shape[1]))
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(stream, checksum=sums)
    else:
        fits.PrimaryHDU(image, header).writeto(stream, checksum=sums)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_every_real_file_has_the_mean_of_astropy(sun: Path) -> None:
    """Mean, sum and count of all files of the folder, of every layout they come in."""
    files = sorted(sun.rglob("*.fits"))
    assert len(files) >= 12
    for file in files:
        content = file.read_bytes()
        pixels, mean, total = reference(content), measure(content), measure(content, "sum")
        close = 1e-9 if "f32" in file.name else 1e-12
        assert mean.values["mean_dn"] == pytest.approx(np.nanmean(pixels), rel=close), file
        assert total.values["sum_dn"] == pytest.approx(np.nansum(pixels), rel=close), file
        assert mean.n_valid == total.n_valid == np.isfinite(pixels).sum(), file


def test_what_the_header_says(sun: Path) -> None:
    """Time, exposure, quality and mean of a JSOC header, and that its sums were looked at; what is missing is None."""
    found = measure((sun / "aia_171_cutout.fits").read_bytes())
    assert (found.t_obs, found.exptime, found.quality) == ("2013-03-10T12:00:12.341", 1.9996049999999999, 0)
    assert (found.datamean, found.checked) == (485.602722, "CHECKSUM")
    found = measure((sun / "hmi_continuum_test_lowres_data.fits").read_bytes())
    assert (found.t_obs, found.exptime, found.quality, found.datamean, found.checked) == (None,) * 4 + ("",)


@pytest.mark.parametrize("compressed", ["", "GZIP_1", "GZIP_2", "RICE_1"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_other_layouts_have_the_mean_of_astropy(dtype: str, compressed: str) -> None:
    """Uncompressed in the first unit, other methods, unsigned numbers, dithering: by one way or the other."""
    image = np.random.default_rng(3).normal(100, 20, (20, 33)).astype(dtype)
    content = written(image, compressed=compressed)
    pixels = reference(content)
    found = measure(content)
    assert found.values["mean_dn"] == pytest.approx(pixels.mean(), rel=1e-12 if dtype[0] != "f" else 1e-7)
    assert (found.n_valid, found.checked) == (image.size, "CHECKSUM")


@pytest.mark.parametrize("compressed", ["", "GZIP_1", "RICE_1"])
def test_blank_and_scaled(compressed: str) -> None:
    """Blank pixels do not count, the others are scaled in float64; an image of nothing else has no mean."""
    stored = np.array([[1, 2, -32768], [3, 4, -32768]], np.int16)
    cards = (("BLANK", -32768), ("XSCALE", 0.5), ("XZERO", 7.0))
    content = written(stored, compressed=compressed, cards=cards, sums=False)
    found = measure(content.replace(b"XSCALE  =", b"BSCALE  =").replace(b"XZERO   =", b"BZERO   ="))
    assert (found.values["mean_dn"], found.n_valid) == (2.5 * 0.5 + 7, 4)
    empty = measure(written(np.full((4, 40), -32768, np.int16), compressed=compressed, cards=(("BLANK", -32768),)))
    assert math.isnan(empty.values["mean_dn"]) and empty.n_valid == 0


def test_a_header_is_enough(sun: Path) -> None:
    """A keyword needs the beginning of a file; too little of it, no such keyword and text are said."""
    content = (sun / LAYOUTS["int16"]).read_bytes()
    found = measure(content[: 1 << 16], "HEADER:datamean")
    assert (dict(found.values), found.n_valid, found.checked) == ({"header_datamean": 485.602722}, None, "")
    assert measure(content, "header:DATAMEAN").checked == "CHECKSUM"
    for first in (0, 100, 2880, 10_000):
        with pytest.raises(HeaderTooLong):
            measure(content[:first], "header:DATAMEAN")
    with pytest.raises(HeaderTooLong):
        measure(content[: 1 << 16], "header:DATAMEAN", verify=True)
    with pytest.raises(InputError, match="no DATAMEEN") as refused:
        measure(content, "header:DATAMEEN")
    assert "DATAMEAN" in refused.value.hint
    with pytest.raises(InputError, match="no number"):
        measure(content, "header:T_OBS")


def test_a_sample_is_measured_too(sun: Path) -> None:
    """Where DATAMEAN is the statistic, in whatever letters, a file of the sample is read whole and its mean told."""
    file = sun / LAYOUTS["int16"]
    row = irradiance(str(file), statistic="Header:datamean")
    assert "mean_of_sample" not in row and row["bytes_in"] == 1 << 16
    row = irradiance(str(file), statistic="Header:datamean", sample=True)
    assert row["mean_of_sample"] == measure(file.read_bytes()).values["mean_dn"]
    assert "mean_of_sample" not in irradiance(str(file), statistic="HEADER:EXPTIME", sample=True)


def test_own_science(sun: Path, tmp_path: Path) -> None:
    """A function gets the image in float64, NaN where it is blank, and gives a number or named ones."""
    script = tmp_path / "mine.py"
    script.write_text(
        "import numpy as np\n"
        "def top(image): return np.nanmax(image)\n"
        "def two(image): return {'low': np.nanmin(image), 'nan': np.isnan(image).sum()}\n"
        "def text(image): return 'bright'\n"
        "def nothing(image): return {}\n"
        "def spaced(image): return {'my mean': 1}\n"
        "def rate(image): return {'mean_dn_s': 1, 'n_valid': 2}\n"
        "def size(image): return {'bytes_in': 1}\n"
    )
    content = (sun / LAYOUTS["blank"]).read_bytes()
    pixels = reference(content)
    assert measure(content, f"{script}:top").values == {"value": np.nanmax(pixels)}
    named = measure(content, f"{script}:two")
    assert named.values == {"low": np.nanmin(pixels), "nan": np.isnan(pixels).sum()}
    assert named.n_valid == np.isfinite(pixels).sum()
    for name, what in (
        ("text", "a str"), ("nothing", "nothing"), ("spaced", "my mean"), ("rate", "mean_dn_s, n_valid"),
        ("size", "bytes_in"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=f"{script}:{name} gave {what}"):
            measure(content, f"{script}:{name}")


@pytest.mark.parametrize(
    "statistic", ["mean", "sum", "header:EXPTIME", "HEADER:exptime", "header:DATE-OBS", "math:fsum"]
)
def test_statistics(statistic: str) -> None:
    """What can be made of an image is known before any is read."""
    require(statistic)


@pytest.mark.parametrize(
    ("statistic", "what", "hint"),
    [
        ("medain", "medain is no statistic", "mean mean.*mean, sum, header:KEY, module:function"),
        ("header", "is no statistic", "header:KEY"),
        ("", "is no statistic", "There are: mean"),
        ("header:", "header: names no keyword", "1 to 8"),
        ("header:TOOLONGKEY", "names no keyword", "1 to 8"),
        ("Header:A KEY", "names no keyword", "1 to 8"),
        ("math:fsun", "math has no function fsun", "fsum"),
        ("no_such:f", "cannot be imported", ""),
    ],
)
def test_what_is_no_statistic(statistic: str, what: str, hint: str) -> None:
    """The error says so, what may be meant, and what there is."""
    with pytest.raises(UsageError, match=what) as refused:
        require(statistic)
    assert re.search(hint, refused.value.hint)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_copies(sun: Path, layout: str) -> None:
    """300 copies, cut off or with changed bytes anywhere: an error or all that was right before."""
    found = outcomes((sun / LAYOUTS[layout]).read_bytes())
    print(f"{layout}: of {COPIES} damaged copies {dict(found)}")
    assert found["wrong"] == 0 and found["error"] > COPIES / 2


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_damaged_copies_of_an_uncompressed_image(sun: Path) -> None:
    """The same by way of astropy."""
    from astropy.io import fits

    content = written(fits.getdata(sun / "aia_171_level1.fits"))
    found = outcomes(content)
    assert found["wrong"] == 0 and found["error"] > COPIES / 2


def test_damage_to_the_header_is_seen(sun: Path) -> None:
    """One digit of BZERO shows only in CHECKSUM; who knows better can trust it. More bytes at the end are an error."""
    content = (sun / LAYOUTS["int32 scaled"]).read_bytes()
    place = content.index(b"97304")
    damaged = content[:place] + b"1" + content[place + 1 :]
    with pytest.raises(CorruptError, match="CHECKSUM") as refused:
        measure(damaged)
    assert "--trust" in refused.value.hint
    right = measure(content).values["mean_dn"]
    assert measure(damaged, trust=True).values["mean_dn"] == pytest.approx(right - 80000)
    for more in (b"\0", b"\0" * 2880, content):
        with pytest.raises(CorruptError):
            measure(content + more)


def test_what_cannot_be_verified(sun: Path) -> None:
    """A file without sums is taken, and said to be unverified, unless that is not wanted."""
    content = (sun / "aia_171_level1.fits").read_bytes()
    assert measure(content).checked == ""
    with pytest.raises(InputError, match="CHECKSUM"):
        measure(content, verify=True)
    content = (sun / LAYOUTS["int16"]).read_bytes()
    assert measure(content, verify=True).checked == "CHECKSUM"
    only_data = content.replace(b"CHECKSUM=", b"MYCHECKS=")
    assert measure(only_data).checked == "DATASUM"
    with pytest.raises(CorruptError, match="DATASUM") as refused:
        measure(only_data[:-10_000] + b"\1" + only_data[-9_999:])
    assert "--trust" in refused.value.hint


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"<p/>", "it is no FITS file but HTML or XML, such as an error page"),
        (b"\n<!DOCTYPE html><html>no such key</html>", "it is no FITS file but HTML or XML, such as an error page"),
        (b"SIMPLE  =" + b" " * 5000, "the header at byte 0 does not end in 5,009 bytes"),
        (b"\0" * 6000, "it is no FITS file"),
        (gzip.compress(b"SIMPLE  =", mtime=0), "it is compressed with gzip and must be unpacked first"),
    ],
)
def test_what_is_no_fits_file(content: bytes, what: str) -> None:
    """An error page instead of a file is damage too, and the error says what it is."""
    for statistic in ("mean", "header:EXPTIME"):
        with pytest.raises(CorruptError, match=f"^{what}$"):
            measure(content, statistic)


@pytest.mark.slow
def test_without_numba(sun: Path) -> None:
    """astropy does it all where numba cannot be imported, which is said once."""
    file = sun / LAYOUTS["int16"]
    script = f"""
import sys; sys.modules["numba"] = None
from pathlib import Path
from jobs.sdo.irradiance.image import measure
print(measure(Path({str(file)!r}).read_bytes()).values["mean_dn"])
print(measure(Path({str(file)!r}).read_bytes()).values["mean_dn"])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    right = measure(file.read_bytes()).values["mean_dn"]
    assert [float(line) for line in done.stdout.split()] == pytest.approx([right, right], rel=1e-12)
    assert done.stderr.count("numba cannot be used") == 1
