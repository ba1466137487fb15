"""`python -m tests.validation`: compute the page and its figures; exit code 1 where a promise is broken."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.slurm.requirements import test_data
from tests.validation.evidence import gather
from tests.validation.figures import draw
from tests.validation.pages import page, promises

DOCS = Path(__file__).parents[2] / "docs"
SIZE = 150
"""Cells along a side of the synthetic country."""


def main() -> int:
    """Write docs/validation.md and docs/figures/validation-*.png."""
    data = test_data() / "spring-index"
    if not data.is_dir():
        print(f"There are no real data in {data}: set SPRINGLINE_TEST_DATA.", file=sys.stderr)
        return 2
    began = time.monotonic()
    evidence = gather(data, SIZE)
    (DOCS / "validation.md").write_text(page(evidence), encoding="utf-8")
    for path in draw(evidence, DOCS / "figures"):
        print(f"{path.relative_to(DOCS.parent)}  {path.stat().st_size / 1000:.0f} kB")
    kept = promises(evidence)
    for what, true in kept.items():
        print(f"{'kept' if true else 'BROKEN'}: {what}")
    print(f"docs/validation.md written in {time.monotonic() - began:.0f} s")
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
