"""Names that are made of ids: safe, bounded, and different for different ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pystac
import pytest

from jobs.stac import hrefs
from tests.jobs.stac.conftest import Said

Command = Callable[..., Said]

ODD = [
    "../../pwn", "/x", "a/b", "a-b", "a b#c?d", "a b", "..", ".", "", "h%23x.bin", "h#x.bin", "catalog", "Collection",
    "catalog.json", "ü", "ö", "a\\b", "a::b", "a;b", ".h", "a-b~c14cddc0", "x" * 300, "x" * 301, "a\nb",
]  # fmt: skip


def test_different_ids_have_different_safe_names() -> None:
    """No name leaves its directory, is hidden, means something else in a URL, or is too long."""
    names = [hrefs.segment(text) for text in ODD]
    assert len({name.lower() for name in names}) == len(ODD)
    for name in names:
        assert name and not name.startswith(".") and len(name) < 200 and name.isascii()
        assert not set(name) & set("/\\#?%:; \n") and name.removesuffix(".json").lower() not in (
            "catalog",
            "collection",
        )
    assert [hrefs.segment(text) for text in ("hi-1980", "S2A_31UFU.2023", "a@b+c=d,e")] == [
        "hi-1980", "S2A_31UFU.2023", "a@b+c=d,e"
    ]  # fmt: skip
    with pytest.raises(TypeError, match="the id 5 is no text"):
        hrefs.segment(5)  # type: ignore[arg-type]


def test_copies_have_safe_names_with_their_endings() -> None:
    """A quoted name is unquoted first; the file of the item is never taken."""
    assert hrefs.file_name("https://a.invalid/x/tmin.nc?year=1980", "tmin") == "tmin.nc"
    spaced, quoted = hrefs.file_name("https://a.invalid/p%20q.bin", "a"), hrefs.file_name("/data/h%23x.bin", "a")
    assert spaced.startswith("p-q~") and spaced.endswith(".bin") and quoted.endswith(".bin") and "%" not in quoted
    assert hrefs.copy_of("/to", ("hi",), "x", "/data/x.json", "a") not in ("/to/hi/x/x.json", "/to/hi/x/x.nc")
    assert hrefs.copy_of("/to", ("hi",), "x", "/data/x.nc", "a") == "/to/hi/x/x.nc"


def test_a_signature_is_no_part_of_what_a_url_names() -> None:
    """Azure's, Amazon's and other signatures go, all else of a query stays."""
    assert hrefs.unsigned("https://a.invalid/x.nc?sv=1&se=2&sig=a%2Fb%3D") == "https://a.invalid/x.nc"
    assert hrefs.unsigned("https://a.invalid/x?id=5&X-Amz-Signature=a&X-Amz-Date=b") == "https://a.invalid/x?id=5"
    assert hrefs.unsigned("https://a.invalid/x?id=a%2fb") == "https://a.invalid/x?id=a%2fb"
    assert hrefs.unsigned("/data/x?sig=5") == "/data/x?sig=5"


def test_a_built_catalog_stays_in_its_directory(command: Command, tmp_path: Path) -> None:
    """Ids of all kinds, of items and of catalogs: nothing outside, all found again with pystac, and valid."""
    ids = [*(text for text in ODD if text and "\n" not in text), str(tmp_path / "outside")]
    lines = [f'"{text}",2001-01-01,a.nc,{folder}' for text in ids for folder in ("", "../../up", "catalog")]
    (tmp_path / "t.csv").write_text("\n".join(["id,datetime,asset:data,subcatalog", *lines]))
    out = tmp_path / "a/b/v1.5"
    said = command("stac-build", tmp_path / "t.csv", "--output", out)
    assert said.code == 0, said.errors
    left = {path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(out)}
    assert left == {tmp_path / "t.csv"} and not list(tmp_path.parent.glob("*pwn*"))
    catalog = pystac.Catalog.from_file(str(out / "catalog.json"))
    found = sorted(item.id for item in catalog.get_items(recursive=True))
    assert found == sorted(3 * ids) and catalog.validate_all() == len(found)
