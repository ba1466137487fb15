"""The store, through the hooks of the job and in this process: what is written, kept, filled, marked and refused."""

from __future__ import annotations

import bz2
import io
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jobs.errors import InputError, OutputError
from jobs.sdo.combine import chunk, hooks, npz
from jobs.sdo.combine import store as stores
from tests.jobs.sdo.trees import AIA, HMI, SOME, Combine, Tree, moments


@pytest.fixture
def combine(tmp_path: Path) -> Combine:
    """A store that is not there yet."""
    return Combine(tmp_path / "s.zarr")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Ten steps; every second without HMI."""
    tree = Tree(tmp_path / "tree")
    for number, moment in enumerate(moments(10, every=6)):
        tree.add(moment, SOME if number % 2 == 0 else ("0094", "0171"))
    return tree


@pytest.mark.parametrize(("layout", "files"), [("posix", 2), ("object", 10), (None, 2)])
def test_whole(combine: Combine, tree: Tree, layout: str | None, files: int) -> None:
    """All images of all channels are there, exactly, in the files of the layout; missing channels are normal."""
    told = combine(tree.inventory(), layout=layout)
    combine.check(tree)
    assert len(list(combine.output.rglob("data/c/*/0/0/0"))) == files == told["done"]
    assert (told["steps"], told["complete"], told["partial"]) == (10, 5, 5)
    assert told["missing"] == {"bx": 5, "bz": 5} and told["marked"] == 0


def test_description(combine: Combine, tree: Tree) -> None:
    """The store tells channels, times, units, binning and version, and no path of this machine."""
    combine(tree.folder, binning="mean", shard_steps=4)
    found = combine.open()
    assert found.data.dims == ("time", "channel", "y", "x") and found.data.dtype == np.float32
    assert found.channel.values.tolist() == sorted(SOME) and set(found.data_vars) == {"data", "valid", "source"}
    assert found.attrs["aia_binning"] == "mean" and found.attrs["springline_version"]
    assert found.channel.attrs["channel_units"] == ["DN s-1", "DN s-1", "gauss", "gauss"]
    assert found.time.values[1] == np.datetime64("2010-05-01T00:06") and found.time.dtype.kind == "M"
    texts = [path.read_text() for path in combine.output.rglob("zarr.json")]
    assert len(texts) == 6 and str(tree.folder.parent) not in "".join(texts)
    assert str(tree.folder) not in str(found.source.values)


def test_every_channel(combine: Combine, tmp_path: Path) -> None:
    """Twelve channels of another size, half precision, in the other tree."""
    tree = Tree(tmp_path / "tree", stanford=True, size=32)
    for moment in moments(2):
        tree.add(moment, (*AIA, *HMI), "f2")
    combine(tree.folder)
    combine.check(tree)
    assert combine.open().data.shape == (2, 12, 32, 32)


def test_order_is_no_matter(combine: Combine, tree: Tree, tmp_path: Path) -> None:
    """The same files in another order give the same bytes."""
    combine(tree.inventory())
    other = Combine(tmp_path / "other.zarr")
    tree.images = dict(reversed(tree.images.items()))
    other(tree.inventory("SDOMLnpz/other.csv"))
    names = [
        path.relative_to(combine.output) for path in combine.output.rglob("*") if "c" in path.parts and path.is_file()
    ]
    assert len(names) > 4
    assert all((combine.output / name).read_bytes() == (other.output / name).read_bytes() for name in names)


def test_again(combine: Combine, tree: Tree) -> None:
    """A second run has nothing to do and changes nothing."""
    combine(tree.inventory())
    before = {path: path.read_bytes() for path in combine.output.rglob("*") if path.is_file()}
    assert combine(tree.inventory())["done"] == 0
    assert before == {path: path.read_bytes() for path in combine.output.rglob("*") if path.is_file()}
    combine.ledger.clear()
    assert combine(tree.inventory())["done"] == 0


def test_late_channels_and_steps(combine: Combine, tree: Tree, tmp_path: Path) -> None:
    """Channels that come late are put in, steps that come late are put behind, also into a half-full shard."""
    early = Tree(tree.folder, images={key: tree.images[key] for key in tree.images if key[0] < "2010-05-01T00:36"})
    for moment, channel in [("2010-05-01T00:00", "bx"), ("2010-05-01T00:06", "0171")]:
        del early.images[moment, channel]
    assert combine(early.inventory(), shard_steps=4)["done"] == 2
    combine.check(early)
    for path in early.images:
        early.path(*path).unlink()  # what is there is not read again
    told = combine(tree.inventory())
    combine.check(tree)
    assert told["done"] == 3 and told["marked"] == 0 and len(combine.open().time) == 10
    assert combine(tree.inventory())["done"] == 0


def test_corrupt_and_missing(combine: Combine, tree: Tree) -> None:
    """A file that cannot be read marks its channel with the reason; the rest is written; once repaired it is put in."""
    keys = list(tree.images)[:7]
    good = {key: tree.path(*key).read_bytes() for key in keys}
    gone, cut, flipped, empty, other, integers, small = (tree.path(*key) for key in keys)
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:300])
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    empty.write_bytes(b"")
    np.savez_compressed(other, y=np.ones((16, 16), "f4"))
    np.savez_compressed(integers, x=np.ones((16, 16), "i4"))
    np.savez_compressed(small, x=np.ones((8, 8), "f4"))
    inventory = tree.inventory()
    told = combine(inventory)
    combine.check(tree, without=frozenset(keys))
    assert told["marked"] == 7
    lines = Path(told["marked_list"]).read_text().splitlines()
    assert lines[0] == "time,channel,file,reason" and len(lines) == 8
    for words in ("missing", "not a zip", "CRC", "no key x; it has: y", "int32", "(8, 8)"):
        assert any(words in line for line in lines), words
    reasons = [mark[3] for record in combine.ledger for mark in record["result"]["marked"]]
    assert len(reasons) == 7
    assert combine(inventory)["marked"] == 7  # tried again, and no better
    assert combine(inventory, start=max(key[0] for key in keys)[:-1] + "9")["marked"] == 0  # these are not asked for
    for key, content in good.items():
        tree.path(*key).write_bytes(content)
    told = combine(inventory)
    combine.check(tree)
    assert told["marked"] == 0 and told["marked_list"] is None and told["done"] == 1
    assert not Path(f"{combine.output}.run/marked.csv").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packing(method: int) -> None:
    """An image is read however it is packed; whatever a codec says of wrong bytes, it is damage."""
    array, stream = io.BytesIO(), io.BytesIO()
    np.save(array, np.random.default_rng(1).normal(size=(32, 32)).astype("f4"))
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("x.npy", array.getvalue())
    content = stream.getvalue()
    assert npz.image(content).shape == (32, 32)
    for at in range(35, len(content) - 100, 50):
        wrong = content[:at] + bytes([content[at] ^ 0xFF]) * 8 + content[at + 8 :]
        with pytest.raises(npz.DamagedError):
            npz.image(wrong)


def test_closed_file(combine: Combine, tree: Tree) -> None:
    """What is wrong with one file, whatever it is, marks its channel alone."""
    loop, folder = list(tree.images)[:2]
    for key in (loop, folder):
        tree.path(*key).unlink()
    tree.path(*loop).symlink_to(tree.path(*loop))
    tree.path(*folder).mkdir()
    told = combine(tree.inventory())
    assert told["marked"] == 2
    assert all(words in Path(told["marked_list"]).read_text() for words in ("Too many levels", "Is a directory"))
    combine.check(tree, without=frozenset({loop, folder}))


@pytest.mark.parametrize(("url", "error"), [("/a/b.npz", npz.DamagedError), ("s3://a/b.npz", PermissionError)])
def test_denied(url: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is closed is marked; where a server denies, all are closed: that is an error."""

    def denied(url: str) -> bytes:
        raise PermissionError(13, "Permission denied", url)

    monkeypatch.setattr(chunk, "read_bytes", denied)
    with pytest.raises(error, match="Permission denied"):
        chunk.read_image(url)


def test_bad_line_is_no_mark(combine: Combine, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that may pass is raised, so that the engine tries again; the shard does not appear."""
    asked, real = combine.asked(tree.inventory()), chunk.read_bytes

    def broken(url: str) -> bytes:
        if url.endswith("_bx.npz"):
            raise OSError(5, "Input/output error")
        return real(url)

    monkeypatch.setattr(chunk, "read_bytes", broken)
    with pytest.raises(OSError, match="Input/output"):
        list(combine.work(asked))
    assert not list(combine.output.glob("data/c/*/0/0/0"))


@pytest.mark.parametrize("ledger", ["kept", "lost"])
def test_killed_before_the_end(combine: Combine, tree: Tree, ledger: str) -> None:
    """What was done before a kill is not read again, whether the ledger tells or only the chunk itself."""
    asked = combine.asked(tree.inventory(), layout="object")
    list(combine.work(asked, limit=6))
    if ledger == "lost":
        combine.ledger.clear()
        shutil.rmtree(asked.run_dir)
    for key in [key for key in tree.images if key[0] < "2010-05-01T00:36"]:
        tree.path(*key).unlink()
    told = combine(tree.inventory(), layout="object")
    combine.check(tree)
    assert told["done"] == (4 if ledger == "kept" else 10) and told["marked"] == 0


def test_chunk_gone(combine: Combine, tree: Tree) -> None:
    """A chunk that was removed is made anew, whatever was told of it; of what no file is listed any more it says so."""
    combine(tree.inventory())
    shutil.rmtree(combine.output / "data/c/0")
    assert combine(tree.inventory())["done"] == 1
    combine.check(tree)
    shutil.rmtree(combine.output / "data/c/0")
    late = Tree(tree.folder, images={key: tree.images[key] for key in tree.images if key[1] == "bx"})
    combine(late.inventory("SDOMLnpz/late.csv"))
    last = ("2010-05-01T00:48", "2010-05-01T00:54")
    combine.check(Tree(tree.folder, images={k: v for k, v in tree.images.items() if k[1] == "bx" or k[0] in last}))
    combine(tree.inventory())
    combine.check(tree)


def test_chunk_damaged(combine: Combine, tree: Tree) -> None:
    """A chunk that cannot be decoded is named when something is to be added; once removed, all of it is made anew."""
    early = Tree(tree.folder, images={key: tree.images[key] for key in list(tree.images)[1:]})
    combine(early.inventory())
    path = combine.output / "data/c/0/0/0/0"
    path.write_bytes(path.read_bytes()[:-100])
    asked = combine.asked(tree.inventory())
    with pytest.raises(OutputError, match=rf"{path} is damaged") as error:
        list(combine.work(asked))
    assert error.value.hint == "Remove it: the same command makes it anew."
    combine.finish(asked)
    assert any(f"{path} is damaged" in said for said in combine.said)
    path.unlink()
    combine(tree.inventory())
    combine.check(tree)


def test_ledger_lost_in_between(combine: Combine, tree: Tree) -> None:
    """Without a word of its workers the store says what its chunks hold, of files that are marked too."""
    tree.path("2010-05-01T00:12", "bx").unlink()
    asked = combine.asked(tree.inventory())
    list(combine.work(asked))
    combine.ledger.clear()
    combine.finish(asked)
    combine.check(tree, without=frozenset({("2010-05-01T00:12", "bx")}))
    assert "looking into 2 chunks of which it is not known what they hold" in combine.said


def test_ledger_of_another_store(combine: Combine, tree: Tree) -> None:
    """What a ledger tells of a store that was removed is not believed of the next at its place."""
    combine(tree.inventory())
    shutil.rmtree(combine.output)
    gone = tree.path("2010-05-01T00:12", "bx")
    content = gone.read_bytes()
    gone.unlink()
    assert combine(tree.inventory())["done"] == 2
    combine.check(tree, without=frozenset({("2010-05-01T00:12", "bx")}))
    gone.write_bytes(content)
    assert combine(tree.inventory(), overwrite=True, layout="object")["done"] == 10
    combine.check(tree)


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_killed_while_made(combine: Combine, tree: Tree, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies while the store is made or made longer leaves what the next run repairs."""
    early = Tree(tree.folder, images={key: tree.images[key] for key in tree.images if key[0] < "2010-05-01T00:30"})
    for part in (early, tree):
        _die_after(count, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            combine(part.inventory(), shard_steps=4)
        monkeypatch.undo()
        combine(part.inventory(), shard_steps=4)
        combine.check(part)


def _die_after(writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = stores.storage.write_bytes, [writes]

    def dying(url: str, content: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        real(url, content)

    monkeypatch.setattr(stores.storage, "write_bytes", dying)


def test_killed_while_removed(combine: Combine, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies while it removes what was there leaves what the same command goes on with."""
    combine(tree.inventory())
    with monkeypatch.context() as patch:
        patch.setattr(stores.storage, "remove", _dying)
        with pytest.raises(KeyboardInterrupt):
            combine(tree.inventory(), overwrite=True)
    combine(tree.inventory(), layout="object")
    combine.check(tree)


def _dying(url: str) -> None:
    raise KeyboardInterrupt


def test_another_run_meanwhile(combine: Combine, tree: Tree) -> None:
    """A store that another run has made since the plan is not made again."""
    asked = combine.asked(tree.inventory())
    list(hooks.plan(asked))
    mine = hooks._last[:]
    Combine(combine.output)(tree.inventory())
    hooks._last[:] = mine  # the other one is another process
    with pytest.raises(OutputError, match="Another run has changed"):
        hooks.begin(asked)
    combine.check(tree)


def test_inventory_of_another(combine: Combine, tree: Tree) -> None:
    """Neither the inventory that is read nor anybody's file is written over by the inventory of the store."""
    inventory = tree.inventory("../s.inventory.parquet")
    content = inventory.read_bytes()
    with pytest.raises(OutputError, match=r"would overwrite the input .*s\.inventory\.parquet"):
        combine(inventory)
    with pytest.raises(OutputError, match="is another's"):
        combine(tree.inventory())
    assert inventory.read_bytes() == content
    inventory.unlink()
    combine(tree.inventory())
    combine(tree.inventory())


def test_plan_writes_nothing(combine: Combine, tree: Tree) -> None:
    """A plan that is not begun leaves no trace, and is the same each time."""
    asked = combine.asked(tree.inventory())
    rows = list(hooks.plan(asked))
    assert rows == list(hooks.plan(asked)) and len(rows) == 2
    assert rows[0].source == "2010-05-01T00:00--2010-05-01T00:42" and rows[1].columns["first"] == 24
    assert not combine.output.exists() and not list(asked.run_dir.iterdir())


def test_refusals(combine: Combine, tree: Tree, tmp_path: Path) -> None:
    """New channels, earlier steps, other options and other people's stores are refused, with what to do."""
    late = Tree(tree.folder, images={key: tree.images[key] for key in tree.images if key[0][11:] > "00:24"})
    combine(late.inventory("SDOMLnpz/late.csv", more=()), channels="0094,bx,bz")
    with pytest.raises(InputError, match="no room for the channels 0171") as error:
        list(hooks.plan(combine.asked(late.inventory())))
    assert "--channels" in error.value.hint
    with pytest.raises(InputError, match="earlier"):
        list(hooks.plan(combine.asked(tree.inventory(), channels="0094,bx,bz")))
    with pytest.raises(OutputError, match="--layout posix, not object"):
        list(hooks.plan(combine.asked(late.inventory(), channels="0094", layout="object")))
    for name, content in (("notes.txt", "mine"), ("zarr.json", '{"zarr_format": 3, "node_type": "group"}')):
        other = Combine(tmp_path / f"other-{name}")
        other.output.mkdir()
        (other.output / name).write_text(content)
        with pytest.raises(OutputError, match="no store of sdo-combine"):
            list(hooks.plan(other.asked(tree.inventory(), overwrite=True)))


def test_channels_to_come(combine: Combine, tree: Tree) -> None:
    """A new store has room for the channels that are named, and for the time from --start on."""
    combine(tree.inventory(), channels="94,1700,0094", start="2010-05-01T00:30", cadence=6, layout="object")
    assert combine.open().channel.values.tolist() == ["0094", "1700"]
    assert set(combine.said) == {"there are no files of the channels 1700"}
    assert combine.open().time.values[0] == np.datetime64("2010-05-01T00:30")
    tree.add("2010-05-01T00:36", ("1700",))
    told = combine(tree.inventory(), channels="0094,1700", start="2010-05-01T00:30")
    assert told["done"] == 1 and told["complete"] == 1


def test_damaged_store(combine: Combine, tree: Tree) -> None:
    """A store whose description lacks something is said to be damaged, and --overwrite makes it anew."""
    combine(tree.inventory())
    path = combine.output / "zarr.json"
    path.write_text(path.read_text().replace("springline_layout", "layout"))
    with pytest.raises(OutputError, match="is damaged") as error:
        combine(tree.inventory())
    assert "--overwrite" in error.value.hint
    combine(tree.inventory(), overwrite=True)
    combine.check(tree)


def test_no_readable_image(combine: Combine, tree: Tree) -> None:
    """Without one image nobody knows the size: no store is made."""
    for key in tree.images:
        tree.path(*key).write_bytes(b"PK")
    with pytest.raises(InputError, match="None of 64 files"):
        combine(tree.inventory())
    assert not combine.output.exists()


def test_legacy_files(combine: Combine, tree: Tree, tmp_path: Path) -> None:
    """The page's files are written too, named by the moment; for steps that are in the store already as well."""
    combine(tree.inventory())
    for key in list(tree.images)[:-1]:
        tree.path(*key).unlink()
    told = combine(tree.inventory(), legacy_pkl=str(tmp_path / "old"))
    assert told["done"] == 2 and told["marked"] == 0
    files = sorted((tmp_path / "old").rglob("*.*"))
    assert len(files) == 10
    assert str(files[1].relative_to(tmp_path / "old")) == "2010/05/01/SDO20100501_0006_all.pklz"
    for moment, file in zip(moments(10, every=6), files, strict=True):
        found = pickle.loads(bz2.decompress(file.read_bytes()))
        assert [name for name, _ in found] == sorted(channel for when, channel in tree.images if when == moment)
        assert all(np.array_equal(image, tree.images[moment, name]) for name, image in found)
        assert b"numpy.core." in bz2.decompress(file.read_bytes())  # numpy 1 knows no numpy._core
    assert combine(tree.inventory(), legacy_pkl=str(tmp_path / "old"))["done"] == 0
    files[3].unlink()
    assert combine(tree.inventory(), legacy_pkl=str(tmp_path / "old"))["done"] == 1


def test_late_channel_and_legacy_files(combine: Combine, tree: Tree, tmp_path: Path) -> None:
    """A channel that came without the option is in the old files after the next run with it; no file, no such name."""
    import pandas as pd

    early = Tree(tree.folder, images={key: tree.images[key] for key in tree.images if key[1] != "bx"})
    old = {"legacy_pkl": str(tmp_path / "old")}
    combine(early.inventory(), channels=",".join(SOME), **old)
    combine(tree.inventory())
    told = combine(tree.inventory(), **old)
    for moment, file in zip(moments(10, every=6), sorted((tmp_path / "old").rglob("*.pklz")), strict=True):
        names = [name for name, _ in pickle.loads(bz2.decompress(file.read_bytes()))]
        assert names == sorted(channel for when, channel in tree.images if when == moment)
    assert combine(tree.inventory(), **old)["done"] == 0
    file.unlink()
    combine.finish(combine.asked(tree.inventory(), **old))
    rows = pd.read_parquet(told["inventory"]).query("channel == 'all'").file.tolist()
    assert rows[0] == "2010/05/01/SDO20100501_0000_all.pklz" and rows[-1] == "s.zarr#9"


def test_inventory_of_the_store(combine: Combine, tree: Tree) -> None:
    """Beside the store lies an inventory in the columns of the original, with a row `all` for each step."""
    import pandas as pd

    tree.path("2010-05-01T00:12", "bx").unlink()
    told = combine(tree.inventory())
    found = pd.read_parquet(told["inventory"])
    assert told["inventory"] == str(combine.output.with_name("s.inventory.parquet"))
    assert found.columns.tolist() == ["index", "year", "month", "day", "hour", "min", "channel", "file", "valid"]
    assert len(found) == len(tree.images) + 10 and (~found.valid).sum() == 1
    row = found[(found.hour == 0) & (found["min"] == 12)].set_index("channel")
    assert row.loc["all", "file"] == "s.zarr#2" and row.loc["all", "index"] == 1076941452
    assert row.loc["bx", "file"] == "SDOMLnpz/2010/05/01/HMI20100501_0012_bx.npz" and not row.loc["bx", "valid"]
    again = Combine(combine.output.with_name("again.zarr"))
    again(told["inventory"], root=str(tree.folder))
    again.check(tree, without=frozenset({("2010-05-01T00:12", "bx")}))


def test_source_of_what_is_there(combine: Combine, tree: Tree) -> None:
    """The store says which file an image came from, even when a later inventory has another for it."""
    combine(tree.inventory())
    before = combine.open().source.values.tolist()
    other = Tree(tree.folder, stanford=True)
    for moment, channel in tree.images:
        other.add(moment, (channel,))
    assert combine(other.inventory("other.csv"))["done"] == 0
    assert combine.open().source.values.tolist() == before
