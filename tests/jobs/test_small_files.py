"""Small JSON files: what is not there is told from what cannot be read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from jobs import storage
from jobs.errors import InputError, OutputError
from tests.jobs.stac.servers import serve_dav, serve_web


def test_only_what_is_not_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that denies it, is busy, or sends half of it did not say that there is nothing."""
    monkeypatch.setattr(storage, "WAITS", (0.0, 0.0, 0.0))
    (tmp_path / "a.json").write_text('{"a": 1}')
    (tmp_path / "cut.json").write_text('{"a": ')
    (tmp_path / "list.json").write_text("[]")
    with serve_web(tmp_path) as web, serve_dav(tmp_path) as dav:
        for root in (str(tmp_path), web.url, f"dav://{dav.server}"):
            assert storage.read_json(f"{root}/a.json") == {"a": 1}
            assert storage.read_json(f"{root}/none.json") is None and storage.read_json(f"{root}/no/x.json") is None
            for name, words in (("cut", "cut off"), ("list", "no JSON object")):
                with pytest.raises(InputError, match=words):
                    storage.read_json(f"{root}/{name}.json")
        assert storage.read_json(str(tmp_path / "a.json/below.json")) is None
        for fault, words in (("403", "denies it"), ("401", "asks for a login")):
            web.faults["/a.json"] = [fault]
            with pytest.raises(InputError, match=words):
                storage.read_json(f"{web.url}/a.json")
        web.faults["/a.json"] = ["503", "503"]
        assert storage.read_json(f"{web.url}/a.json") == {"a": 1}
        web.faults["/a.json"] = ["503"] * 9
        with pytest.raises(InputError, match=r"a\.json cannot be read: .*503"):
            storage.read_json(f"{web.url}/a.json")
        dav.faults["/a.json"] = ["503 Service Unavailable"]
        assert storage.read_json(f"dav://{dav.server}/a.json") == {"a": 1}
        dav.faults["/a.json"] = ["403 Forbidden"] * 9
        with pytest.raises(InputError, match=r"a\.json cannot be read: .*403"):
            storage.read_json(f"dav://{dav.server}/a.json")


def test_a_place_is_looked_at_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could be written once is not believed for the life of a notebook."""
    now = time.monotonic()
    monkeypatch.setattr(storage.time, "monotonic", lambda: now)
    storage.refuse_unwritable(str(tmp_path / "x"))
    (tmp_path / "x").write_text("a file")
    now += storage.BRIEFLY + 1
    with pytest.raises(OutputError, match="is no directory"):
        storage.refuse_unwritable(str(tmp_path / "x"))


def test_a_server_that_does_not_answer_is_named() -> None:
    """Some clients connect as soon as they are made."""
    with pytest.raises(InputError, match=r"ftp://127\.0\.0\.1:1/x cannot be opened: .*refused"):
        storage.filesystem("ftp://127.0.0.1:1/x")
