"""Files that are sent, through every transport: to the byte, private, whole or not at all, and never twice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from launcher.errors import ConfigurationError, ConnectError
from launcher.scripts.shell import RemotePath
from launcher.transports.base import Parcel, Transport
from tests.contracts.conftest import Reach
from tests.contracts.sshd import Sshd

MEGABYTE = 1_000_000


def parcel(tmp_path: Path, target: Path, size: int = 3 * MEGABYTE) -> Parcel:
    """A file of random bytes, on its way to `target`."""
    data = Random(7).randbytes(size)
    source = tmp_path / "source"
    source.write_bytes(data)
    return Parcel(source, RemotePath(str(target)), size, hashlib.sha256(data).hexdigest())


def test_every_byte(transport: Transport, tmp_path: Path) -> None:
    """All bytes arrive in a directory that is made for them, in a file that is the user's alone; nothing else stays."""
    for size in (0, 1, 3 * MEGABYTE):
        target = tmp_path / f"a place for {size}" / "it's.whl"
        sent: list[int] = []
        one = parcel(tmp_path, target, size)
        transport.send(one, tell=sent.append)
        assert target.read_bytes() == one.source.read_bytes()
        assert target.stat().st_mode & 0o777 == 0o600 and list(target.parent.iterdir()) == [target]
        assert sent[0] == 0 and sent[-1] == size and sent == sorted(sent)


def test_what_is_there(transport: Transport, tmp_path: Path) -> None:
    """A whole file is left alone, one with other bytes replaced; a part with other bytes is removed, and sent anew."""
    one = parcel(tmp_path, tmp_path / "there")
    (tmp_path / "there").write_bytes(b"\0" * one.size)
    transport.send(one)
    before, sent = (tmp_path / "there").stat(), list[int]()
    transport.send(one, tell=sent.append)
    assert sent == [one.size] and (tmp_path / "there").stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "there").read_bytes() == one.source.read_bytes()
    part = tmp_path / f".there.{one.sha256[:16]}.part"
    part.write_bytes(b"\0" * MEGABYTE)
    (tmp_path / "there").unlink()
    with pytest.raises(ConnectError, match="there arrived damaged"):
        transport.send(one)
    assert not part.exists() and not (tmp_path / "there").exists()
    transport.send(one)
    assert (tmp_path / "there").read_bytes() == one.source.read_bytes() and not part.exists()


def test_connection_that_is_cut(reach: Reach, serve: Callable[..., Sshd], tmp_path: Path) -> None:
    """A connection killed in the middle leaves no file of that name, and the next attempt goes on where it stopped."""
    server = serve()
    transport, one = reach(server), parcel(tmp_path, tmp_path / "over" / "big.whl", 16 * MEGABYTE)
    transport.open()
    killer = threading.Thread(target=server.drop_connections)

    def cut(sent: int) -> None:
        if sent > 8 * MEGABYTE and not killer.ident:
            killer.start()
            killer.join()

    with pytest.raises(ConnectError):
        transport.send(one, tell=cut)
    (part,) = (tmp_path / "over").iterdir()
    assert part.name != "big.whl" and part.stat().st_size > MEGABYTE
    sent: list[int] = []
    for pause in (0.1, 0.5, 0.0):  # ssh's control connection may not have seen yet that it is gone
        try:
            transport.send(one, tell=sent.append)
            break
        except ConnectError:
            assert pause
            time.sleep(pause)
    assert sent[0] >= MEGABYTE and (tmp_path / "over" / "big.whl").read_bytes() == one.source.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_full_disk(transport: Transport, tmp_path: Path) -> None:
    """Where nothing can be written, that is said with the place and the system's reason, not as a lost connection."""
    one = parcel(tmp_path, Path("/dev/full/x.whl"))
    with pytest.raises(ConfigurationError, match=r"cannot write /dev/full/x\.whl: .*(Not a directory|File exists)"):
        transport.send(one)
    (tmp_path / "small").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path / "small"], check=True)
    try:
        with pytest.raises(ConfigurationError, match=r"cannot write .*/small/x\.whl: .*No space left on device"):
            transport.send(Parcel(one.source, RemotePath(f"{tmp_path}/small/x.whl"), one.size, one.sha256))
    finally:
        subprocess.run(["umount", tmp_path / "small"], check=True)
