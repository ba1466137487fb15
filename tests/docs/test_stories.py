"""The pages, lived through: every command is typed as it stands, on the real cluster, and ends as the page says."""

from __future__ import annotations

import pytest

from tests.docs import stories
from tests.docs.commands import Page
from tests.docs.telling import Reader
from tests.slurm.laptop import Springline
from tests.slurm.requirements import reason_to_skip

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.skipif(reason_to_skip() is not None, reason=str(reason_to_skip())),
]


@pytest.mark.parametrize("page", stories.told(), ids=lambda page: page.file)
def test_page(page: Page, springline: Springline, request: pytest.FixtureRequest) -> None:
    """All commands of a page, from top to bottom, one after the other."""
    story = stories.story_of(page.file)
    products = (request.getfixturevalue("products")("9550"),) if "safe" in story.here else ()
    reader = Reader(springline, page, story, products)
    try:
        reader.read()
    finally:
        print(*reader.told, sep="\n")
