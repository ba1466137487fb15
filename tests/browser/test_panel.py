"""The Dask panel of JupyterLab in a real browser, through the tunnel, on worker jobs of the real cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.chromium import SLOW, Window
from tests.browser.lab import Lab, start, wait_until
from tests.slurm.laptop import Springline
from tests.slurm.upping import Up

PRESET = "\n[testbed:large]\nworker_cores = 2\nworker_memory = 2GB\n"
WORKERS = "squeue --noheader --states=RUNNING --format='%C %j' | grep worker"
COMPUTE = """
import time
from pathlib import Path
from distributed import Client, wait

client = Client()
def slowly(number):
    time.sleep(0.3)
while not Path("enough").exists():
    wait(client.map(slowly, range(8), pure=False))
"""
DRAWN = "Math.max(0, ...Bokeh.documents[0]._all_models.values().filter(m => m.data).map(m => m.get_length()))"


@pytest.fixture(scope="module")
def up(shared_springline: Springline) -> Up:
    """A session whose platform has a preset of larger workers."""
    ini = shared_springline.home / ".config/springline/platforms.ini"
    ini.write_text(ini.read_text(encoding="utf-8") + PRESET, encoding="utf-8")
    return start(shared_springline, "--name", "forest")


@pytest.fixture
def panel(lab: Lab) -> Locator:
    """The Dask panel, opened with its button at the left."""
    panel = lab.page.locator("#dask-dashboard-launcher")
    if not panel.is_visible():
        lab.page.locator('.lm-TabBar-tab[data-id="dask-dashboard-launcher"]').click()
    panel.locator(".dask-ClusterListingItem").first.wait_for()
    return panel


@pytest.fixture
def few(up: Up) -> Iterator[None]:
    """Workers that a test leaves behind are released."""
    yield
    up.springline("scale", "forest", "0")
    wait_until(lambda: not cores_of_workers(up))


def cores_of_workers(up: Up) -> list[int]:
    """The cores of each running worker job, as `squeue` has them."""
    lines = up.springline.cluster.login.run(WORKERS, user="alice", check=False).stdout.splitlines()
    return sorted(int(line.split()[0]) for line in lines)


def scale(lab: Lab, panel: Locator, number: int) -> None:
    """Fill in the panel's dialog."""
    panel.get_by_role("button", name="SCALE").click()
    dialog = lab.page.get_by_role("dialog")
    dialog.locator("input[type=number]").first.fill(str(number))
    lab.window.picture("scale-dialog")
    dialog.get_by_role("button", name="SCALE").click()
    dialog.wait_for(state="detached")


def test_jupyterlab_opens_from_what_up_gives_the_browser(lab: Lab, up: Up) -> None:
    """The page that `up` opens leads to JupyterLab, logged in; the token stays in no address."""
    assert lab.page.url.startswith(up.line["url"]) and up.token not in lab.page.url
    expect(lab.page.locator(".jp-LauncherCard").first).to_be_visible()
    lab.window.picture("jupyterlab")


def test_jupyterlab_opens_from_the_printed_url(browser: Browser, up: Up) -> None:
    """What `springline url --show-token` prints is all that another browser needs; without the token it asks."""
    printed = up.springline("url", "forest", "--show-token").stdout.strip()
    with Lab.open(browser, printed) as other:
        expect(other.page.locator(".jp-LauncherCard").first).to_be_visible()
        other.window.no_errors()
    stranger = Window.open(browser)
    stranger.page.goto(up.line["url"])
    expect(stranger.page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    expect(stranger.page.locator("body")).to_contain_text("springline url forest --show-token")
    stranger.picture("login")
    stranger.page.context.close()


def test_the_panel_lists_the_cluster_of_the_session(lab: Lab, panel: Locator, up: Up) -> None:
    """One cluster, by the session's name, where it can be seen without scrolling."""
    cluster = panel.locator(".dask-ClusterListingItem")
    expect(cluster).to_have_count(1)
    expect(cluster).to_contain_text("forest")
    expect(cluster).to_contain_text(up.line["dask"]["scheduler"])
    expect(cluster).to_contain_text("Number of Workers: 0")
    expect(cluster).to_be_in_viewport(ratio=0.99)
    lab.window.picture("panel")


def test_the_dialog_adds_workers_that_squeue_lists(lab: Lab, panel: Locator, up: Up, few: None) -> None:
    """Two workers are asked for; they are jobs of the user's, and the panel counts them."""
    scale(lab, panel, 2)
    wait_until(lambda: cores_of_workers(up) == [1, 1])
    expect(panel).to_contain_text("Number of Workers: 2", timeout=SLOW)
    lab.window.picture("panel-workers")


def test_new_lists_no_second_cluster(lab: Lab, panel: Locator) -> None:
    """A session has one cluster: NEW shows that one; after SHUTDOWN it brings it back by its name."""
    cluster = panel.locator(".dask-ClusterListingItem")
    with lab.page.expect_response(lambda answer: answer.request.method == "PUT") as answer:
        panel.get_by_title("Start New Dask Cluster").click()
    assert answer.value.ok
    panel.get_by_title("Refresh Cluster List").click()
    expect(cluster).to_have_count(1)
    panel.get_by_title("Shutdown forest").click()
    expect(cluster).to_have_count(0)
    panel.get_by_title("Start New Dask Cluster").click()
    expect(cluster).to_have_count(1)
    expect(cluster).to_contain_text("forest")


def test_the_code_button_gives_a_cell_with_a_client(lab: Lab, panel: Locator, few: None) -> None:
    """The cell, run as it is, makes a client of the session's cluster."""
    scale(lab, panel, 1)
    lab.new_notebook()
    panel.get_by_title("Inject client code for forest").click()
    expect(lab.cell(0)).to_contain_text("client = Client(")
    shown = lab.run(0)
    assert "Client" in shown and "Traceback" not in shown, shown
    lab.type("client.submit(sum, range(10)).result()")
    assert lab.run().endswith("45")
    lab.window.picture("client-cell")
    with lab.page.expect_popup() as opened:
        lab.cell(0).get_by_role("link", name="/status").click()
    status = Window.of(opened.value)
    expect(status.page.locator(".bk-Figure").first).to_be_visible()
    status.picture("status-page")
    status.no_errors()
    status.page.close()


def test_the_cluster_is_dragged_into_a_notebook(lab: Lab, panel: Locator) -> None:
    """The same cell appears where the cluster is dropped, and runs."""
    lab.new_notebook()
    start, end = panel.locator(".dask-ClusterListingItem-title").bounding_box(), lab.cell(0).bounding_box()
    assert start and end
    mouse = lab.page.mouse
    mouse.move(start["x"] + 5, start["y"] + 5)
    mouse.down()
    mouse.move(start["x"] + 25, start["y"] + 25, steps=5)
    mouse.move(end["x"] + 200, end["y"] + end["height"] / 2, steps=10)
    lab.window.picture("drag")
    mouse.up()
    expect(lab.cell(0)).to_contain_text("client = Client(")
    assert "Traceback" not in lab.run(0)


def test_panes_show_the_computation_that_runs(lab: Lab, panel: Locator, up: Up, few: None) -> None:
    """The task stream beside the notebook gets a rectangle for each task while the cell still runs."""
    scale(lab, panel, 2)
    expect(panel).to_contain_text("Number of Workers: 2", timeout=SLOW)
    lab.new_notebook()
    lab.command("Launch Dask Dashboard Layout")
    lab.type(COMPUTE)
    lab.start()
    stream = lab.page.wait_for_selector('iframe[src*="individual-task-stream"]').content_frame()
    assert stream is not None
    stream.wait_for_function(f"window.Bokeh?.documents[0] && {DRAWN} >= 16", timeout=SLOW)
    expect(lab.cell(-1)).to_contain_text("[*]")
    lab.window.picture("dashboard")
    (up.springline.cluster.cluster_home() / "enough").touch()
    assert "Traceback" not in lab.done()


def test_the_palette_gives_workers_of_a_preset(lab: Lab, panel: Locator, up: Up, few: None) -> None:
    """`Dask Workers: large` asks how many; the job that comes has the preset's cores, and the panel counts them."""
    lab.command("Dask Workers: large")
    dialog = lab.page.get_by_role("dialog")
    lab.window.picture("preset-dialog")
    dialog.locator("input").fill("1")
    dialog.get_by_role("button", name="OK").click()
    wait_until(lambda: cores_of_workers(up) == [2])
    expect(panel).to_contain_text(re.compile("Number of Cores: 2.*Number of Workers: 1"), timeout=SLOW)
    lab.window.picture("preset")
