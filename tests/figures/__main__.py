"""`python -m tests.figures [NAME …]`: make docs/figures/NAME.png; without names all of them."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.figures import batch, radar, springs, staging, sun
from tests.figures.common import FIGURES, MOST_BYTES, MissingError

MAKERS: dict[str, Callable[[Path], bytes]] = {
    "spring-index-map": springs.country,
    "spring-index-model": springs.one_place,
    "l1b": radar.denoising,
    "sdo-irradiance": sun.series,
    "sdo-combine": sun.channels,
    "stac": staging.copies,
    "map": batch.smoothed,
    "report": batch.report,
}
"""Figure → what makes it in a folder that it may fill; the page of the same job shows it."""


def make(name: str) -> str:
    """Make one figure; returns what is to be said of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="figure-") as folder:
        try:
            content = MAKERS[name](Path(folder))
        except MissingError as error:
            return f"not made: {error}"
    (FIGURES / f"{name}.png").write_bytes(content)
    large = f", MORE than {MOST_BYTES / 1000:.0f} kB" if len(content) > MOST_BYTES else ""
    return f"{len(content) / 1000:.0f} kB in {time.monotonic() - began:.0f} s{large}"


def main(names: list[str]) -> int:
    """Make the figures; exit code 1 where one is too large or cannot be made, 2 where there is none of that name."""
    if unknown := [name for name in names if name not in MAKERS]:
        print(f"There is no figure {unknown[0]}; there are {', '.join(MAKERS)}.", file=sys.stderr)
        return 2
    said = {name: make(name) for name in names or MAKERS}
    for name, words in said.items():
        print(f"{name}: {words}")
    return int(any("not made" in words or "MORE" in words for words in said.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
