"""What a FITS file says of itself: headers, where the image is, how its rows are compressed, whether its sums fit.

Only what the fast way needs; whatever is unusual is left to astropy. See the FITS standard 4.0: headers (4), sums
(4.4.2.7), tables (7.3), compressed images (10).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jobs.errors import InputError

BLOCK, CARD = 2880, 80
"""A file is made of blocks, a header of cards [bytes]."""
ALL_ONES = 0xFFFFFFFF
"""What the words of a header and its data add up to with the right CHECKSUM."""
TRUST = "If it was changed on purpose, --trust takes it all the same."
VALUE = re.compile(r"\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<plain>[^/]*?))\s*(?:/.*)?")
COLUMNS = {
    "COMPRESSED_DATA": "PQ",
    "GZIP_COMPRESSED_DATA": "PQ",
    "UNCOMPRESSED_DATA": "PQ",
    "ZSCALE": "D",
    "ZZERO": "D",
    "ZBLANK": "J",
}
"""The columns that are understood, each with the letters of its form."""
TYPES = {"P": ">i4", "Q": ">i8", "D": ">f8", "J": ">i4"}
FORM = re.compile(r"1?([PQDJ])([A-Z](\(\d+\))?)?")


class CorruptError(InputError):
    """The file is damaged: cut off, changed, or no FITS file at all."""


class HeaderTooLong(CorruptError):
    """The header goes on beyond the bytes that were given: more of them are needed."""


@dataclass(frozen=True, slots=True)
class Header:
    """The cards of a header: what stands after `KEYWORD= `, of a repeated keyword the first."""

    cards: Mapping[str, str]

    def text(self, keyword: str) -> str | None:
        """The value as it is written, of a string what is between its quotes; None without a value."""
        found = VALUE.fullmatch(self.cards.get(keyword, ""))
        if not found:
            raise CorruptError(f"{keyword} has no readable value: {self.cards[keyword].strip()}")
        text, plain = found["text"], found["plain"]
        return text.replace("''", "'").rstrip() if text is not None else plain or None

    def number(self, keyword: str, default: float | None = None) -> float | None:
        """The value as a number."""
        text = self.text(keyword)
        try:
            return default if not text else float(text.upper().replace("D", "E"))
        except ValueError:
            raise CorruptError(f"{keyword} is no number: {text}") from None

    def whole(self, keyword: str, default: int | None = None) -> int | None:
        """The value as a whole number; JSOC writes flags as 0x00000400 too."""
        text = self.text(keyword)
        try:
            return default if not text else int(text, 16 if text[:2].lower() == "0x" else 10)
        except ValueError:
            raise CorruptError(f"{keyword} is no whole number: {text}") from None

    def count(self, keyword: str, default: int | None = None) -> int:
        """A size or number of something, which must be there if there is no default."""
        found = self.whole(keyword, default)
        if found is None or found < 0:
            raise CorruptError(f"{keyword} is missing or negative")
        return found


@dataclass(frozen=True, slots=True)
class Unit:
    """A header with its data, and where they stand in the file [bytes]."""

    index: int
    header: Header
    start: int
    data: int
    end: int

    @property
    def compressed(self) -> bool:
        """Whether it is an image in a table of compressed tiles."""
        return self.header.text("ZIMAGE") == "T"

    @property
    def image(self) -> bool:
        """Whether it holds an image."""
        kinds = (None, "IMAGE")  # the first of a file has no XTENSION
        return self.compressed or (self.end > self.data and self.header.text("XTENSION") in kinds)


@dataclass(frozen=True, slots=True)
class Tiles:
    """An image compressed by Rice's method, one row in each tile, as the fast way reads it."""

    table: np.dtype[np.void]
    """A row of the table; its columns are those of COLUMNS that are there."""
    data: int
    rows: int
    width: int
    heap: int
    end: int
    """Where the table and the heap begin and the heap ends [bytes]; pixels of a row."""
    bytes_per_value: int
    block: int
    """Values that are coded together."""
    blank: int | None
    scale: float
    zero: float


def units(content: bytes) -> Iterator[Unit]:
    """The headers of a file with the places of their data, which may lie beyond the content.

    Raises
    ------
    HeaderTooLong
        If the content ends before the header.
    CorruptError
        If what is there is no header.
    """
    start = index = 0
    while start < len(content) or not index:
        header, data = _header(content, start, b"XTENSION=" if index else b"SIMPLE  =")
        end = data + -(-_size(header) // BLOCK) * BLOCK
        yield Unit(index, header, start, data, end)
        start, index = end, index + 1


def find_image(content: bytes, *, whole: bool = True) -> Unit:
    """The first image of a file.

    Parameters
    ----------
    whole
        Whether the content is the file to its end; else only its header has to be there.

    Raises
    ------
    CorruptError
        If there is none, or the file does not end where its headers say.
    """
    found = None
    for unit in units(content):
        if whole and unit.end > len(content):
            raise CorruptError(f"the file is cut off: {len(content):,} bytes of at least {unit.end:,}")
        found = found or (unit if unit.image else None)
        if found and not whole:
            return found
    if found is None and not whole:
        raise HeaderTooLong(f"no image in the first {len(content):,} bytes")
    if found is None:
        raise CorruptError("there is no image in the file")
    return found


def check(content: bytes, unit: Unit) -> str:
    """Compare a unit with the sums in its header; returns the name of the strongest it has, "" for none.

    Both are 32-bit ones' complement sums: DATASUM is of the data, with CHECKSUM the words of header and data are all
    ones. What they cannot see: two changes that make up for each other, such as words that changed places.

    Raises
    ------
    CorruptError
        If one of them does not fit.
    """
    data = _sum(content, unit.data, unit.end)
    said = unit.header.text("DATASUM")
    if said and unit.header.whole("DATASUM") != data:
        raise CorruptError("the data were changed after they were written: DATASUM does not fit", TRUST)
    if not unit.header.text("CHECKSUM"):
        return "DATASUM" if said else ""
    if _fold(data + _sum(content, unit.start, unit.data)) != ALL_ONES:
        what = "the header was" if said else "header or data were"
        raise CorruptError(f"{what} changed after it was written: CHECKSUM does not fit", TRUST)
    return "CHECKSUM"


def layout(unit: Unit) -> Tiles | None:
    """How the rows are compressed; None where that is another way than the fast one reads."""
    header = unit.header
    width, rows = header.whole("ZNAXIS1", 0) or 0, header.count("NAXIS2")
    table = _table(header)
    if not unit.compressed or not _usual(header, width, rows) or table is None:
        return None
    bits, settings = header.whole("ZBITPIX") or 0, _settings(header)
    size, block = settings.get("BYTEPIX", 4), settings.get("BLOCKSIZE", 32)
    quantised = "ZSCALE" in table.names if table.names else False
    scale, zero = header.number("BSCALE", 1.0) or 0.0, header.number("BZERO", 0.0) or 0.0
    fits_type = (bits in (-32, -64) and size == 4 and scale == 1 and zero == 0) if quantised else bits == 8 * size
    if size not in (2, 4) or block not in (16, 32) or not fits_type:
        return None
    blanks = {header.whole("ZBLANK"), header.whole("BLANK")} - {None}
    if len(blanks) > 1:
        return None
    after = unit.data + table.itemsize * rows
    heap, end = unit.data + header.count("THEAP", table.itemsize * rows), after + header.count("PCOUNT")
    if not after <= heap <= end <= unit.end:
        return None
    blank = next(iter(blanks), None)
    return Tiles(table, unit.data, rows, width, heap, end, size, block, blank, scale, zero)


def _usual(header: Header, width: int, rows: int) -> bool:
    """Whether this is Rice's method without dithering or a mask, with one row in each tile."""
    tile = (header.whole("ZTILE1", width), header.whole("ZTILE2", 1))
    return (
        header.text("ZCMPTYPE") in ("RICE_1", "RICE_ONE")
        and (header.text("ZQUANTIZ") or "NO_DITHER") == "NO_DITHER"
        and not header.text("ZMASKCMP")
        and (header.whole("ZNAXIS"), header.whole("ZNAXIS2")) == (2, rows)
        and tile == (width, 1)
        and width > 0
        and rows > 0
    )


def _table(header: Header) -> np.dtype[np.void] | None:
    """A row of the table; None with columns that are not understood."""
    fields: list[tuple[str, str]] = []
    for number in range(1, header.count("TFIELDS", 0) + 1):
        name, form = header.text(f"TTYPE{number}") or "", FORM.fullmatch(header.text(f"TFORM{number}") or "")
        if not form or form[1] not in COLUMNS.get(name, "") or name in dict(fields):
            return None
        if name == "COMPRESSED_DATA" and not (form[2] or "").startswith("B"):
            return None
        pair = form[1] in "PQ"
        fields.append((name, f"(2,){TYPES[form[1]]}" if pair else TYPES[form[1]]))
    table = np.dtype(fields)
    known = "COMPRESSED_DATA" in dict(fields) and table.itemsize == header.count("NAXIS1")
    return table if known and ("ZSCALE" in dict(fields)) == ("ZZERO" in dict(fields)) else None


def _settings(header: Header) -> dict[str, int]:
    """The parameters of the method: ZNAMEn and ZVALn."""
    names = ((header.text(f"ZNAME{number}"), f"ZVAL{number}") for number in range(1, 10))
    return {name: header.whole(value, 0) or 0 for name, value in names if name in ("BLOCKSIZE", "BYTEPIX")}


def _header(content: bytes, start: int, first: bytes) -> tuple[Header, int]:
    """The header at a place and where its data begin."""
    if not content:
        raise HeaderTooLong("the file is empty")
    if not first.startswith(content[start : start + len(first)]):
        raise _other(content, start)
    cards: dict[str, str] = {}
    for place in range(start, len(content) - CARD + 1, CARD):
        card = content[place : place + CARD]
        if not card.isascii():
            raise CorruptError(f"the header is damaged at byte {place:,}")
        keyword, sign, value = card[:8].decode().rstrip(), card[8:10], card[10:].decode()
        if keyword == "END":
            return Header(cards), start + -(-(place + CARD - start) // BLOCK) * BLOCK
        if sign == b"= ":
            cards.setdefault(keyword, value)
    raise HeaderTooLong(f"the header at byte {start:,} does not end in {len(content):,} bytes")


def _other(content: bytes, start: int) -> CorruptError:
    """What stands where a header should."""
    if start:
        return CorruptError(f"something that is no FITS extension follows at byte {start:,}")
    if content.startswith(b"\x1f\x8b"):
        return CorruptError("it is compressed with gzip and must be unpacked first", "Such as with gunzip.")
    page = content[:BLOCK].lstrip().startswith(b"<")
    return CorruptError("it is no FITS file" + (" but HTML or XML, such as an error page" if page else ""))


def _size(header: Header) -> int:
    """The data's size without the filling of the last block [bytes]."""
    lengths = [header.count(f"NAXIS{axis}") for axis in range(1, min(header.count("NAXIS"), 999) + 1)]
    values = header.count("PCOUNT", 0) + (math.prod(lengths) if lengths else 0)
    return abs(header.whole("BITPIX") or 0) // 8 * header.count("GCOUNT", 1) * values


def _sum(content: bytes, start: int, end: int) -> int:
    words = np.frombuffer(content, ">u4", (end - start) // 4, start)
    return _fold(int(words.sum(dtype=np.uint64)))


def _fold(total: int) -> int:
    """Add what has run over 32 bits at the other end."""
    while total > ALL_ONES:
        total = (total & ALL_ONES) + (total >> 32)
    return total
