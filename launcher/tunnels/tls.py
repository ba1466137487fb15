"""TLS over any Stream, an SSH channel too, safe for one reading and one writing thread."""

from __future__ import annotations

import contextlib
import ssl
import threading

from launcher.errors import ConnectError, TunnelError
from launcher.transports.base import Stream

_PIECE = 256 * 1024


class TlsStream:
    """The client's end. `ssl` does the protocol in memory; this moves the bytes."""

    def __init__(self, stream: Stream, context: ssl.SSLContext) -> None:
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._engine = threading.Lock()  # one thread at a time inside the TLS engine
        self._handshake()

    def recv(self, size: int, /) -> bytes:
        """Decrypted bytes; empty at the end, however the peer ended."""
        while True:
            try:
                with self._engine:
                    return self._tls.read(size)
            except ssl.SSLWantReadError:  # nothing is sent here: behind a writer that waits for its peer to read,
                self._fill()  # both would wait for ever
            except ssl.SSLError:  # close_notify, or the stream below ended without one
                return b""

    def sendall(self, data: bytes, /) -> None:
        """Encrypt and send everything."""
        for start in range(0, len(data), _PIECE):
            with self._engine:
                self._tls.write(data[start : start + _PIECE])
            self._flush()

    def end_sending(self) -> None:
        """Say close_notify; the server ends the connection on it."""
        with contextlib.suppress(ssl.SSLError), self._engine:
            self._tls.unwrap()
        self._flush()

    def close(self) -> None:
        """Close the stream below; a recv that waits returns."""
        self._stream.close()

    def _handshake(self) -> None:
        try:
            while not self._shook_hands():
                self._flush()
                self._fill()
            self._flush()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, EOFError) as error:
            self._stream.close()
            raise ConnectError("the server at the far end hung up") from error
        except ssl.SSLError as error:
            self._stream.close()
            raise TunnelError(
                f"the server at the far end is not this session's: {error.reason or error}",
                "another program may have taken its port; `springline status` shows the session",
            ) from error
        except OSError as error:
            self._stream.close()
            raise ConnectError(f"the server at the far end hung up: {error}") from error

    def _shook_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _fill(self) -> None:
        data = self._stream.recv(_PIECE)
        with self._engine:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _flush(self) -> None:
        with self._engine:
            data = self._outgoing.read()
        if data:
            self._stream.sendall(data)
