"""The store: one Zarr v3 group. What this module writes the coordinator alone writes; workers write chunks."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jobs import storage
from jobs.errors import OutputError
from jobs.sdo import remote
from jobs.sdo.combine.steps import Axis, Bools, Ints

if TYPE_CHECKING:
    import zarr

MARKER = "zarr.json"
OBJECT, POSIX = "object", "posix"
TIME_CHUNK, SOURCE_CHUNK = 65_536, 4096
"""Steps in a chunk of `time` and `valid`, and of the longer `source`."""
HMI = ("bx", "by", "bz")
ARRAYS = ("time", "channel", "data", "valid", "source")


@dataclass(frozen=True)
class Layout:
    """What does not change in the life of a store."""

    channels: tuple[str, ...]
    size: tuple[int, int]
    """Rows and columns of an image."""
    kind: str
    """OBJECT: a chunk for each step; POSIX: shards of several, so that there are few files."""
    shard_steps: int
    """1 in the layout OBJECT."""
    binning: str
    """How AIA pixels were put together: sum or mean; noted only."""


@dataclass(frozen=True)
class Store:
    """A store that is there."""

    url: str
    id: str
    """Tells it from others that were at the same place."""
    layout: Layout
    axis: Axis
    story: str = ""
    """NAME:LINES of the ledger that tells, from this line on, what workers have added to what the store itself says."""

    def chunk(self, index: int) -> str:
        """The file or object of a chunk or shard of `data`."""
        return chunk_of(self.url, index)


def chunk_of(url: str, index: int) -> str:
    """The file or object of a chunk or shard of `data` in the store at a URL."""
    return f"{url}/data/c/{index}/0/0/0"


def find(url: str) -> Store | None:
    """The store at a URL; None if there is none, or one whose making was interrupted.

    Raises
    ------
    OutputError
        If there is something else, or the store is damaged.
    """
    attrs = attributes(url)
    if attrs is None or "springline_creating" in attrs:
        return None
    try:
        group = open_group(url)
        channels, size = tuple(str(name) for name in group["channel"][:]), tuple(group["data"].shape[2:])
        kind, steps = attrs["springline_layout"], attrs["springline_shard_steps"]
        layout = Layout(channels, size, kind, steps, attrs["aia_binning"])
        minutes = np.asarray(group["time"][:], np.int64)
        axis = Axis(minutes, attrs["springline_cadence_minutes"])
        return Store(url, attrs["springline_store"], layout, axis, str(attrs.get("springline_story", "")))
    except (KeyError, ValueError) as error:  # zarr's own are of these kinds
        raise OutputError(f"{url} is damaged: {error}.", "Make it anew with --overwrite.") from error


def attributes(url: str) -> dict[str, Any] | None:
    """Those of the store at a URL, be it damaged or not whole; None if there is none.

    Raises
    ------
    OutputError
        If there is something else.
    """
    fs, path = storage.filesystem(url)
    if not fs.exists(path) or (fs.isdir(path) and not fs.ls(path)):
        return None
    found: dict[str, Any] = (storage.read_json(f"{url}/{MARKER}") or {}).get("attributes", {})
    if found.get("springline_job") != "sdo-combine":
        raise OutputError(f"{url} exists and is no store of sdo-combine.", "Choose another --output.")
    return found


def chunks(store: Store) -> Ints:
    """The chunks and shards of `data` that are there, in rising order."""
    folder = f"{store.url}/data/c"
    if storage.is_plain(folder):
        names = [str(path.parts[-4]) for path in Path(folder).glob("*/0/0/0")]
    else:
        fs, path = remote.file_system(folder)
        fs.invalidate_cache()  # workers wrote them
        names = [str(name).removeprefix(f"{path}/").partition("/")[0] for name in fs.find(path)]
    return np.array(sorted(int(name) for name in names if name.isdecimal()), np.int64)


def create(url: str, layout: Layout, axis: Axis) -> Store:
    """Make a store without data, in place of what is there; it is known as one once all of it is written."""
    store = Store(url, secrets.token_hex(4), layout, axis)
    attrs = _attributes(store)
    beginning = {"zarr_format": 3, "node_type": "group", "attributes": {**attrs, "springline_creating": True}}
    storage.write_json(f"{url}/{MARKER}", beginning)  # first: whoever is killed while removing leaves what is known
    fs, path = storage.filesystem(url)
    for name in fs.ls(path, detail=False):
        if storage.basename(name) != MARKER:
            storage.remove(f"{url}/{storage.basename(name)}")
    _copy(_laid_out(store, ARRAYS), url, (f"{name}/" for name in ARRAYS))
    _consolidate(url, attrs)
    return store


def extend(store: Store, axis: Axis) -> Store:
    """Make room for more steps. Its times are written last: until then another call does all of it again."""
    longer = Store(store.url, store.id, store.layout, axis, store.story)
    for name in ("data", "valid", "source"):
        document = _document(f"{store.url}/{name}")
        document["shape"][0] = len(axis.minutes)
        storage.write_json(f"{store.url}/{name}/{MARKER}", document)
    _copy(_laid_out(longer, ("time",)), store.url, ("time/c/", f"time/{MARKER}"))
    return longer


def read_valid(store: Store) -> Bools:
    """(time, channel): whether the store holds it, as the last run that came to its end left word."""
    return np.asarray(open_group(store.url)["valid"][: len(store.axis.minutes)], bool)


def write_valid(store: Store, valid: Bools, story: str) -> None:
    """Leave word of what the store holds and whose ledger tells it; gather all metadata where readers look first."""
    open_group(store.url, "r+")["valid"][:] = valid
    _consolidate(store.url, {**(attributes(store.url) or {}), "springline_story": story})


def sources(store: Store) -> Iterator[tuple[int, Any]]:
    """The names of the files, some thousand steps at a time, each with the place of its first step."""
    array = open_group(store.url)["source"]
    for first in range(0, len(store.axis.minutes), SOURCE_CHUNK):
        yield first, np.asarray(array[first : first + SOURCE_CHUNK], object)


def write_sources(store: Store, first: int, names: Any) -> None:  # noqa: ANN401 - an array of text
    """Write the names of the files of some thousand steps from a place on."""
    open_group(store.url, "r+")["source"][first : first + len(names)] = names


def _attributes(store: Store) -> dict[str, Any]:
    layout = store.layout
    return {
        "Conventions": "CF-1.10",
        "title": "Images of the Sun, all channels of a moment together",
        "source": f"springline {version('springline')} sdo-combine from NPZ files of SDOML",
        "references": "doi:10.3847/1538-4365/ab1005",
        "springline_version": version("springline"),
        "springline_job": "sdo-combine",
        "springline_store": store.id,
        "springline_layout": layout.kind,
        "springline_shard_steps": layout.shard_steps,
        "springline_cadence_minutes": store.axis.cadence,
        "aia_binning": layout.binning,
    }


def _laid_out(store: Store, names: Iterable[str]) -> dict[str, Any]:
    """What is stored of some of the arrays of a store, without data."""
    import zarr
    from zarr.storage import MemoryStore

    content: dict[str, Any] = {}
    group = zarr.create_group(MemoryStore(content))
    makers = {
        "time": _make_time,
        "channel": _make_channel,
        "data": _make_data,
        "valid": _make_valid,
        "source": _make_source,
    }
    for name in names:
        makers[name](group, store)
    return content


def _make_time(group: zarr.Group, store: Store) -> None:
    attrs: dict[str, Any] = {
        "standard_name": "time", "long_name": "nominal time of observation", "axis": "T",
        "units": "minutes since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian",
    }  # fmt: skip
    minutes = store.axis.minutes
    array = group.create_array(
        "time", shape=minutes.shape, chunks=(TIME_CHUNK,), dtype="i8", dimension_names=("time",), attributes=attrs
    )
    array[:] = minutes


def _make_channel(group: zarr.Group, store: Store) -> None:
    channels = store.layout.channels
    units = ["gauss" if name in HMI else "DN s-1" for name in channels]
    array = group.create_array(
        "channel", shape=(len(channels),), chunks=(len(channels),), dtype=str, dimension_names=("channel",),
        attributes={"long_name": "AIA wavelength [Å], or component of the HMI magnetic field", "channel_units": units},
    )  # fmt: skip
    array[:] = np.array(channels, object)


def _make_data(group: zarr.Group, store: Store) -> None:
    from zarr.codecs import BloscCodec

    layout = store.layout
    image = (len(layout.channels), *layout.size)
    group.create_array(
        "data", shape=(len(store.axis.minutes), *image), chunks=(1, *image),
        shards=(layout.shard_steps, *image) if layout.kind == POSIX else None, dtype="f4", fill_value=float("nan"),
        compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
        dimension_names=("time", "channel", "y", "x"),
        attributes={
            "long_name": "image", "ancillary_variables": "valid source",
            "comment": f"AIA pixels are the {layout.binning} of those they were made of; NaN where valid is false",
        },
    )  # fmt: skip


def _make_valid(group: zarr.Group, store: Store) -> None:
    shape = (len(store.axis.minutes), len(store.layout.channels))
    group.create_array(
        "valid", shape=shape, chunks=(TIME_CHUNK, shape[1]), dtype="bool", fill_value=False,
        dimension_names=("time", "channel"), attributes={"long_name": "whether data holds this channel of this step"},
    )  # fmt: skip


def _make_source(group: zarr.Group, store: Store) -> None:
    shape = (len(store.axis.minutes), len(store.layout.channels))
    group.create_array(
        "source", shape=shape, chunks=(SOURCE_CHUNK, shape[1]), dtype=str, fill_value="",
        dimension_names=("time", "channel"),
        attributes={"long_name": "file below the root of the inventory; empty: there was none"},
    )  # fmt: skip


def _copy(content: Mapping[str, Any], url: str, prefixes: Iterable[str]) -> None:
    """Write what is stored under these names, in their order."""
    for prefix in prefixes:
        for name in sorted(key for key in content if key.startswith(prefix)):
            storage.write_bytes(f"{url}/{name}", content[name].to_bytes())


def _consolidate(url: str, attrs: Mapping[str, Any]) -> None:
    """Write the root's metadata with those of all arrays in it."""
    metadata = {name: _document(f"{url}/{name}") for name in ARRAYS}
    consolidated = {"kind": "inline", "must_understand": False, "metadata": metadata}
    document = {"zarr_format": 3, "node_type": "group", "attributes": dict(attrs)}
    storage.write_json(f"{url}/{MARKER}", document | {"consolidated_metadata": consolidated})


def _document(url: str) -> dict[str, Any]:
    found = storage.read_json(f"{url}/{MARKER}")
    if found is None:
        raise OutputError(f"{url}/{MARKER} is damaged or gone.", "Make the store anew with --overwrite.")
    return found


def open_group(url: str, mode: Literal["r", "r+"] = "r", *, consolidated: bool = False) -> Any:  # noqa: ANN401 - items of two kinds
    """The group at a URL, by the file system that all of this job uses."""
    import zarr

    options = {} if storage.is_plain(url) else dict(remote.file_system(url)[0].storage_options)
    return zarr.open_group(
        url,
        mode=mode,
        zarr_format=3,
        use_consolidated=consolidated,
        storage_options=options or None,
    )
