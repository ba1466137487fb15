"""The lecture's third notebook in a real browser, top to bottom, on a worker job of the real cluster."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.lab import Lab, wait_until
from tests.slurm.requirements import CHECKOUT
from tests.slurm.upping import Up

NOTEBOOK = CHECKOUT / "docs/notebooks/spring-index.ipynb"
MAPS = "drawing.maps(dates.first_leaf"
MINUTES = 5  # on a machine that does other things, too
COLOURS = """image => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const drawing = canvas.getContext("2d");
    drawing.drawImage(image, 0, 0);
    return new Set(new Uint32Array(drawing.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
}"""


def test_the_spring_index_notebook(lab: Lab, up: Up) -> None:
    """Run → Run All Cells: every cell ends, none with an error, and the maps of the first leaf are on the page."""
    assert up.springline("scale", "window", "1").returncode == 0
    home = up.springline.cluster.cluster_home()
    book = home / NOTEBOOK.name
    book.write_bytes(NOTEBOOK.read_bytes())
    os.chown(book, home.stat().st_uid, home.stat().st_gid)
    lab.open_notebook(book.name)
    expect(lab.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
    lab.page.get_by_role("menuitem", name="Run", exact=True).click()
    lab.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(lab.cell(-1).locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=MINUTES * 60_000)
    lab.page.keyboard.press("Control+s")
    wait_until(lambda: all("error" not in kinds and count for count, kinds in ran(book)))
    number = next(i for i, cell in enumerate(json.loads(book.read_bytes())["cells"]) if MAPS in "".join(cell["source"]))
    lab.cell(number).scroll_into_view_if_needed()
    assert lab.cell(number).locator("img").evaluate(COLOURS) > 50
    lab.window.picture("maps")


def ran(book: Path) -> list[tuple[int | None, list[str]]]:
    """For each cell of code in a saved notebook its number, and the kinds of its outputs."""
    cells = [cell for cell in json.loads(book.read_bytes())["cells"] if cell["cell_type"] == "code"]
    return [(cell["execution_count"], [output["output_type"] for output in cell["outputs"]]) for cell in cells]
