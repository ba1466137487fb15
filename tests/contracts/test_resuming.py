"""A page takes up its kernels after a lost connection: a real Jupyter server and kernels, raw websockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.contracts.pages import Page, Server, is_open, serving, until

COUNT = "import time\nfor n in range(500):\n    print(n, flush=True); time.sleep(0.004)\nprint('done')"
COUNTED = "".join(f"{n}\n" for n in range(500)) + "done\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all; nothing may go wrong in it."""
    with serving(tmp_path_factory.mktemp("jupyter")) as running:
        yield running
    assert not running.complaints(), running.log.read_text()


@pytest.fixture(scope="module")
def kernel(server: Server) -> str:
    """A kernel that all may use."""
    return str(server.ask("POST", "/api/kernels", name="python3")["id"])


@pytest.mark.parametrize("lost", ["broken", "left alone"])
def test_two_pages_that_reconnect_lose_nothing(server: Server, kernel: str, lost: str) -> None:
    """Each gets every line once and in order, whether the server knows that the connection broke or not."""
    pages = [Page(server, kernel).connect() for _ in range(2)]
    assert [page.heard() for page in pages] == [0, 0]  # the server listens to the kernel for both
    pages[0].run(COUNT)
    for turn in range(6):
        page = pages[turn % 2]
        page.listen(f"{turn * 70}\n")
        if lost == "broken":
            page.socket.shutdown()
            time.sleep(0.1)
        page.connect()
        assert page.agreed["complete"]
    assert [page.listen("done\n") for page in pages] == [COUNTED, COUNTED]


def test_what_is_printed_while_all_pages_are_away_is_kept_for_each(server: Server, kernel: str) -> None:
    """Jupyter itself keeps it for the last one that left."""
    pages = [Page(server, kernel).connect() for _ in range(2)]
    assert [page.heard() for page in pages] == [0, 0]  # the server listens to the kernel for both
    pages[0].run("import time; time.sleep(0.5); print('meanwhile')")
    assert pages[0].heard() == 1
    for page in pages:
        page.socket.shutdown()
    time.sleep(1)
    for page in pages:
        page.connect()
        assert page.agreed["complete"]
        assert page.listen("meanwhile\n") == "meanwhile\n"


def test_a_message_on_a_websocket_that_was_replaced_does_not_count(server: Server, kernel: str) -> None:
    """It arrives late, is not carried out, and is not taken for heard: the page says it again, once."""
    page = Page(server, kernel).connect()
    page.run("print('first')")
    page.listen("first\n")
    old = page.socket
    page.connect()
    late = page.cell("print('late')")
    old.send_binary(late)
    assert page.heard() == 1
    page.connect()  # and says it again
    page.run("print('after')")
    assert page.listen("after\n") == "first\nlate\nafter\n"


def test_of_several_websockets_that_open_at_once_one_stays(server: Server, kernel: str) -> None:
    """As after a long time without a network, when all that was held back arrives."""
    page = Page(server, kernel).connect()
    page.run("print('before')")
    page.listen("before\n")
    opened = []
    threads = [threading.Thread(target=lambda: opened.append(page.open())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(is_open(socket) for socket in opened) == 1
    page.connect()
    page.run("print('after')")
    assert (page.listen("after\n"), page.agreed["complete"]) == ("before\nafter\n", True)


def test_a_page_that_asks_nonsense_begins_anew(server: Server, kernel: str) -> None:
    """No error in the log: a new line."""
    page = Page(server, kernel).connect("x")
    assert page.agreed["complete"]
    page.run("print('well')")
    assert page.listen("well\n") == "well\n"


def test_a_page_that_was_forgotten_is_told(server: Server, kernel: str) -> None:
    """It knows a line that the server does not: what it missed or said is lost."""
    page = Page(server, kernel).connect("0123456789abcdef.7.3")
    assert (page.agreed["complete"], page.agreed["heard"]) == (False, 0)


@pytest.mark.parametrize("heard", [True, False], ids=["it said something", "it said nothing yet"])
def test_a_cell_sent_before_a_restart_does_not_run_after_it(server: Server, heard: bool) -> None:
    """The kernel was restarted while the page was away: what was meant for the one before is dropped, and that said."""
    kernel = server.ask("POST", "/api/kernels", name="python3")["id"]
    page, other = Page(server, kernel).connect(), Page(server, kernel).connect()
    page.run("print('before')")
    page.listen("before\n")
    page.socket.shutdown()
    page.cell("print('meant for the kernel before')")
    server.ask("POST", f"/api/kernels/{kernel}/restart")
    if heard:
        other.connect().run("print('elsewhere')")
        other.listen("elsewhere\n")
    page.connect()
    assert (page.agreed["heard"], page.agreed["complete"]) == (2, False)
    page.run("print('after')")
    assert "meant for" not in page.listen("after\n")
    page.connect()
    page.run("print('and on')")
    page.listen("and on\n")
    assert page.agreed["complete"]


def test_a_page_that_is_closed_frees_what_it_had(server: Server, kernel: str) -> None:
    """Its channels to the kernel are closed at once; those of a page that is merely away are not, but do not count."""

    def connections() -> int:
        return int(server.ask("GET", f"/api/kernels/{kernel}")["connections"])

    Page(server, kernel).connect().socket.close(1001)
    time.sleep(0.5)
    before, others = server.sockets(), connections()
    page = Page(server, kernel).connect()
    assert page.heard() == 0
    until(lambda: (server.sockets() > before + 2, connections()) == (True, others + 1))
    page.socket.shutdown()
    until(lambda: connections() == others)
    assert server.sockets() > before + 2
    page.connect()
    assert connections() == others + 1
    page.socket.close(1001)
    until(lambda: server.sockets() <= before and connections() == others)


def test_a_kernel_that_is_slow_to_begin_is_reached_when_it_has(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The server gave up waiting for its first answer; the page's next websocket hears it all the same."""
    home = tmp_path_factory.mktemp("slow")  # a short path, for sockets
    startup = home / ".ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "slow.py").write_text("import time; time.sleep(8)")
    with serving(home, kernel_info_timeout=1) as server:
        page = Page(server, str(server.ask("POST", "/api/kernels", name="python3")["id"])).connect()
        time.sleep(4)
        page.socket.shutdown()
        page.connect()
        page.run("print('there')")
        assert page.listen("there\n") == "there\n" and page.agreed["complete"]
