"""Connections that break, fall silent or freeze: noticed soon, never guessed, and made again."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

import pytest

from launcher.errors import ConnectError
from launcher.model import Platform
from launcher.transports.base import Stream, Tcp
from launcher.transports.paramiko_link import Packets
from tests.contracts.conftest import Reach
from tests.contracts.sshd import HOST, Sshd


def test_comes_back_after_the_connection_was_killed(reach: Reach, serve: Callable[..., Sshd]) -> None:
    """A connection killed on the server's side is an error for what ran then, and a new one for what comes next."""
    server = serve()
    transport = reach(server)
    transport.open()
    timer = threading.Timer(0.5, server.drop_connections)
    timer.start()
    with pytest.raises(ConnectError):
        transport.run("sleep 20; echo survived")
    timer.join()
    with suppress(ConnectError):  # it may be the first to find out
        transport.run("true")
    assert transport.run("echo back").text == "back\n"


@pytest.mark.slow
def test_silence_is_noticed(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """When nothing comes back any more, everything that waits fails within 10 s: commands, and streams at rest."""
    server = serve()
    transport = fabric(server)
    ends: list[float] = []
    with (
        socket.create_server((HOST, 0)) as listener,
        closing(transport.connect(Tcp(*listener.getsockname()))) as stream,
    ):

        def wait_for_stream() -> None:
            with suppress(OSError):
                stream.recv(1)
            ends.append(time.monotonic())

        reader = threading.Thread(target=wait_for_stream)
        reader.start()
        with server.frozen():
            began = time.monotonic()
            with pytest.raises(ConnectError):
                transport.run("echo never")
            ends.append(time.monotonic())
            reader.join(2)
    assert [round(end - began) in range(5, 11) for end in ends] == [True, True]


@pytest.mark.slow
def test_silence_is_noticed_by_those_who_send(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """Uploads that are stuck, with every buffer full, do not keep the silence from being noticed."""
    server = serve()
    transport = fabric(server)
    ends: list[float] = []

    def upload(stream: Stream) -> None:
        with suppress(OSError, EOFError):
            while True:
                stream.sendall(bytes(1_000_000))
        ends.append(time.monotonic())

    with socket.create_server((HOST, 0)) as listener:
        streams = [transport.connect(Tcp(*listener.getsockname())) for _ in range(12)]
        senders = [threading.Thread(target=upload, args=(stream,)) for stream in streams]
        with server.frozen():
            began = time.monotonic()
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join(15)
    assert [5 < end - began < 11 for end in ends] == [True] * len(streams)


@pytest.mark.slow
def test_a_pause_is_no_end(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """A server that says nothing for 4 s is still the same connection afterwards."""
    server = serve()
    transport = fabric(server)
    assert transport.run("echo $PPID").text
    with server.frozen():
        time.sleep(4)
    time.sleep(4)
    assert server.connections() == 1
    assert (server.directory / "log").read_text().count("Accepted") == 1
    assert transport.run("echo on").text == "on\n"


LAPTOP = """
import sys, time
from launcher.model import Platform
from launcher.transports.base import Asker
from launcher.transports.fabric import FabricTransport
platform = Platform("x", host=sys.argv[1], user="root", port=int(sys.argv[2]), keypath=sys.argv[3])
transport = FabricTransport(platform, Asker())
for line in sys.stdin:
    print(transport.run("echo " + line).text, end="", flush=True)
"""


@pytest.mark.slow
def test_frozen_laptop(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """A laptop that slept for longer than any silence is allowed to last asks again before it hangs up."""
    server = serve()
    fabric.known_hosts.write_text(server.known_hosts())
    command = [sys.executable, "-c", LAPTOP, server.host, str(server.port), str(server.user_key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as laptop:
        assert laptop.stdin and laptop.stdout
        for pause in (0, 14):
            os.kill(laptop.pid, signal.SIGSTOP)
            time.sleep(pause)
            os.kill(laptop.pid, signal.SIGCONT)
            time.sleep(pause / 3)
            print(pause, file=laptop.stdin, flush=True)
            assert laptop.stdout.readline() == f"{pause}\n"
        laptop.stdin.close()
    assert (server.directory / "log").read_text().count("Accepted") == 1


def test_new_keys_in_the_middle(
    fabric: Reach, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """New session keys, which gigabytes call for, are agreed on while data flows both ways, and nothing is lost."""
    caplog.set_level(logging.DEBUG, "paramiko")
    monkeypatch.setattr(Packets, "REKEY_BYTES", 1_000_000)
    transport = fabric(sshd)
    script = "head -c 6000000 /dev/zero | tr '\\0' x; head -c 2000000 /dev/zero >&2"
    for _ in range(4):  # a channel that closes in the middle of it once stopped everything
        answer = transport.run(script, timeout=5)
        assert (len(answer.text), len(answer.errors)) == (6_000_000, 2_000_000)
    assert caplog.text.count("Rekeying (hit") > 2


def test_close_does_not_wait_for_an_opening(fabric: Reach, sshd: Sshd) -> None:
    """Hanging up while another thread connects comes back at once, and what it connected is not kept."""
    ends: list[ConnectError] = []
    with socket.create_server((HOST, 0)) as listener:  # accepts, and says nothing
        place = Platform("x", host=HOST, user="root", port=listener.getsockname()[1], keypath=str(sshd.user_key))
        transport = fabric.to(place)

        def connect() -> None:
            try:
                transport.open()
            except ConnectError as error:
                ends.append(error)

        opening = threading.Thread(target=connect)
        opening.start()
        with listener.accept()[0]:
            time.sleep(0.2)
            began = time.monotonic()
            transport.close()
            opening.join(3)
            assert time.monotonic() - began < 1
    assert len(ends) == 1
