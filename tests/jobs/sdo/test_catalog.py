"""Registries as they are met: every way index files are written, and everything that can be wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas
import pytest

from jobs.errors import InputError, UsageError
from jobs.sdo import catalog, index_files, times
from tests.jobs.s3server import S3

STARTS = ["2020-02-17T00:04:00Z", "2020-02-16T23:56:00Z", "2020-02-17T00:00:00Z"]
STOP = "2021-01-01T00:00:00Z"
KEYS = [f"s3://sun/aia/{start[:10]}/{start[11:16].replace(':', '')}.fits" for start in STARTS]
SIZES = [13875840, 13872960, 13910400]
DATASET = {
    "id": "aia_0094", "title": "AIA 0094 FITS data", "index": "registries/", "start": "2010-05-13T00:00:00Z",
    "stop": "2022-12-31T23:56:00Z", "modification": "2023-05-04:00:00:00Z", "indextype": "csv", "filetype": "fits",
}  # fmt: skip
STYLES = {
    "spec": ("# start, stop, datakey, filesize", "{0},{1},{2},{3}"),
    "compact": ("#start, stop, key, filesize", "{0},{1},{2},{3}"),
    "plain": ("start,stop,datakey,filesize", "{0}, {1}, {2}, {3}"),
    "older": ("# start, datakey, filesize", "{0},{2},{3}"),
    "headerless": ("", "{0},{1},{2},{3}"),
    "headerless, older": ("", "{0},{2},{3}"),
    "quoted": ("# start, stop, datakey, filesize", "'{0}','{1}','{2}','{3}'"),
    "quoted twice": ("'start','stop','datakey','filesize'", '"{0}","{1}","{2}","{3}"'),
    "quoted headerless": ("", "'{0}','{1}','{2}','{3}'"),
    "another order": ("filesize,datakey,stop,start", "{3},{2},{1},{0}"),
    "more columns": ("# start, stop, datakey, filesize, quality, wave", "{0},{1},{2},{3},0,94"),
    "names of its own": ("# begin, end, path, bytes", "{0},{1},{2},{3}"),
    "as numbers": ("start,stop,datakey,filesize", "{0},{1},{2},{3}.0"),
    "marked and with carriage returns": ("\ufeff# start, stop, datakey, filesize\r", "{0},{1},{2},{3}\r"),
    "with old line ends": ("# start, stop, datakey, filesize", "{0},{1},{2},{3}"),
    "with empty lines": ("\n# start, stop, datakey, filesize\n\n", "{0},{1},{2},{3}\n"),
}


def written(style: str = "spec", order: tuple[int, ...] = (0, 1, 2)) -> bytes:
    """An index file of the three files in one of the styles."""
    head, line = STYLES[style]
    lines = [head] * bool(head) + [line.format(STARTS[n], STOP, KEYS[n], SIZES[n]) for n in order]
    end = "\r" if style == "with old line ends" else "\n"
    return (end.join(lines) + end).encode()


def registry(folder: Path, years: dict[int, bytes] | None = None, *, ending: str = ".csv", **changes: object) -> str:
    """A catalog in a folder, with these index files; returns where it is."""
    (folder / "registries").mkdir(exist_ok=True)
    values = {"name": "Sun", "status": {"code": 1200, "message": "OK"}, "catalog": [DATASET | changes]}
    (folder / "catalog.json").write_text(json.dumps(values))
    for year, content in (years or {2020: written()}).items():
        (folder / f"registries/aia_0094_{year}{ending}").write_bytes(content)
    return str(folder)


def asked(url: str, start: str | None = None, stop: str | None = None, **more: Any) -> pandas.DataFrame:  # noqa: ANN401
    """The files of a window."""
    name, options = more.pop("name", "aia_0094"), more.pop("options", None)
    return catalog.files(catalog.read_catalog(url, options), name, start, stop, options, **more)


def assert_sorted(found: pandas.DataFrame) -> None:
    """The three files are there, in their order."""
    assert found["key"].tolist() == [KEYS[1], KEYS[2], KEYS[0]]
    assert found["start"].tolist() == [pandas.Timestamp(STARTS[n][:-1]) for n in (1, 2, 0)]
    assert found["size"].tolist() == [SIZES[n] for n in (1, 2, 0)]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_same_files(tmp_path: Path, style: str) -> None:
    """Whatever the header, the order and the quotes; sorted by time, and what is listed twice once."""
    assert_sorted(asked(registry(tmp_path, {2020: written(style, (0, 1, 1, 2, 0))}), "2020", "2021"))


@pytest.mark.parametrize("typed", [True, False])
def test_zipped_and_parquet_index_files(tmp_path: Path, typed: bool) -> None:
    """The other two types of index file give the same; times in Parquet may be text or times."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("aia_0094_2020.csv", written())
    zipped = registry(tmp_path, {2020: packed.getvalue()}, ending=".csv.zip", indextype="csv-zip")
    assert_sorted(asked(zipped, "2020", "2021"))
    table = pandas.DataFrame({"start": STARTS, "stop": STOP, "datakey": KEYS, "filesize": SIZES})
    if typed:
        table["start"] = pandas.to_datetime(table["start"])
    content = table.to_parquet()
    assert_sorted(asked(registry(tmp_path, {2020: content}, ending=".parquet", indextype="parquet"), "2020", "2021"))


def test_the_styles_of_the_example_files(sun: Path) -> None:
    """Three real ways of writing one index are one table."""
    found = [
        index_files.read_index(file.read_bytes(), "csv", file.name).sort_values("start", ignore_index=True)
        for file in sorted((sun / "catalog").glob("*.csv"))
    ]
    assert len(found) == 3 and len(found[0]) == 4
    assert all(found[0].equals(other) for other in found[1:])
    assert [one.id for one in catalog.read_catalog(str(sun / "catalog")).datasets] == ["aia_0094"]


def test_sizes_may_be_unknown() -> None:
    """A size that is empty, or a column that is not there, is no size and no error."""
    content = b"# start, stop, datakey, filesize\n2020-01-01Z,2020-01-02Z,s3://a,\n2020-01-02Z,2020-01-03Z,s3://b,5\n"
    assert index_files.read_index(content, "csv", "n")["size"].isna().tolist() == [True, False]
    assert index_files.read_index(b"2020-01-01Z,s3://a\n", "csv", "n")["size"].isna().all()
    for empty in (b"", b"\n", b"# start, stop, datakey, filesize\n"):
        assert index_files.read_index(empty, "csv", "n").empty


ROW = b"2020-01-01T00:00Z,2020-01-01T00:04Z,s3://sun/a,12\n"


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (ROW + b"\n" + ROW + b"2020,s3://sun\n", 4, "2 values"),
        (ROW + ROW[:-1] + b",7\n" + b"2020-01-01Z,s3://a,12\n", 2, "5 values"),
        (b"# start, datakey, filesize\n" + ROW, 2, "4 values"),
        (ROW + ROW.replace(b"2020-01-01T00:00Z", b"yesterday"), 2, "time"),
        (ROW + ROW.replace(b"2020-01-01T00:00Z", b"2020-13-01Z"), 2, "time"),
        (ROW + b"\n\n" + ROW.replace(b"s3://sun/a", b""), 4, "names no file"),
        (b"# start, stop, datakey, filesize\n" + ROW.replace(b"12", b"12k") + ROW, 2, "size"),
        (ROW.replace(b",12", b",-1"), 1, "size"),
        (ROW + ROW.replace(b",12", b",1.5"), 2, "size"),
        (ROW + ROW.replace(b"/a", b"/\xe9") + ROW, 2, "UTF-8"),
        (ROW + b"'2020-01-01Z,2020-01-01Z,s3://sun/a,12\n", 2, "1 value "),
        (b"'2020-01-01Z','2020-01-01Z','s3://sun/a','12'\n'2020-01-01Z,2020-01-01Z,s3://sun/a,12\n" * 2, 2, "1 value "),
        (b"<html><body>Please log in</body></html>\n", 1, "1 value "),
        (b"<html>" + b"x" * 200_000 + b"</html>", 1, "1 value "),
        (ROW + b"x" * 200_000 + b"\n", 2, "1 value "),
        (ROW + ROW.replace(b"2020-01-01T00:00Z", b"9999-01-01"), 2, "time"),
        (ROW + ROW.replace(b"2020-01-01T00:00Z", b"1600-01-01"), 2, "time"),
        (ROW + ROW.replace(b"2020-01-01T00:00Z", b"0001-01-01T00:00+10:00"), 2, "time"),
        (ROW.replace(b",12", b",1e30"), 1, "size"),
    ],
)
def test_a_malformed_line_is_named(content: bytes, line: int, what: str) -> None:
    """The error says the file, the line, what stands there and what is wrong with it."""
    with pytest.raises(InputError, match=rf"^s3://sun/x\.csv, line {line} \(.*\) .*{what}"):
        index_files.read_index(content, "csv", "s3://sun/x.csv")


def test_damaged_files_are_said() -> None:
    """What is neither zip nor Parquet, and Parquet without the columns, is an error with the file's name."""
    other = pandas.DataFrame({"a": [1]}).to_parquet()
    bad = pandas.DataFrame({"start": ["2020-01-01", "x"], "datakey": ["a", "b"]}).to_parquet()
    for content, kind, what in (
        (b"PK", "csv-zip", "zip"), (b"PAR1", "parquet", "Parquet"), (other, "parquet", "no columns start and datakey"),
        (bad, "parquet", "row 2"), (gzip.compress(written()), "csv", "gzip"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"^name.*{what}"):
            index_files.read_index(content, kind, "name")


def test_a_window_is_half_open_and_reads_only_its_years(tmp_path: Path) -> None:
    """A file that starts at STOP, or before START, is not in it; other years' index files are not looked at."""
    lines = {
        year: f"{year}-01-01T00:00:00Z,s3://sun/{year}a\n{year}-12-31T23:59:59.500Z,s3://sun/{year}z\n".encode()
        for year in (2018, 2019, 2020)
    }
    url = registry(tmp_path, lines | {2017: b"damaged", 2021: b"damaged"})

    def keys(*window: str) -> list[str]:
        return [key.rpartition("/")[2] for key in asked(url, *window)["key"]]

    assert keys("2018", "2021") == ["2018a", "2018z", "2019a", "2019z", "2020a", "2020z"]
    assert keys("2018-12-31T23:59:59.5Z", "2020-01-01T00:00:00Z") == ["2018z", "2019a", "2019z"]
    assert keys("2018-01-01T00:00:00.001Z", "2019-12-31T23:59:59.501Z") == ["2018z", "2019a", "2019z"]
    assert keys("2018", "2018-12-31T23:59:59.500Z") == ["2018a"]
    assert keys("2018-01-01T01:00+01:00", "2018-02") == ["2018a"]
    assert [row.columns["start"] for row in catalog.rows(f"{url}#aia_0094/2019/2020")] == [
        "2019-01-01T00:00:00.000Z", "2019-12-31T23:59:59.500Z",
    ]  # fmt: skip


def test_years_without_index_file_are_said(tmp_path: Path) -> None:
    """Fewer files than asked for are never silent, and no error where there are some."""
    url, notes = registry(tmp_path), list[str]()
    assert_sorted(asked(url, "2019", "2022", note=notes.append))
    assert len(notes) == 1 and "2019, 2021" in notes[0]
    notes.clear()
    assert_sorted(asked(url, "2020", "2030", note=notes.append))
    assert "2010-05-13T00:00:00Z to 2022-12-31T23:56:00Z" in notes[0] and "2021, 2022" in notes[1]
    assert_sorted(asked(url))
    assert_sorted(asked(url, "0001", "9999"))
    assert_sorted(asked(url, "2020-02-16", "2020-02-18", note=pytest.fail))


@pytest.mark.parametrize(
    ("window", "error", "what"),
    [
        (("2009", "2010"), InputError, "has data from 2010-05-13T00:00:00Z to 2022-12-31T23:56:00Z"),
        (("2023",), InputError, "has data from 2010"),
        (("2015", "2016"), InputError, "no index file.*aia_0094_2015.csv"),
        (("2020-03", "2020-04"), InputError, "no file from 2020-03-01T00:00:00Z to 2020-04-01T00:00:00Z"),
        (("2021", "2020"), UsageError, "holds nothing"),
        (("2020", "2020"), UsageError, "holds nothing"),
        (("2020-2-1", "2021"), UsageError, "2020-2-1 is no time"),
        ((None, "0001"), InputError, "has data from 2010.*0001-01-01"),
    ],
)
def test_windows_that_hold_nothing(
    tmp_path: Path, window: tuple[str | None, ...], error: type[Exception], what: str
) -> None:
    """The error says what there is, or why there is nothing."""
    with pytest.raises(error, match=what):
        asked(registry(tmp_path), *window)


def test_odd_catalogs(tmp_path: Path) -> None:
    """Times that cannot be read are an error only where they are needed; types that are not known are one."""
    url = registry(tmp_path, start="2010-05-13:00:00:00Z", stop="")
    assert_sorted(asked(url, "2020", "2021"))
    with pytest.raises(InputError, match="does not say when") as raised:
        asked(url, "2020")
    assert "STOP" in raised.value.hint
    with pytest.raises(InputError, match="type tar"):
        asked(registry(tmp_path, indextype="tar"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<html>", "no JSON"),
        ("[]", "no list called catalog"),
        ('{"catalog": 5}', "no list"),
        ('{"catalog": [{"id": "a", "index": "b"}, {"id": "a"}]}', "entry 2 of catalog has no id and index"),
        ('{"status": {"code": 1400, "message": "moved away"}, "catalog": []}', "moved away"),
        ('{"registry": [{"endpoint": "s3://one/"}]}', "lists catalogs"),
    ],
)
def test_what_is_no_catalog(tmp_path: Path, text: str, what: str) -> None:
    """The error says where, and what is wrong with it."""
    (tmp_path / "catalog.json").write_text(text)
    with pytest.raises(InputError, match=f"{tmp_path}/catalog.json.*{what}"):
        catalog.read_catalog(str(tmp_path))


def test_near_names_are_told(tmp_path: Path) -> None:
    """A dataset that is not there is an error with the ones that may be meant."""
    url = registry(tmp_path)
    for wrong, hint in (("aia_0095", "Did you mean aia_0094?"), ("xyz", "There are: aia_0094.")):
        with pytest.raises(InputError, match=f"has no dataset {wrong}") as raised:
            asked(url, name=wrong)
        assert raised.value.hint == hint


def test_every_protocol(s3: S3, tmp_path: Path) -> None:
    """Catalogs on S3 with keys and without, on HTTP, in memory and on disk; by file, folder or bucket."""
    import fsspec

    folder = registry(tmp_path)
    s3.put("registry")
    memory = fsspec.filesystem("memory")
    for name in ("catalog.json", "registries/aia_0094_2020.csv"):
        s3.put(f"registry/{name}", (tmp_path / name).read_bytes(), public=True)
        memory.pipe_file(f"/registry/{name}", (tmp_path / name).read_bytes())
    anonymous = {"s3": {"endpoint_url": s3.url, "anon": True}}
    for url in (folder, f"{folder}/catalog.json", f"file://{folder}", "memory://registry", f"{s3.url}/registry"):
        assert_sorted(asked(url, "2020", "2021"))
    for options in (s3.options, anonymous):
        assert_sorted(asked("s3://registry", "2020", "2021", options=options))


def test_refusals_of_s3(s3: S3, tmp_path: Path) -> None:
    """A bucket that is not there, and a catalog or an index that may not be read, are told apart."""
    registry(tmp_path)
    s3.put("refusing")
    s3.put("refusing/private/catalog.json", b"{}")
    s3.put("refusing/half/catalog.json", (tmp_path / "catalog.json").read_bytes(), public=True)
    s3.put("refusing/half/registries/aia_0094_2020.csv", written())
    anonymous = {"s3": {"endpoint_url": s3.url, "anon": True}}
    for url, options, what in (
        ("s3://no-such-bucket", s3.options, "s3://no-such-bucket/catalog.json.*bucket does not exist"),
        ("s3://refusing", s3.options, "s3://refusing/catalog.json.*key does not exist"),
        ("s3://refusing/private", anonymous, "private/catalog.json may not be read"),
        ("s3://refusing/half", anonymous, "aia_0094_2020.csv may not be read"),
        ("http://127.0.0.1:9", {}, "catalog.json cannot be read"),
    ):
        with pytest.raises(InputError, match=what):
            asked(url, "2020", "2021", options=options)


def test_listing(tmp_path: Path) -> None:
    """A catalog lists its datasets; a registry of catalogs lists those."""
    found = catalog.listing(registry(tmp_path))
    assert found.values["datasets"] == [
        {"id": "aia_0094", "start": DATASET["start"], "stop": DATASET["stop"], "filetype": "fits",
         "title": "AIA 0094 FITS data"}
    ]  # fmt: skip
    assert len(found.lines) == 2 and found.lines[1].split()[:2] == ["aia_0094", DATASET["start"]]
    entry = {"endpoint": "s3://gov-nasa-hdrl-data1/", "name": "HelioCloud, including SDO", "region": "us-east-1"}
    assert next(iter(found.values.items())) == ("schema_version", 1)
    (tmp_path / "HelioDataRegistry.json").write_text(json.dumps({"CloudMe": "0.1", "registry": [entry]}))
    found = catalog.listing(str(tmp_path / "HelioDataRegistry.json"))
    assert next(iter(found.values.items())) == ("schema_version", 1)
    assert found.values["catalogs"] == [entry] and "s3://gov-nasa-hdrl-data1/" in found.lines[0]


def test_rows_are_items(tmp_path: Path) -> None:
    """A reference gives items with the columns start and, where it is known, filesize; keys may be relative."""
    content = b"# start, datakey, filesize\n2020-01-01T00:04Z,sdo/b.fits,\n2020-01-01T00:00Z,sdo/a.fits,12\n"
    url = registry(tmp_path, {2020: content})
    found = list(catalog.rows(f"{url}/catalog.json#aia_0094/2020/2021"))
    assert [row.source for row in found] == [f"{tmp_path}/sdo/a.fits", f"{tmp_path}/sdo/b.fits"]
    columns = [{"start": "2020-01-01T00:00:00Z", "filesize": 12}, {"start": "2020-01-01T00:04:00Z"}]
    assert [row.columns for row in found] == columns
    assert json.loads(json.dumps(columns)) == columns


def test_a_file_has_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However catalog and key are written, a local file is its absolute path; URLs stay as they are."""
    local = ["fits/a", "./fits/a", "../reg/fits/a", f"{tmp_path}/reg/./fits/a", f"file://{tmp_path}/reg/fits/a"]
    (tmp_path / "reg").mkdir()
    lines = [f"2020-01-01T00:00Z,{key}\n" for key in [*local, "s3://sun/./a//b"]]
    folder = registry(tmp_path / "reg", {2020: "".join(lines).encode()})
    monkeypatch.chdir(tmp_path)
    for url in ("reg", "./reg/", "reg/catalog.json", "../" * 9 + folder[1:], folder, f"file://{folder}"):
        assert set(asked(url)["key"]) == {f"{folder}/fits/a", "s3://sun/./a//b"}, url
    assert catalog._anchored("../fits/a", "s3://sun/reg") == "s3://sun/fits/a"


def test_references() -> None:
    """CATALOG#DATASET/START/STOP, where START and STOP may be left out and the URL may hold # itself."""
    assert catalog.parse_reference("s3://b/#aia_0094") == catalog.Reference("s3://b/", "aia_0094")
    assert catalog.parse_reference("a#b#c/2020") == catalog.Reference("a#b", "c", "2020")
    assert catalog.parse_reference("a#c//2021") == catalog.Reference("a", "c", None, "2021")
    for wrong in ("aia_0094/2020", "#aia_0094", "s3://b/#", "s3://b/#/2020", "a#b/2020/2021/2022"):
        with pytest.raises(UsageError, match="is not CATALOG#DATASET/START/STOP"):
            catalog.parse_reference(wrong)


def test_moments() -> None:
    """Times may be as short as a year; they are UTC."""
    same = ("2020", "2020-01", "2020-01-01", "2020-01-01T00:00", "2020-01-01T00:00:00.000Z", "2020-01-01T01:00+01:00")
    assert {times.moment(text) for text in same} == {datetime(2020, 1, 1)}
    over = ("9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00")
    for wrong in ("", "20", "2020-13", "2020-1-1", "now", "2020-01-01T25:00Z", *over):
        with pytest.raises(UsageError, match=f"^{re.escape(wrong)} is no time"):
            times.moment(wrong)
