"""paramiko's transport, tuned for tunnels: fast ciphers, a heartbeat of its own, and channels to Unix sockets."""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import paramiko
from paramiko.buffered_pipe import BufferedPipe
from paramiko.common import cMSG_CHANNEL_OPEN, cMSG_GLOBAL_REQUEST
from paramiko.packet import Packetizer

from launcher.transports.base import Endpoint, UnixSocket

_known: Any = paramiko.Transport
CIPHERS = tuple(
    name
    for name in ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
    if name in _known._cipher_info  # older ones know no GCM
)
HEARTBEAT_SECONDS = 3.0
MISSED_BEATS = 2  # this many intervals without a word: a dead link is noticed after 6 to 9 seconds
HANDSHAKE_SECONDS = 10
CHANNEL_SECONDS = 10
WINDOW = 8 * 1024 * 1024  # bytes on their way per channel: 80 MB/s at a round trip of 100 ms

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # it would print tracebacks where nobody set up logging


class Packets(Packetizer):
    """Packets that count themselves: anything heard means that the host lives."""

    # New keys after 2^32 blocks, as with OpenSSH, and a little later than there: that the server begins is the safer
    # way round, because then it has nothing else under way.
    REKEY_BYTES = 2**36 + 2**33
    REKEY_BYTES_OVERFLOW_MAX = 2**33

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - a socket, or a channel of another link
        super().__init__(sock)
        self.heard = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read, and note that something was said."""
        found = super().read_all(n, check_rekey)
        self.heard += 1
        return found


class Received(BufferedPipe):  # type: ignore[type-arg] # generic in the stubs only
    """What has arrived on a channel. A bytearray lets go of its beginning; paramiko's array moves all that is left, up
    to a whole window, at every read."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()

    def _buffer_frombytes(self, data: bytes) -> None:
        self._buffer += data

    def _buffer_tobytes(self, limit: int | None = None) -> bytes:
        return bytes(memoryview(self._buffer)[:limit])


class Link(paramiko.Transport):
    """An SSH connection. Its owner logs in, then calls `watch`."""

    # Its reader looks up this often by itself; `stop_thread` wakes it anyway.
    _active_check_timeout = 5.0
    # AES-GCM first: one call a packet does the work of cipher and MAC.
    _preferred_ciphers = CIPHERS

    def __init__(self, sock: Any, disabled_algorithms: Any = None) -> None:  # noqa: ANN401 - as SSHClient calls it
        super().__init__(
            sock,
            default_window_size=WINDOW,
            disabled_algorithms=disabled_algorithms,
            packetizer_class=Packets,
        )
        self.banner_timeout = self.handshake_timeout = HANDSHAKE_SECONDS
        self.channel_timeout = CHANNEL_SECONDS
        self.server_extensions: dict[str, bytes]  # by paramiko: what the server said about itself
        self.farewell = ""  # the reason that the server gave for hanging up
        self._hung_up = threading.Event()
        self._held: list[paramiko.Message] = []

    def watch(self) -> None:
        """Start the heartbeat."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def open_stream(self, endpoint: Endpoint, timeout: float) -> paramiko.Channel:
        """A channel from over there to an endpoint (RFC 4254, section 7.2; OpenSSH's PROTOCOL, section 2.4)."""
        raw: Any = self
        request = paramiko.Message()
        fields: tuple[str | int, ...]
        if isinstance(endpoint, UnixSocket):
            kind, fields = "direct-streamlocal@openssh.com", (endpoint.path, "", 0)
        else:
            kind, fields = "direct-tcpip", (endpoint.host, endpoint.port, "127.0.0.1", 0)
        channel, opened = self._new_channel(raw, request, kind)
        for value in fields:
            if isinstance(value, int):
                request.add_int(value)
            else:
                request.add_string(value)
        raw._send_user_message(request)
        give_up = time.monotonic() + timeout
        while not opened.wait(0.1) and self.is_active():
            if time.monotonic() > give_up:
                raise TimeoutError
        if not self.is_active() or raw._channels.get(channel.get_id()) is None:
            raise self.get_exception() or paramiko.SSHException("the connection was lost")
        return channel

    def stop_thread(self) -> None:
        """Wake the reader, which otherwise sleeps on a closed descriptor, and the heartbeat."""
        self._hung_up.set()
        if isinstance(self.sock, socket.socket):
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        super().stop_thread()

    @staticmethod
    def _new_channel(raw: Any, request: paramiko.Message, kind: str) -> tuple[paramiko.Channel, threading.Event]:  # noqa: ANN401
        """Register a channel and write the general part of its opening, as paramiko's `open_channel` does."""
        with raw.lock:
            number = raw._next_channel()
            request.add_byte(cMSG_CHANNEL_OPEN)
            request.add_string(kind)
            for value in (number, raw.default_window_size, raw.default_max_packet_size):
                request.add_int(value)
            channel = paramiko.Channel(number)
            channel.in_buffer = Received()
            raw._channels.put(number, channel)
            raw.channel_events[number] = opened = threading.Event()
            raw.channels_seen[number] = True
            inner: Any = channel
            inner._set_transport(raw)
            inner._set_window(raw.default_window_size, raw.default_max_packet_size)
        return channel, opened

    def _send_user_message(self, data: paramiko.Message) -> None:
        """Send, but not while keys are exchanged."""
        raw: Any = super()
        # The reader may not wait for that, as paramiko lets it: when a channel closes just then, it waits for itself.
        if threading.current_thread() is self and not self.clear_to_send.is_set():
            self._held.append(data)
        else:
            raw._send_user_message(data)

    def _parse_newkeys(self, message: paramiko.Message) -> None:
        raw: Any = super()
        raw._parse_newkeys(message)
        held, self._held = self._held, []
        for data in held:
            self._send_user_message(data)

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        message.get_int()
        self.farewell = message.get_text()

    def _beat(self) -> None:
        """Ask every few seconds; hang up when nothing at all comes back, so that everybody who waits here knows."""
        raw: Any = self
        heard, missed, before = -1, 0, time.monotonic()
        while not self._hung_up.wait(HEARTBEAT_SECONDS) and self.is_active():
            now = time.monotonic()
            overslept = now - before > 1.5 * HEARTBEAT_SECONDS  # this computer was frozen: first ask again
            missed = 0 if overslept or raw.packetizer.heard != heard else missed + 1
            heard, before = raw.packetizer.heard, now
            if missed >= MISSED_BEATS:
                self.close()
                return
            threading.Thread(target=self._ask, daemon=True).start()  # sending may block for as long as the link is dead

    def _ask(self) -> None:
        """Any answer will do; OpenSSH's is a refusal."""
        request = paramiko.Message()
        request.add_byte(cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)
        with suppress(OSError, EOFError, paramiko.SSHException):
            raw: Any = self
            raw._send_user_message(request)
