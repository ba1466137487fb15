"""The manifest of a SAFE: what the product is and which files belong to it. Nothing else is opened."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from jobs.errors import InputError
from jobs.l1b.model import Safe, SafeFile
from jobs.l1b.xml import FETCH_AGAIN, load, parse

if TYPE_CHECKING:
    from lxml.etree import _Element

MANIFEST = "manifest.safe"
AUXILIARY = re.compile(r"AUX_([A-Z0-9]{3})")
POLARISATION = re.compile(r"-(vv|vh|hh|hv)-")


def read_safe(path: str) -> Safe:
    """What the manifest of the SAFE folder `path` says; some milliseconds, no other file is touched."""
    folder = Path(path)
    name = folder.name.removesuffix(".SAFE")
    _look(folder)
    text = load(folder / MANIFEST, name, "manifest")
    manifest = Manifest(parse(text, name, "manifest", MANIFEST), name)
    return Safe(
        name=name,
        path=str(folder),
        platform=f"{manifest.text('platform/familyName')}{manifest.text('platform/number')}",
        mode=manifest.text("mode"),
        swath=manifest.text("swath"),
        product_type=manifest.text("productType"),
        polarisations=tuple(sorted(set(manifest.texts("transmitterReceiverPolarisation")), key=_co_first)),
        start=manifest.time("startTime"),
        stop=manifest.time("stopTime"),
        orbit_pass=manifest.text("pass").upper(),
        absolute_orbit=manifest.integer("orbitNumber"),
        relative_orbit=manifest.integer("relativeOrbitNumber"),
        datatake=f"{manifest.integer('missionDataTakeID'):06X}",
        configuration=manifest.integer("instrumentConfigurationID"),
        ipf_version=manifest.attribute("software", "version"),
        processed=manifest.ended(),
        auxiliary=manifest.auxiliary(),
        footprint=manifest.footprint(),
        manifest_md5=hashlib.md5(text, usedforsecurity=False).hexdigest(),
        files=manifest.files(),
    )


def _look(folder: Path) -> None:
    """Say what is there instead of a SAFE."""
    name = folder.name
    if not folder.exists():
        raise InputError(f"{name}: there is no such product", "check the path")
    if not folder.is_dir():
        hint = "unpack it first" if folder.suffix.lower() == ".zip" else "give the folder that ends in .SAFE"
        raise InputError(f"{name} is a file, not a SAFE folder", hint)
    if not (folder / MANIFEST).exists():
        raise InputError(f"{name} has no {MANIFEST}: it is not a SAFE, or not a complete one", FETCH_AGAIN)


def _co_first(polarisation: str) -> tuple[bool, str]:
    return polarisation[0] != polarisation[-1], polarisation


class Manifest:
    """Values of a manifest by local element name: namespaces differ between the levels of products."""

    def __init__(self, root: _Element, product: str) -> None:
        self._root, self._product = root, product

    def texts(self, path: str) -> list[str]:
        """The texts of all elements at the end of this chain of local names."""
        chain = "//".join(f"*[local-name()='{name}']" for name in path.split("/"))
        return [element.text.strip() for element in self._find(f".//{chain}") if element.text and element.text.strip()]

    def text(self, path: str) -> str:
        """The first of the texts, which must be there."""
        found = self.texts(path)
        if not found:
            raise self._wrong(f"has no {path}", "the product is of a kind that springline does not know, or damaged")
        return found[0]

    def integer(self, path: str) -> int:
        """A whole number."""
        try:
            return int(self.text(path))
        except ValueError as error:
            raise self._wrong(f"has {self.text(path)[:40]!r} as {path}, which is not a whole number") from error

    def time(self, path: str) -> datetime:
        """A time [UTC]."""
        return self._moment(self.text(f"acquisitionPeriod/{path}"))

    def ended(self) -> datetime | None:
        """When the last processing ended."""
        found = self._find(".//*[local-name()='processing'][@stop]")
        return self._moment(found[0].get("stop", "")) if found else None

    def attribute(self, name: str, attribute: str) -> str:
        """The attribute of the first element of that name."""
        found: list[str] = [e.get(attribute, "") for e in self._find(f".//*[local-name()='{name}']")]
        if not found or not found[0]:
            raise self._wrong(f"has no {name} with a {attribute}")
        return found[0]

    def auxiliary(self) -> dict[str, str]:
        """Auxiliary files by kind; the processor's folders are left out."""
        files = [PurePosixPath(e.get("name", "")).name for e in self._find(".//*[local-name()='resource']")]
        kinds = {name: AUXILIARY.search(name) for name in files}
        return {found[1]: name for name, found in kinds.items() if found}

    def footprint(self) -> tuple[tuple[float, float], ...]:
        """The corners as (longitude, latitude)."""
        text = self.text("footPrint/coordinates")
        try:
            pairs = [pair.split(",") for pair in text.split()]
            return tuple((float(lon), float(lat)) for lat, lon in pairs)
        except ValueError as error:
            raise self._wrong(f"has a footprint that is not a list of latitude,longitude: {text[:60]!r}") from error

    def files(self) -> tuple[SafeFile, ...]:
        """All files of the product, in the manifest's order."""
        return tuple(self._file(element) for element in self._find(".//*[local-name()='dataObject']"))

    def _file(self, element: _Element) -> SafeFile:
        place = element.find(".//{*}fileLocation")
        href = (place.get("href") or "" if place is not None else "").removeprefix("./")
        if not href or href.startswith("/") or ".." in PurePosixPath(href).parts:
            raise self._wrong(f"lists the file {href!r}, which is no place inside the product")
        size = next((s.get("size") for s in element.iter("{*}byteStream")), None)
        md5 = element.findtext(".//{*}checksum")
        polarisation = POLARISATION.search(PurePosixPath(href).name)
        role = re.sub(r"^s1Level\d|Schema$", "", element.get("repID", "").split(" ")[0]).lower()
        return SafeFile(
            href,
            element.get("ID", ""),
            role,
            polarisation[1].upper() if polarisation else None,
            int(size) if size and size.isdigit() else None,
            md5.strip().lower() if md5 else None,
        )

    def _find(self, xpath: str) -> list[_Element]:
        found = self._root.xpath(xpath)
        return [e for e in found if hasattr(e, "tag")] if isinstance(found, list) else []

    def _moment(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._wrong(f"has the time {text[:40]!r}, which cannot be read") from error
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    def _wrong(self, words: str, hint: str = FETCH_AGAIN) -> InputError:
        return InputError(f"{self._product}: {MANIFEST} {words}", hint)
