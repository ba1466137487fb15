"""The figures of the pages: each is there, small, and shown by a page that says in words what is seen."""

from __future__ import annotations

import re

import pytest

from tests.docs.commands import ROOT
from tests.figures.__main__ import MAKERS
from tests.figures.common import FIGURES, MOST_BYTES

PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("name", MAKERS)
def test_a_figure_is_small_and_shown(name: str) -> None:
    """It lies in docs/figures, and one page shows it, with a caption and words for who cannot see."""
    assert 2000 < (FIGURES / f"{name}.png").stat().st_size <= MOST_BYTES
    block = re.compile(rf"```\{{figure\}} figures/{name}\.png\n:alt: .{{40,}}\n(.+\n)+```\n")
    assert len([page for page, text in PAGES.items() if block.search(text)]) == 1
