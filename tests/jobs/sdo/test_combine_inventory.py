"""Which files there are: inventories of every kind and age, directories, and pickles that must not be loaded."""

from __future__ import annotations

import base64
import gzip
import io
import os
import pickle
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas._libs.internals import _unpickle_block
from pandas.core.internals.managers import BlockManager

from jobs.errors import InputError, UsageError
from jobs.sdo.combine.inventory import Inventory, Wanted, minutes_of, read
from jobs.sdo.combine.unpickle import _Unpickler, read_frame
from tests.jobs.sdo.trees import Tree, moments

OLD = {
    "0.25.3": (
        r"c-oaz-)j>=5bh;+Nv$bTuvifa3TkTU<u0@$C@8jyF(v_h@}V4imu>g(ZWHc@Cc%O}B(<_{9sd>o5Fh<#bat<)Nt;5wz-4!KzWKhH"
        r"x!EuJkDvOSdc;zf@HUA}uM<&oFCrlYab<@j<fU34!`fFkfU+>0HX1>!PWt;ip%EuRY=(rBeHz6eO3#Ci_o0#PGkkd$1FTE~+q6ex"
        r"(<L$TEjXNha%$3s0CrUv<F#bgGvZ~QhTVP!57Qv=NfePj@;MRpIy_FI)JqT|4CM%-h;+*380vFF*w$P)gtt(xYxUv~*s?I%Nxv&o"
        r"6uH(TIQo{I=7shdn$70xKlrFu{b>U3k<3BwQxYLV*x?BSk#9=@I_sop%!fWlQjZbNX@KTEKcGMnDs(PO*-S@Bz!t@=S(QN1H1a(x"
        r"MvW&AHzx|fme_T6L#DuPjuXh^W>w_;DcMiX$exq3w^zh3>zQixnSa1zwjm6q0F*e2NuDP|x{;zwtN-ZO<5^^d-$nUTq0hz9Pvh7V"
        r"aqi5DQ!)%g(==3BDwSqO%c*F$RbO&0_95r?<ZA$8{oPKh@rHK?m8xZ16>F<v*_Bs~n%r4imhD)UU3J{Pi7uD+?){hdKzYmVtC}vd"
        r"YZr7<8)iwcyF~S4{FPh?&`$tmc8}d>Wwu5yhs&Mf9<cRE3_So*uuOZ?w6l35_&ow!5CvCGatw%(_QFRJr1Ip2m=E_O2M=-F=iSuD"
        r"VdS_p;=uQ)8aJ7kBu=H65o@tS_8o1;l=Z!`8uj9dm8P+p76-=?FCjVh;|s|NX+qRJunVbc{slWz!;="
    ),
    "1.0.5": (
        r"c-oazQEL-H5bh;+Nv$bTuvifa3TkTU<u0@$C@8jyH6{gp@}V4imu>g(ZWHeIGzkXup{<pD>-c~C4L<s3bat<)X`4d5z-4!KzWKhH"
        r"x!Et~kDun0e&k%2@HR>9pp#I0Cm}Hfd1ZqL@=~vlVCgFip(-t}jYg1*<NhHRG~pyl?U-<~OOq62<$2TzJ~Z=vj<0TGfQ8e*Hto^W"
        r"_DPC-Gajd(yiH|80J|!!(ONN^Iq^Kt;%+~O$5|vok|d;$d|pC>4o^jr1p*<`(vBd@NT*$npfR-v>xK^p@D{2Kqfy=iHZQHV=yz3$"
        r"vat0C4!`B6MQMD7R;%^;4?g<Ucq+g@R5_S^N)lv<J6tf3#kLY)vQCD^VjOZL4H)5^Mrhs%BMKCu(&Va?t!y6&*sQ!YsS+rfCSicZ"
        r"*yQ5j>R18T9J|hLs1(@EQ36HWEXqQ7O7@d8vZs{n^#%FMd8S)^<{$8wtw>8N04<JUlIO{gZeP=7^?!8i@g%a+@3Q*o(C6ZqCvn`d"
        r"ICmz+saTd}7zV1WR4S9B6?C-Qx-SJE`%v(E>NNnl{BC2b`G$7~wYuXvHD|5nxV2Z!O|^5@9M^Lkx9<6U8(l8#-TN=^f%aD2*EOAG"
        r"*DmO!v6m;o?h@UP(N}UIz&r+2**$ijRoN1~9IkMJd%%{*F?0yB<k;@2?dJ1F@OuO{BTK%T<P;F2?4^$+%GAjVIUVmN9v<SjPy1Pj"
        r"!^m-IrBN7AJ#H#7MVu)y`)rFHu<vNIPFde;tJNqUTWOZ+Y4LC@@e)#FKe~{-m<porfo<d=Lf}m^gv_`90w^@d0R"
    ),
    "1.5.3": (
        r"c-oazQEL-H5YFXtNo|AHg0&*_Q6oZfDOP+C6kEjh+7#5+vg}<p-J^GV$K4)niUk!~Ti7?p{xBc?GdjCTY|=KM8`#_3%s2Dxw=?tE"
        r"`7z^^%ushzD!Mdp21&-6y^O{T)U9<Y>07h@4o|+oF*H<##CsX2<#F>+NR|m2<;|E1y2r8{RQ*kq1pC{AJ;EDmaR?z%=;xOhP<Kcn"
        r"(lFSM81Xd-t<{1k;<P_-k4u(?0jN3B%aYhHdcA?mi|T-U=~qqvKsg45->&SZnzSkxD{y}H4c<e;vz7G{I-SnuZyaXwN)mj}^6XPk"
        r")*47OQ!{=MMluvg%*mrL&~CgE8d=(lSJpG1<F^|Z_At8RIKUS$RC_$sr>UX%109Gj<E}j2t7TchA6-F|J$pI=$9075Ri-2A_4;*0"
        r"#d9VR>fYF6#082&vy7t5b&|0l5xLBYK%z{1Ue)l4&7WGd6Iio+7${;5qo7VZFD`ZBk0(`ng({uzVz!ih3{dtD^>hRbkCB?=Rj*uT"
        r"lW*xbyfYc)qw(?d!}`wlmPn6UD{k9uxvMR=-FmmZp?B`8+a|8tULk(Ji6-!`)`$OPePpbM^s8QNoW2B2a%r-Xy6lkUO`qmif3rle"
        r"1G1sdw7Nn$qqV8TE><U8SD<z>x__n5DAuYICqi;ic2_@Ig(n3b+HojA)dEh1U=beo!iX87sv>m7cZyRjajG8PMDTA-&Ta_#{Mi^U"
        r"E_H@24KqyrbYI`}HHi?8C&J<l<zk<V((<cvOlUByn4Yi|VU=T-(mISf7KxdpMwnf^IF%B6(J`nh=|yzUEbr4ON)B?;EmEv*DjA8W"
        r"&#(`j<%Qq;0}uVxJp"
    ),
}
"""Pickles of three rows as that of the original, written by these versions of pandas; compressed, in base 85."""


def look(source: Path, root: Path | None = None, **wanted: object) -> tuple[Inventory, list[str]]:
    """The inventory, and what was said."""
    said: list[str] = []
    found = read(str(source), str(root) if root else None, Wanted(**wanted), said.append)  # type: ignore[arg-type]
    return found, said


def cells(found: Inventory) -> list[tuple[int, str, str]]:
    """Its rows as moment, channel, file."""
    names = [found.channels[code] for code in found.codes]
    return list(zip(found.minutes.tolist(), names, found.files.to_pylist(), strict=True))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two steps, the second of AIA alone."""
    tree = Tree(tmp_path / "tree")
    tree.add("2010-05-01T00:12", ("bz", "0094", "bx"))
    tree.add("2010-05-01T00:18", ("0094",))
    return tree


@pytest.mark.parametrize("version", OLD)
def test_old_pickle(version: str) -> None:
    """Pickles of pandas 0.25 to 1.5 are read without pandas' help and without a warning."""
    frame = read_frame(zlib.decompress(base64.b85decode(OLD[version])), "inventory.pkl")
    assert frame.index.tolist() == [1076941452] * 3
    assert frame["channel"].tolist() == ["by", "bx", "bz"] and frame["year"].tolist() == [2010] * 3
    assert frame["file"].iloc[1] == "SDOMLnpz/2010/05/01/HMI20100501_0012_bx.npz"


class Evil:
    """Calls something when it is loaded."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """What a pickle of it says."""
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("posix.system", os.system), ("builtins.eval", eval), ("builtins.getattr", getattr),
        ("functools.partial", partial), ("pickle._loads", pickle._loads), ("builtins.print", print),
    ],
)  # fmt: skip
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_program_in_pickle(name: str, call: object, protocol: int, capfd: pytest.CaptureFixture[str]) -> None:
    """What a table does not need is named and not called."""
    content = gzip.compress(pickle.dumps(Evil(call, "echo called"), protocol))
    with pytest.raises(InputError, match=rf"asks for {name}\b"):
        read_frame(content, "inventory.pkl")
    assert "called" not in capfd.readouterr().out


def test_dotted_name_in_pickle() -> None:
    """A name that leads from an allowed class to something else is not found."""
    content = b"\x80\x04\x8c\x06pandas\x8c\x10DataFrame.to_csv\x93."
    with pytest.raises(InputError, match=r"pandas\.DataFrame\.to_csv"):
        read_frame(content, "inventory.pkl")


def wild_codes() -> object:
    """A table with categories that are not there."""
    values = pd.Categorical(["x", "y"])
    values._ndarray[:] = 100
    return pd.DataFrame({"file": values})


def wild_block(values: object = np.zeros((1, 2)), places: slice = slice(0, 1)) -> object:
    """A table of one column and two rows, put together of these."""
    block = Evil(_unpickle_block, values, places, 2)
    manager = Evil(BlockManager, (block,), [pd.Index(["file"]), pd.RangeIndex(2)])
    return Evil(pd.DataFrame, manager)


class Forged:
    """An array that is filled with this state."""

    def __init__(self, *state: object) -> None:
        self.state = state

    def __reduce__(self) -> tuple[object, ...]:
        """What a pickle of it says."""
        return np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), (1, *self.state)


class Unpointed:
    """The type of Python's objects, saying of itself that it is no pointer."""

    def __reduce__(self) -> tuple[object, ...]:
        """What a pickle of it says."""
        return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)


@pytest.mark.parametrize(
    "table",
    [
        Evil(pd.DataFrame, Evil(np.ndarray, (3, 1), np.dtype("O"), b"A" * 24)), Evil(np.ndarray, (10**13,)),
        wild_block(Forged((1, 2), Unpointed(), False, b"A" * 16)),
        wild_block(Forged((1, 10**13), np.dtype("O"), False, ["x"])),
        wild_block(Evil(np._core.numeric._frombuffer, b"A" * 16, Unpointed(), (1, 2), "C")),
        wild_block(places=slice(0, 10**13)), wild_block(places=slice(7, 8)), wild_block(np.zeros((1, 1000))),
        wild_codes(), Evil(bytearray, 10**15),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Passing a BlockManager")
def test_forged_memory(table: object) -> None:
    """What would make a pickle's numbers pointers, or places that are not there, is refused in words."""
    with pytest.raises(InputError, match="is no pickle of a table"):
        read_frame(pickle.dumps(table), "inventory.pkl")


def test_bytes_that_change_later() -> None:
    """What was looked at is not the memory that a pickle can still write to."""
    content = bytearray(8)
    buffer = _Unpickler(io.BytesIO()).find_class("pyarrow.lib", "py_buffer")(content)
    content[0] = 255
    assert buffer.to_pybytes() == bytes(8)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_kind_of_column(protocol: int) -> None:
    """Texts, numbers, dates and categories are read as they were written."""
    frame = pd.DataFrame({"file": ["a", "b"], "n": [1, 2], "when": pd.to_datetime(["2010-05-01", "2010-05-02"])})
    frame["kind"], frame["text"] = pd.Categorical(["x", "y"]), pd.Series(["q", None], dtype=object)
    found = read_frame(pickle.dumps(frame, protocol), "inventory.pkl")
    assert found.to_dict("list") == frame.to_dict("list") and (found.dtypes == frame.dtypes).all()


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-20], lambda c: c[:10], lambda c: b"\x80\x04", lambda c: b"year,month\n"]
)
def test_damaged_pickle(damage: object, tree: Tree) -> None:
    """A pickle that is cut off, or none at all, is an error with words."""
    content = tree.inventory("inventory.pkl").read_bytes()
    with pytest.raises(InputError, match=r"cut off|no pickle"):
        read_frame(damage(content), "inventory.pkl")  # type: ignore[operator]


@pytest.mark.parametrize(
    "name", ["SDOMLnpz/inventory.pkl", "SDOMLnpz/inventory.parquet", "inventory.csv", "a/b/list.pklz"]
)
def test_kinds_agree(name: str, tree: Tree) -> None:
    """Every kind of inventory, wherever it lies below the tree's parent, says the same, in the same order."""
    found, said = look(tree.inventory(name))
    first, second = minutes_of("2010-05-01T00:12", ""), minutes_of("2010-05-01T00:18Z", "")
    assert [cell[:2] for cell in cells(found)] == [(first, "0094"), (first, "bx"), (first, "bz"), (second, "0094")]
    assert cells(found)[1][2] == "SDOMLnpz/2010/05/01/HMI20100501_0012_bx.npz"
    assert found.root == str(tree.folder) and said == []
    assert found.steps.tolist() == [first, second]


def test_both_trees_scanned(tmp_path: Path) -> None:
    """The directories of either tree give the same moments and channels; what is no such file is passed over."""
    trees = Tree(tmp_path / "one"), Tree(tmp_path / "other", stanford=True)
    for tree in trees:
        for moment in moments(3):
            tree.add(moment)
        (tree.folder / "README.txt").write_text("hello")
        (tree.folder / "eve.npz").write_bytes(b"")
    (one, said), (other, _) = look(trees[0].folder), look(trees[1].folder)
    assert [cell[:2] for cell in cells(one)] == [cell[:2] for cell in cells(other)]
    assert len(one.files) == 12 and one.files[0].as_py().startswith("SDOMLnpz/2010/05/01/AIA")
    assert other.files[0].as_py() == "2010/AIA/0094/05/01/AIA20100501_0000_0094.npz"
    assert len(said) == 1 and "eve.npz" in said[0]


def test_wide_csv(tmp_path: Path) -> None:
    """A table with a column of paths for each channel is read as well."""
    tree = Tree(tmp_path, stanford=True)
    tree.add("2010-05-01T00:12", ("0094", "bx"))
    row = [tree.name("2010-05-01T00:12", channel) for channel in ("0094", "bx")]
    (tmp_path / "join.csv").write_text(f"time,eve_ind,94,bx\n2010-05-01 00:12,7,{row[0]},{row[1]}\n")
    assert [cell[2] for cell in cells(look(tmp_path / "join.csv")[0])] == row


def test_combined_rows_are_no_inputs(tree: Tree) -> None:
    """Rows `all` of a page or of our own inventory are left out in silence, strange names with a word."""
    more = [
        "SDOMLnpz/2010/05/01/HMI20100501_0012_all.pklz",
        "s.zarr#12",
        "SDOMLnpz/2010/05/01/AIA20100501_0012_all.npz",
    ]
    found, said = look(tree.inventory(more=more))
    assert len(found.files) == 4 and said == []
    _, said = look(tree.inventory(more=["SDOMLnpz/2010/05/01/AIA20100231_0012_0094.npz", "notes.txt"]))
    assert len(said) == 1 and said[0].startswith("2 entries are left out") and "AIA20100231" in said[0]


@pytest.mark.parametrize("backwards", [False, True])
def test_twice_the_same(tree: Tree, backwards: bool) -> None:
    """Of two files for one channel of a moment the same one is kept in any order, and it is said."""
    other = Tree(tree.folder, stanford=True)
    other.add("2010-05-01T00:12", ("bx",))
    names = [*(tree.name(*key) for key in tree.images), other.name("2010-05-01T00:12", "bx")]
    path = tree.folder / "inventory.csv"
    path.write_text("\n".join(["file", *(reversed(names) if backwards else names)]))
    found, said = look(path)
    assert len(found.files) == 4 and "2010/HMI/bx/05/01/HMI20100501_0012_bx.npz" in found.files.to_pylist()
    assert len(said) == 1 and said[0].startswith("1 files") and "SDOMLnpz" in said[0]


def test_window_and_channels(tree: Tree) -> None:
    """The stop is left out, and so are channels that are not asked for; nothing left is an error that says what is."""
    inventory = tree.inventory()
    first, second = minutes_of("2010-05-01T00:12", ""), minutes_of("2010-05-01T00:18", "")
    assert look(inventory, stop=second)[0].steps.tolist() == [first]
    assert look(inventory, start=second)[0].steps.tolist() == [second]
    assert look(inventory, channels=("bz",))[0].channels == ("bz",)
    with pytest.raises(InputError) as error:
        look(inventory, channels=("bz",), start=second)
    assert "2010-05-01T00:12 to 2010-05-01T00:18" in error.value.hint


def test_roots(tree: Tree, tmp_path: Path) -> None:
    """Paths of another machine are matched by their tail, existing ones are taken as they are, --root goes first."""
    gone = tree.inventory(prefix="/gone/with/the/disk/")
    assert look(gone)[0].root == str(tree.folder)
    there = tree.inventory("../elsewhere/inventory.csv", prefix=f"{tree.folder}/")
    found = look(there)[0]
    assert found.root == str(tree.folder) and found.files[0].as_py().startswith("SDOMLnpz/")
    away = tree.inventory("../elsewhere/inventory.parquet", prefix="sdoml/")
    with pytest.raises(InputError, match="None of 4 files") as error:
        look(away)
    assert "--root" in error.value.hint
    assert look(away, tree.folder)[0].root == str(tree.folder)
    assert look(away, tree.folder)[0].files[0].as_py().startswith("SDOMLnpz/")


def test_roots_of_two_machines(tree: Tree) -> None:
    """An inventory put together from two machines has paths that begin in two ways."""
    path = tree.folder / "inventory.csv"
    names = [tree.name(*key) for key in tree.images]
    path.write_text("\n".join(["file", *(f"/a/{name}" for name in names[:2]), *(f"b/c/{name}" for name in names[2:])]))
    assert sorted(look(path)[0].files.to_pylist()) == sorted(names)


def test_missing_first_file(tree: Tree) -> None:
    """A file that is gone does not hide where the others are."""
    inventory = tree.inventory()
    tree.path("2010-05-01T00:12", "0094").unlink()
    assert look(inventory)[0].root == str(tree.folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", b"a,b\n1,2\n", "lists no NPZ files; its columns: a, b"), ("x.parquet", b"PAR1", "no Parquet"),
        ("x.csv", b"", "no CSV"), ("x.csv", b"\xe9\n1\n", "no CSV|lists no NPZ"),
        ("x.csv", b"file\n\xe9/AIA20100501_0012_0094.npz\n", "no CSV"),
        ("x.csv", b"file\nnotes.txt\n", "lists no NPZ file of these"),
        ("x.fits", b"", "neither a directory nor an inventory"),
    ],
)  # fmt: skip
def test_no_inventory(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    """What is no inventory is refused with words."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        look(path)


def test_absent_inventory(tmp_path: Path) -> None:
    """An inventory or a directory that is not there is named."""
    for name in ("x.pkl", "folder"):
        with pytest.raises(InputError, match=name):
            look(tmp_path / name)


def test_closed_directory(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that cannot be read is named, and not passed over."""
    real = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("05"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(InputError, match=r"2010/05 cannot be searched: Permission denied"):
        look(tree.folder)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1970-01-01T00:02Z", 2), ("1970-01-02", 1440), ("1970", 0), ("1970-01-01T03:00+02:00", 60),
        ("1970-01-01T00:00:30", 1), ("yesterday", None), ("", None), ("NaT", None), ("2010-02-30", None),
    ],
)  # fmt: skip
def test_moment_words(text: str, minutes: int | None) -> None:
    """A moment of the command line is ISO 8601, UTC unless it says otherwise; between two minutes the next counts."""
    if minutes is not None:
        assert minutes_of(text, "--start") == minutes
        return
    with pytest.raises(UsageError, match=f"--start {text} is no time"):
        minutes_of(text, "--start")


@pytest.mark.parametrize("kind", ["string_view", "binary", "large_binary", "binary_view", "dictionary"])
def test_texts_of_other_kinds(tree: Tree, kind: str) -> None:
    """A Parquet file is read whatever it calls its texts; Windows writes its separators the other way."""
    names = pa.array([f"C:\\sun\\{tree.name(*key)}".replace("/", "\\") for key in tree.images])
    column = names.dictionary_encode() if kind == "dictionary" else names.cast(getattr(pa, kind)())
    pq.write_table(pa.table({"path": column, "sum": [b"\xff\xfe"] * len(names)}), tree.folder / "x.parquet")
    found = look(tree.folder / "x.parquet")[0]
    assert found.root == str(tree.folder)
    assert sorted(found.files.to_pylist()) == sorted(tree.name(*key) for key in tree.images)


def test_names_of_channels(tree: Tree) -> None:
    """A channel nobody knows is an error that names what is near; one of SDO may be named before there are files."""
    assert look(tree.inventory(), channels=("bx", "1700"))[0].channels == ("bx",)
    with pytest.raises(InputError, match="There is no channel bq") as error:
        look(tree.inventory(), channels=("bq",))
    assert "bx" in error.value.hint
