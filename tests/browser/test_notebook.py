"""The lecture's third notebook in a real browser, top to bottom, on a worker job of the real cluster."""

from __future__ import annotations

import json
import os
import re

from playwright.sync_api import expect

from tests.browser.lab import Lab
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
    expect(lab.page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)  # it is written
    cells = json.loads(book.read_bytes())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
            assert cell["execution_count"] and not errors, cell
    number = next(number for number, cell in enumerate(cells) if MAPS in "".join(cell["source"]))
    lab.cell(number).scroll_into_view_if_needed()
    assert lab.cell(number).locator("img").evaluate(COLOURS) > 50
    lab.window.picture("maps")
