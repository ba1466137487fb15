"""Pages that are files, on a screen and on a phone: the report of a run, and the documentation's first page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import WINDOW, Window
from tests.slurm.laptop import Springline
from tests.slurm.requirements import CHECKOUT

DOCS = [CHECKOUT / f".cache/docs/{folder}/index.html" for folder in ("html", "tested")]  # make docs; the tests of docs
SOURCES = [CHECKOUT / "docs/conf.py", *(CHECKOUT / "docs/_static").iterdir()]
PHONE = {"width": 390, "height": 844}
FUNCTION = """def count(source, target):
    text = open(source).read()
    if "lost" in text:
        raise ValueError("no number in line 1")
    open(target, "w").write(str(len(text)))
"""
# What is wider than the page though nothing around it scrolls.
TOO_WIDE = """() => [...document.body.querySelectorAll("*")].filter((one) => {
    const scrolls = (each) => each && each !== document.body
        && (/auto|scroll|hidden|clip/.test(getComputedStyle(each).overflowX) || scrolls(each.parentElement));
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.right > innerWidth + 1 && !scrolls(one);
}).map((one) => `${one.tagName}.${one.className} ${Math.round(one.getBoundingClientRect().right)} px`)"""


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    """An empty window."""
    opened = Window.open(browser)
    yield opened
    opened.page.context.close()


def fits_everywhere(window: Window, address: str, name: str) -> None:
    """Open a page on a screen and on a phone: nothing sticks out, and the console has no error."""
    for where, size in (("screen", WINDOW), ("phone", PHONE)):
        window.page.set_viewport_size(size)
        window.page.goto(address)
        window.page.screenshot(path=window.picture(f"{name}-{where}"), full_page=True)
        assert window.page.evaluate(TOO_WIDE) == []
        assert window.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        broken = "[...document.images].filter((one) => !one.complete || !one.naturalWidth).map((one) => one.src)"
        assert window.page.evaluate(broken) == []
    window.no_errors()


def test_the_report_of_a_run(window: Window, shared_springline: Springline) -> None:
    """report.html of a run in which an item failed, as the user who ran it opens it."""
    home = shared_springline.home
    (home / "texts").mkdir()
    for number in range(12):
        (home / f"texts/{number}.txt").write_text("lost" if number == 7 else "found" * number)
    (home / "counting.py").write_text(FUNCTION)
    options = ["--target", "counts/{stem}.txt", "--workers", "1", "--retries", "0"]
    command = ["run", "map", "/home/scientist/counting.py:count", "texts/*.txt", *options]
    ran = shared_springline(*command)
    assert ran.returncode == 1, ran.stderr
    report = next(home.rglob("report.html"))
    fits_everywhere(window, f"file:///home/scientist/{report.relative_to(home)}", "report")
    assert window.page.get_by_text("no number in line 1").first.is_visible()


def test_the_first_page_of_the_documentation(window: Window) -> None:
    """What `make docs` made opens as a file, without a network, with its styles and pictures."""
    changed = max(file.stat().st_mtime for file in SOURCES)
    built = [page for page in DOCS if page.exists() and page.stat().st_mtime > changed]
    if not built:
        pytest.skip("the documentation is not built, or before its style was changed: make docs")
    fits_everywhere(window, built[0].as_uri(), "docs")
    assert "springline" in window.page.title().lower()
