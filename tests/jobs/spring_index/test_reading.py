"""Blocks read chunk by chunk: the values of HDF5's own library, from every kind of place, once, in little memory."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from jobs.errors import InputError
from jobs.spring_index import output
from jobs.spring_index.compute import compute_block
from jobs.spring_index.reading import chunks, decode, ranges
from jobs.spring_index.reading.ahead import reading
from jobs.spring_index.reading.blocks import Block, Done, Plan
from jobs.spring_index.reading.readers import ChunkReader, Hdf5Reader, open_dataset, open_slot
from jobs.spring_index.reading.source import NETCDF, Grid, Slot
from jobs.spring_index.science import model, stream
from jobs.spring_index.science.model import Window
from jobs.spring_index.science.stream import Units
from tests.bench.usage import family
from tests.jobs.s3server import S3

Array = npt.NDArray[Any]
DAYS, ROWS, COLUMNS = 50, 37, 53
VARIABLES = ("tmin", "tmax", "dayl")
GZIP = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
CHUNKED: dict[str, dict[str, Any]] = {
    "one chunk a day": GZIP | {"chunks": (1, ROWS, COLUMNS)},
    "many chunks": GZIP | {"chunks": (1, 10, 16)},
    "days together": GZIP | {"chunks": (7, 12, 20)},
    "all days together": GZIP | {"chunks": (DAYS, 20, 20)},
    "growing": GZIP | {"chunks": (1, 20, 30), "maxshape": (None, ROWS, COLUMNS)},
    "float64": GZIP | {"chunks": (3, 20, 30), "dtype": "<f8"},
    "not shuffled": {"compression": "gzip", "chunks": (3, 20, 30)},
    "not compressed": {"chunks": (3, 20, 30)},
}
OTHERS: dict[str, dict[str, Any]] = {
    "big-endian": GZIP | {"chunks": (3, 20, 30), "dtype": ">f4"},
    "checksums": GZIP | {"chunks": (3, 20, 30), "fletcher32": True},
    "lzf": {"compression": "lzf", "chunks": (3, 20, 30)},
    "one piece": {},
    "packed": GZIP | {"chunks": (3, 20, 30), "dtype": "<i2"},
}


def write(path: Path, layout: dict[str, Any]) -> Array:
    """A file of one variable in a layout; returns what it means: float, NaN where missing."""
    rng = np.random.default_rng(3)
    values = rng.normal(10, 15, (DAYS, ROWS, COLUMNS)).round(2).astype(layout.get("dtype", "<f4"))
    values[rng.random(values.shape) < 0.1] = -999
    values[3, 5, 7] = 0
    with h5py.File(path, "w") as handle:
        array = handle.create_dataset("tmin", data=values, fillvalue=-999, **layout)
        array.attrs["_FillValue"] = np.array([-999], values.dtype)
        if values.dtype.kind == "i":
            array.attrs["scale_factor"] = 0.5
    known = np.where(values == -999, np.nan, values.astype(np.float64 if values.dtype.kind == "i" else values.dtype))
    return np.asarray(known * 0.5 if values.dtype.kind == "i" else known.astype(values.dtype.newbyteorder("=")))


def batches(path: Path | str, cells: tuple[slice, slice], first: int = 0, size: int = 8) -> Array:
    """Days of a rectangle, read as a block is."""
    with reading({"tmin": Slot((str(path),), NETCDF, "tmin", first, DAYS - first)}, cells) as ahead:
        cuts = [slice(a, min(a + size, DAYS - first)) for a in range(0, DAYS - first, size)]
        pairs = zip(cuts, [*cuts[1:], None], strict=True)
        return np.concatenate([ahead.take("tmin", days, following).copy() for days, following in pairs])


@pytest.mark.parametrize("name", CHUNKED | OTHERS)
def test_same_as_hdf5(name: str, tmp_path: Path) -> None:
    """Whatever the layout and wherever a block lies in it, its values are HDF5's, to the byte."""
    path = tmp_path / "a.nc"
    known = write(path, (CHUNKED | OTHERS)[name])
    with open_slot(Slot((str(path),), NETCDF, "tmin", 0, DAYS)) as reader:
        assert type(reader) is (ChunkReader if name in CHUNKED else Hdf5Reader)
    for cells in ((slice(0, ROWS), slice(0, COLUMNS)), (slice(3, 31), slice(15, 47)), (slice(20, 21), slice(52, 53))):
        for first in (0, 10):
            read = batches(path, cells, first)
            assert read.tobytes() == known[first:, cells[0], cells[1]].tobytes()


def test_missing_chunks(tmp_path: Path) -> None:
    """Chunks that were never written are missing values, read by HDF5's library."""
    with h5py.File(tmp_path / "a.nc", "w") as handle:
        array = handle.create_dataset("tmin", (DAYS, ROWS, COLUMNS), "<f4", fillvalue=-999, chunks=(1, 20, 30), **GZIP)
        array.attrs["_FillValue"] = np.float32(-999)
        array[4] = 1.5
    read = batches(tmp_path / "a.nc", (slice(0, ROWS), slice(0, COLUMNS)))
    assert (read[4] == 1.5).all() and np.isnan(np.delete(read, 4, axis=0)).all()


def test_without_libdeflate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libdeflate is not installed, zlib gives the same values."""
    monkeypatch.setitem(sys.modules, "deflate", None)
    chunks.inflater.cache_clear()
    known = write(tmp_path / "a.nc", CHUNKED["many chunks"])
    try:
        read = batches(tmp_path / "a.nc", (slice(3, 31), slice(15, 47)))
    finally:
        chunks.inflater.cache_clear()
    assert read.tobytes() == known[:, 3:31, 15:47].tobytes()


def test_changed_file(tmp_path: Path) -> None:
    """A file that was replaced is read anew, not by what was known of the one before."""
    everywhere = (slice(0, ROWS), slice(0, COLUMNS))
    known = write(tmp_path / "a.nc", CHUNKED["many chunks"])
    assert batches(tmp_path / "a.nc", everywhere).tobytes() == known.tobytes()
    known = write(tmp_path / "b.nc", CHUNKED["days together"])
    (tmp_path / "b.nc").rename(tmp_path / "a.nc")
    assert batches(tmp_path / "a.nc", everywhere).tobytes() == known.tobytes()


def test_damaged_chunk(tmp_path: Path) -> None:
    """A chunk whose bytes are damaged is named with its file, variable and day; other blocks are read."""
    path = tmp_path / "a.nc"
    known = write(path, CHUNKED["many chunks"])
    with h5py.File(path) as handle:
        stored = handle["tmin"].id.get_chunk_info_by_coord((20, 10, 16))
    with path.open("r+b") as stream:
        stream.seek(stored.byte_offset + stored.size // 2)
        stream.write(b"\xff\x00\xff\x00")
    with pytest.raises(OSError, match=r"a\.nc: tmin cannot be read: the chunk of day 21 .* damaged"):
        batches(path, (slice(0, ROWS), slice(0, COLUMNS)))
    assert batches(path, (slice(0, 10), slice(0, COLUMNS))).tobytes() == known[:, :10].tobytes()


def test_truncated_while_read(tmp_path: Path) -> None:
    """A file that lost its end after it was opened is named."""
    path = tmp_path / "a.nc"
    write(path, CHUNKED["one chunk a day"])
    with open_slot(Slot((str(path),), NETCDF, "tmin", 0, DAYS)) as reader:
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(OSError, match=r"a\.nc: tmin cannot be read: it ends before byte [\d,]+"):
            reader.days(slice(0, DAYS), (slice(0, ROWS), slice(0, COLUMNS)))
    with pytest.raises(OSError, match=r"a\.nc cannot be read: .*truncated"), open_slot(reader.slot):
        pass


class Requests(Counter[tuple[str, str]]):
    """What a server was asked for: (file, range) → how often."""

    def of(self, variable: str) -> Counter[str]:
        """The ranges asked of a variable's file."""
        return Counter({part: n for (name, part), n in self.items() if f"_{variable}_" in name})

    def bytes_of(self, variable: str) -> int:
        """How many bytes of a variable's file were asked for in ranges."""
        ends = [re.fullmatch(r"bytes=(\d+)-(\d+)", part) for part in self.of(variable).elements()]
        return sum(int(end[2]) - int(end[1]) + 1 for end in ends if end)


@dataclass
class Server:
    """A web server on this machine."""

    url: str
    requests: Requests = field(default_factory=Requests)


@contextmanager
def web(folder: Path, *, ranges: bool) -> Iterator[Server]:
    """A server of the files of a folder, which gives pieces of them or, as Python's own does, only whole files."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            server.requests[self.path, asked] += 1
            path = folder / self.path.strip("/")
            if not (ranges and asked) or not path.is_file():
                super().do_GET()
                return
            start, stop = (int(n) for n in asked.removeprefix("bytes=").split("-"))
            with path.open("rb") as stream:
                stream.seek(start)
                content = stream.read(stop - start + 1)
            self.send_response(206)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{path.stat().st_size}")
            self.end_headers()
            self.wfile.write(content)

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    server = Server(f"http://127.0.0.1:{listening.server_port}")
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic year of 96 × 96 cells in four columns of native chunks."""
    from jobs.spring_index.sample import write_sample

    folder = tmp_path_factory.mktemp("year")
    write_sample(folder, [2000], 96, 1000.0, chunk=48)
    return folder


@pytest.fixture
def dates(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Done, dict[str, Array]]]:
    """Compute a block of the year below a URL; returns what is told and what would be written."""

    def call(place: str, variant: str = "corrected", cells: tuple[int, int] = (0, 96)) -> tuple[Done, dict[str, Array]]:
        found: dict[str, Array] = {}
        monkeypatch.setattr(output, "write_block", lambda plan, block, arrays: found.update(arrays))
        names = {v: f"{place}/daymet_v4_daily_na_{v}_2000.nc" for v in VARIABLES}
        lat = {"lat": (Slot((names["tmin"],), NETCDF, "lat"), {})}
        chosen = model.VARIANTS[variant]
        grid = Grid(("y", "x"), (96, 96), {}, lat, None, "lat", "lon")
        plan = Plan(grid, Units(), chosen, model.PLANTS, "file", 1, 8, "")
        slots = {v: Slot((url,), NETCDF, v, 0, 365) for v, url in names.items()}
        window = Window(1, min(chosen.window.last, 365))
        return compute_block(plan, Block(2000, window, slots, (slice(*cells), slice(*cells)))), found

    return call


def same(one: dict[str, Array], other: dict[str, Array]) -> bool:
    """Whether all arrays are equal to the byte."""
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


Compute = Callable[..., tuple[Done, dict[str, Array]]]


def test_http_with_ranges(year: Path, dates: Compute) -> None:
    """Over HTTP the dates are the same; each byte comes once, day lengths only on the days that are compared."""
    here = dates(str(year), cells=(0, 48))
    with web(year, ranges=True) as server:
        there = dates(server.url, cells=(0, 48))
        assert same(here[1], there[1]) and there[0].day_length == "daymet"
        assert server.requests.of("dayl").total() < 20
        for variable in ("tmin", "tmax"):
            asked = server.requests.of(variable)
            assert "" not in asked, "never the whole file"
            assert max(n for part, n in asked.items() if not part.startswith("bytes=0-")) == 1
        assert server.requests.bytes_of("tmax") < 0.6 * (year / "daymet_v4_daily_na_tmax_2000.nc").stat().st_size
        before = server.requests.total()
        dates(server.url, cells=(48, 96))
        assert server.requests.total() - before < 0.9 * before, "the chunk index is read once by a process"


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the copies live as long as the process
def test_http_without_ranges(year: Path, dates: Compute, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives only whole files is asked for each file once, or refused where they are large."""
    here = dates(str(year))
    with web(year, ranges=False) as server:
        assert same(here[1], dates(server.url)[1]) and same(here[1], dates(server.url)[1])
        for variable in VARIABLES:
            assert server.requests.of(variable)[""] == 1
        monkeypatch.setattr(ranges, "WHOLE_FILE", 1000)
        ranges.whole.cache_clear()
        url = f"{server.url}/daymet_v4_daily_na_tmin_2000.nc"
        message = f"{server.url} does not give pieces of files"
        with pytest.raises(InputError, match=message) as refused, open_dataset(url, NETCDF):
            pass
        assert "stac-stage" in str(refused.value.hint)


def test_s3(year: Path, dates: Compute, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an object store the dates are the same; an object that was replaced is read anew."""
    import fsspec

    monkeypatch.setitem(fsspec.config.conf, "s3", dict(s3.options["s3"]))
    s3.put("reading")
    for path in year.iterdir():
        s3.put(f"reading/{path.name}", path.read_bytes())
    assert same(dates(str(year))[1], dates("s3://reading")[1])
    warmer = year.parent / "warmer"
    shutil.copytree(year, warmer)
    for variable in ("tmin", "tmax"):
        name = f"daymet_v4_daily_na_{variable}_2000.nc"
        with h5py.File(warmer / name, "r+") as handle:
            values = handle[variable][:40]
            handle[variable][:40] = np.where(values > -9000, values + 3, values)
        s3.put(f"reading/{name}", (warmer / name).read_bytes())
    there = dates("s3://reading")[1]
    assert same(dates(str(warmer))[1], there) and not same(dates(str(year))[1], there)


def test_classic_over_http(data: Path) -> None:
    """A classic NetCDF file of a server is fetched once, whole."""
    with web(data / "daymet", ranges=True) as server:
        slot = Slot((f"{server.url}/springtime_pydaymet_v4_daily.nc",), NETCDF, "dayl", 0, 365)
        local = Slot((str(data / "daymet/springtime_pydaymet_v4_daily.nc"),), NETCDF, "dayl", 0, 365)
        box = (slice(2, 9), slice(1, 30))
        for days in (slice(0, 5), slice(300, 365)):
            with open_slot(slot) as there, open_slot(local) as here:
                assert there.days(days, box).tobytes() == here.days(days, box).tobytes()
        assert sum(n for (_, asked), n in server.requests.items() if not asked) <= 1


def daymet_column(folder: Path, side: int = 1000) -> None:
    """A year of one native chunk column of Daymet's size; a month's days are alike, so that it is made in seconds."""
    from jobs.spring_index import sample

    place = sample.land(side, 1000.0)
    months = [fields for day, fields in zip(range(12), sample.days(place, 2000), strict=False)]
    folder.mkdir()
    for column, variable in enumerate(VARIABLES):
        path = folder / f"daymet_v4_daily_na_{variable}_2000.nc"
        sample._layout(path, variable, 2000, place, side).close()
        season = [0.0 if variable == "dayl" else 12 - 12 * np.cos(np.pi * month / 6) for month in range(12)]
        chunks = [
            sample._compressed(f[column] + np.float32(s), (side, side)) for f, s in zip(months, season, strict=True)
        ]
        with h5py.File(path, "r+") as handle:
            for day in range(365):
                handle[variable].id.write_direct_chunk((day, 0, 0), chunks[day * 12 // 365])


@pytest.mark.slow
def test_memory(tmp_path: Path) -> None:
    """No process of a run needs more than 500 MB for a native chunk column of 1000 × 1000 cells."""
    daymet_column(tmp_path / "in")
    stream.warm_up(model.CORRECTED, np.float32)  # compiling takes more, once
    decode.warm_up(np.float32)
    command = [sys.executable, "-m", "jobs", "run", "spring-index", "--input", tmp_path / "in", "--dask", "local"]
    command += ["--output", tmp_path / "out.zarr", "--workers", "1", "--quiet"]
    peak = 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            peak = max(peak, *map(highest, family(process.pid)))
            time.sleep(0.1)
    assert process.returncode == 0
    assert 200_000 < peak <= 500_000


def highest(pid: int) -> int:
    """Most memory a process ever had [kB]."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) if found else 0
    return 0


class Counted(ranges.Remote):
    """A remote file that lies here, and how often it was asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), None, "", (), path.stat().st_size)  # type: ignore[arg-type, unused-ignore]
        self.asked = 0

    def _read(self, wanted: Sequence[ranges.Piece]) -> list[memoryview]:
        self.asked += 1
        content = Path(self.url).read_bytes()
        return [memoryview(content)[start : start + size] for start, size in wanted]


def test_chunk_index_in_few_rounds(tmp_path: Path) -> None:
    """Where the thousands of chunks of a remote file lie is asked for at once, not node after node of the index."""
    with h5py.File(tmp_path / "a.nc", "w") as handle:
        array = handle.create_dataset("tmin", (80, 90, 80), "<f4", chunks=(1, 10, 10), maxshape=(None, 90, 80), **GZIP)
        for number in np.ndindex(80, 9, 8):
            array.id.write_direct_chunk((number[0], number[1] * 10, number[2] * 10), bytes(4000))
    source = Counted(tmp_path / "a.nc")
    with h5py.File(source.file(), "r") as there, h5py.File(tmp_path / "a.nc", "r") as here:
        far, near = chunks.chunk_index(there["tmin"]), chunks.chunk_index(here["tmin"])
    assert far and near and (far.starts == near.starts).all() and (far.sizes == 4000).all()
    assert source.asked < 15
