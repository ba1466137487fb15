"""Catalogs and APIs: built, served over HTTP, and by a real STAC API server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobs.cli import cli
from tests.jobs.stac.servers import Web, serve_web


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    output: str
    errors: str

    @property
    def values(self) -> dict[str, Any]:
        """The object of --json."""
        found: dict[str, Any] = json.loads(self.output)
        return found


@pytest.fixture
def command() -> Callable[..., Said]:
    """`python -m jobs run ARGUMENTS` in this process."""

    def call(*arguments: object) -> Said:
        done = CliRunner().invoke(cli, ["run", *map(str, arguments)])
        assert "Traceback" not in done.output and "mistake in springline" not in done.output, done.output
        return Said(done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def daymet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of Hawaii and Puerto Rico, 1980 to 1982, at a place that is not there. Do not change it."""
    folder = tmp_path_factory.mktemp("built") / "catalog"
    arguments = "stac-build daymet --regions hi,pr --years 1980:1982 --root https://data.invalid/daymet --output"
    done = CliRunner().invoke(cli, ["run", *arguments.split(), str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="session")
def web(daymet: Path) -> Iterator[Web]:
    """That catalog over HTTP."""
    with serve_web(daymet.parent) as server:
        yield server


@pytest.fixture(scope="session")
def api(daymet: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """That catalog's items in a real STAC API server."""
    program = Path(sys.executable).with_name("rustac")
    if not program.exists():
        pytest.skip("no rustac: pip install 'springline[test]'")
    folder = tmp_path_factory.mktemp("api")
    features = [json.loads(path.read_text()) | {"links": []} for path in daymet.glob("*/*/*.json")]
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    command = [program, "serve", "--create-collections", folder / "items.json", "--addr"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, address], stdout=log, stderr=log)
    try:
        _wait(server, address, folder / "log")
        yield f"http://{address}"
    finally:
        server.kill()
        server.wait()


def _wait(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, _, port = address.partition(":")
    while True:
        assert server.poll() is None, log.read_text()
        try:
            socket.create_connection((host, int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.05)
