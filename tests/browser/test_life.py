"""A session of three minutes in a real browser: its warnings, a train in a tunnel, and File → Shut Down."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chromium import NO_NETWORK
from tests.browser.lab import Lab, start, wait_until
from tests.slurm.laptop import Springline
from tests.slurm.upping import Up, live

AWAY = 20_000  # ms
COUNT = "import time\nkept = 42\nfor n in range(60):\n    print(n, end=' ', flush=True); time.sleep(0.5)"


@pytest.fixture(scope="module")
def up(shared_springline: Springline) -> Up:
    """Three minutes: the first warning is due at once, the second a minute later."""
    return start(shared_springline, "--name", "brief", "--walltime", "00:03:00")


def said(lab: Lab, text: str) -> Locator:
    """A notification on the page."""
    return lab.page.locator(".Toastify__toast", has_text=text)


def test_the_page_warns_when_it_opens_late(lab: Lab) -> None:
    """Less than ten minutes are left: the page says how many, when, what is lost then, and what to do."""
    warning = said(lab, "3 min left")
    warning.wait_for()
    lab.window.picture("warning")
    words = warning.inner_text()
    assert re.search(r"the session ends at \d\d:\d\d", words) and "Save your work." in words, words
    assert "…" not in words, "JupyterLab cut it off"


def test_a_train_in_a_tunnel(lab: Lab, up: Up) -> None:
    """Twenty seconds without a network: the page says so, comes back by itself, and nothing said either way is lost."""
    cluster = up.springline.cluster
    lab.new_notebook()
    lab.type(COUNT)
    lab.page.keyboard.press("Shift+Enter")
    printed = lab.cell(0).locator(".jp-OutputArea-output")
    printed.filter(has_text="2 ").wait_for()
    cluster.cut_link()
    lab.type("kept + 1", 1)  # nobody knows yet that the network is gone
    lab.page.keyboard.press("Control+Enter")
    lab.page.wait_for_timeout(AWAY)
    lab.window.picture("no-connection")
    assert said(lab, "No connection to the session").is_visible()
    assert not lab.page.locator(
        ".jp-Dialog"
    ).is_visible()  # JupyterLab's own words, which stay until somebody closes them
    cluster.restore_link()
    said(lab, "The connection is back. Kernels and variables are as they were.").wait_for(timeout=10_000)
    lab.window.picture("connection-is-back")
    answer = lab.cell(1).locator(".jp-OutputArea-output")
    answer.wait_for()
    assert answer.inner_text().strip() == "43"
    assert printed.inner_text().split() == [str(number) for number in range(60)]
    lab.window.forgive(NO_NETWORK)


def test_the_page_warns_in_time(lab: Lab) -> None:
    """A page that is open says it again when two minutes are left, in place of the first warning."""
    said(lab, "2 min left").wait_for(timeout=60_000)
    said(lab, "3 min left").wait_for(state="detached")
    lab.window.picture("last-warning")


def test_file_shut_down(lab: Lab, up: Up) -> None:
    """File → Shut Down ends the job and frees its node; `up` ends well and says so, and so does the page."""
    lab.page.get_by_role("menuitem", name="File", exact=True).click()
    lab.page.get_by_role("menuitem", name="Shut Down", exact=True).click()
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Shut Down").click()
    lab.page.locator(".jp-Dialog", has_text="You have shut down the Jupyter server").wait_for()
    assert up.process.wait(timeout=40) == 0
    assert "session brief is over: Jupyter was shut down." in up.said()
    wait_until(lambda: live(up.springline) == 0)
    expect(lab.page.locator(".Toastify__toast")).to_have_count(0, timeout=20_000)  # there is no time left to speak of
    lab.window.picture("shut-down")
    lab.window.forgive(NO_NETWORK)  # JupyterLab goes on asking a server that is no more
