"""One file from each kind of place to each other, over lines that break, from and to real servers."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from jobs import causes, doors, storage
from jobs.errors import InputError
from jobs.stac import copy, places
from tests.jobs.s3server import S3
from tests.jobs.stac.servers import NAME, PASSWORD, TOKEN, Dav, Web, serve_dav, serve_web

LARGE = os.urandom(1 << 20) * 9 + b"end"
"""More than two chunks."""
KINDS = ("http", "file", "s3", "webdav", "dcache")


class Places:
    """A place of each kind, in which this process and its children find their way by themselves."""

    def __init__(self, folder: Path, s3: S3, dav: Dav, dcache: Dav, web: Web) -> None:
        self.dav, self.dcache, self.web, self.s3, self.folder = dav, dcache, web, s3, folder / "file"
        self.roots = {
            "http": web.url, "file": str(self.folder), "s3": f"s3://{folder.name.replace('_', '-')}",
            "webdav": dav.url, "dcache": "dcache://data",
        }  # fmt: skip

    def url(self, kind: str, name: str) -> str:
        """The URL of a file."""
        return f"{self.roots[kind]}/{name}"

    def put(self, kind: str, name: str, content: bytes) -> str:
        """Make a file."""
        url = self.url(kind, name)
        if kind == "s3":
            return self.s3.put(url.removeprefix("s3://"), content)
        root = {"http": self.web.folder, "webdav": self.dav.folder, "dcache": self.dcache.folder / "data"}
        path = root.get(kind, self.folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return url

    def read(self, kind: str, name: str) -> bytes:
        """Its bytes, as fsspec has them."""
        fs, path = storage.filesystem(self.url(kind, name))
        return bytes(fs.cat_file(path))


def configure(monkeypatch: pytest.MonkeyPatch, values: dict[str, dict[str, Any]], env: dict[str, str]) -> None:
    """Let fsspec know what it would read from the environment, here and in processes started from here."""
    import fsspec.config

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    for protocol, options in values.items():
        monkeypatch.setitem(fsspec.config.conf, protocol, options)
        for option, value in options.items():
            monkeypatch.setenv(f"FSSPEC_{protocol}_{option}".upper(), str(value))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A folder over HTTP, with the file large.nc."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web/large.nc").write_bytes(LARGE)
    with serve_web(tmp_path / "web") as server:
        yield server


@pytest.fixture
def everywhere(tmp_path: Path, s3: S3, web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """A place of each kind."""
    folders = [tmp_path / name for name in ("dav", "dcache", "file")]
    for folder in folders:
        folder.mkdir()
    with serve_dav(folders[0], login=True) as dav, serve_dav(folders[1], dcache=True) as dcache:
        known = {
            "s3": {"endpoint_url": s3.url},
            "webdav": {"base_url": dav.base, "auth": f"{NAME}:{PASSWORD}"},
            "dcache": {"api_url": f"{dcache.base}/api/v1", "webdav_url": dcache.base, "token": TOKEN},
        }
        configure(monkeypatch, known, {**s3.keys, "AWS_ENDPOINT_URL": s3.url})
        found = Places(tmp_path, s3, dav, dcache, web)
        s3.put(found.roots["s3"].removeprefix("s3://"))
        yield found


@pytest.mark.parametrize("content", [LARGE, b"small", b""], ids=["large", "small", "empty"])
def test_every_place_gives_to_every_other(everywhere: Places, content: bytes) -> None:
    """The bytes are the same, the SHA-256 is told, and no scratch stays anywhere."""
    for kind in KINDS:
        everywhere.put(kind, "in/a.nc", content)
    for origin, place in [*permutations(KINDS[1:], 2), *(("http", place) for place in KINDS[1:]), ("file", "file")]:
        name = f"{origin}/a.nc"
        (everywhere.folder / origin).mkdir(exist_ok=True)
        if content == b"small":
            everywhere.put(place, name, b"what stood there before")
        told = copy.stage(everywhere.url(origin, "in/a.nc"), everywhere.url(place, name))
        assert everywhere.read(place, name) == content, (origin, place)
        assert told["checksum"] == "1220" + hashlib.sha256(content).hexdigest(), (origin, place)
        assert told["size"] == told["bytes_in"] == len(content)
    left = [path.name for root in (everywhere.dav, everywhere.dcache) for path in root.folder.rglob("*")]
    assert not [name for name in left + [path.name for path in everywhere.folder.rglob("*")] if name.startswith(".")]


def test_a_small_file_costs_as_few_requests_as_can_be(everywhere: Places) -> None:
    """One GET from HTTP; PUT, a look and a rename to WebDAV, which makes a directory once."""
    everywhere.put("http", "a.nc", b"small")
    everywhere.put("http", "b.nc", b"small")
    for name in ("a.nc", "b.nc"):
        copy.stage(everywhere.url("http", name), everywhere.url("webdav", f"new/{name}"))
    assert everywhere.web.seen == ["GET /a.nc ", "GET /b.nc "]
    assert [line.split()[0] for line in everywhere.dav.seen] == ["MKCOL", *["PUT", "HEAD", "MOVE"] * 2]


@pytest.mark.parametrize("fault", ["cut", "lie"])
def test_what_was_cut_off_goes_on_where_it_stopped(web: Web, tmp_path: Path, fault: str) -> None:
    """The engine is told to try again; the next attempt asks for the rest alone and checks all of it."""
    web.faults["/large.nc"] = [fault]
    target = tmp_path / "large.nc"
    with pytest.raises(Exception) as raised:
        copy.stage(f"{web.url}/large.nc", str(target))
    assert causes.cause(raised.value) == causes.TRANSIENT and not target.exists()
    told = copy.stage(f"{web.url}/large.nc", str(target))
    assert target.read_bytes() == LARGE and told["checksum"] == "1220" + hashlib.sha256(LARGE).hexdigest()
    assert told["resumed"] + told["bytes_in"] == len(LARGE) and told["resumed"] > 4_000_000
    assert web.gets("large.nc")[1] == f"GET /large.nc bytes={told['resumed']}-"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.nc", "web"]


@pytest.mark.parametrize("how", ["no ranges", "no tags", "another version", "another file"])
def test_what_cannot_go_on_begins_anew(web: Web, tmp_path: Path, how: str) -> None:
    """Without ranges, without a tag, or where the half is of something else, all of it is fetched."""
    content, target = LARGE, tmp_path / "large.nc"
    web.ranges, web.etags = how != "no ranges", how != "no tags"
    web.faults["/large.nc"] = ["cut"]
    with pytest.raises(Exception):  # noqa: B017 - whatever the client calls it
        copy.stage(f"{web.url}/large.nc", str(target))
    if how == "another version":
        content = LARGE[::-1]
        (web.folder / "large.nc").write_bytes(content)
    name = "other.nc" if how == "another file" else "large.nc"
    if how == "another file":  # of the same length and time
        content = LARGE[::-1]
        (web.folder / "other.nc").write_bytes(content)
        time = (web.folder / "large.nc").stat().st_mtime_ns
        os.utime(web.folder / "other.nc", ns=(time, time))
    told = copy.stage(f"{web.url}/{name}", str(target))
    assert target.read_bytes() == content and "resumed" not in told and told["bytes_in"] == len(content)


@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("kind", ["http", "file", "grows"])
def test_a_file_that_changes_meanwhile_is_refused(web: Web, tmp_path: Path, kind: str, etags: bool) -> None:
    """Size or tag are another at the end than at the beginning: nothing appears, and trying again makes no sense."""
    file, target, web.etags = web.folder / "large.nc", tmp_path / "large.nc", etags
    change = lambda: file.write_bytes(LARGE + b"more" * (kind == "grows" or not etags))  # noqa: E731
    web.faults["/large.nc"] = [change]
    source = f"{web.url}/large.nc"
    if kind == "file":
        source = str(file)
        original, count = copy.Path.open, 0

        def opened(path: Path, *arguments: Any, **how: Any) -> Any:  # noqa: ANN401 - as pathlib has it
            nonlocal count
            count += path == file
            stream = original(path, *arguments, **how)
            return _Growing(stream, file) if path == file else stream

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(copy.Path, "open", opened)
            with pytest.raises(InputError, match=r"changed while it was copied, from 9,437,187 bytes to 9,437,19"):
                copy.stage(source, str(target))
    else:
        with pytest.raises(InputError, match="changed while it was copied") as raised:
            copy.stage(source, str(target))
        assert causes.cause(raised.value) == causes.PERMANENT
    left = {path.name for path in tmp_path.iterdir()} - {"web"}
    assert left <= {target.name if not etags or kind == "file" else ""}  # the engine's scratch, which it throws away


class _Growing:
    """A stream of a file to which another program appends while it is read."""

    def __init__(self, stream: Any, file: Path) -> None:  # noqa: ANN401 - a stream
        self._stream, self._file = stream, file

    def read(self, count: int) -> bytes:
        if self._stream.tell() == 1 << 22:
            with self._file.open("ab") as other:
                other.write(b"four")
        return bytes(self._stream.read(count))

    def __enter__(self) -> _Growing:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of the stream
        return getattr(self._stream, name)


def test_what_the_catalog_says_is_compared(web: Web, everywhere: Places) -> None:
    """Another size is refused before a byte is read, another checksum at the end; on no place does it appear."""
    sha1 = "1114" + hashlib.sha1(LARGE).hexdigest()
    assert copy.stage(f"{web.url}/large.nc", everywhere.url("file", "a"), checksum=sha1)["checksum"] == sha1
    for kind in KINDS[1:]:
        target = everywhere.url(kind, "wrong.nc")
        with pytest.raises(InputError, match=r"has 9,437,187 bytes, and the catalog says 5\."):
            copy.stage(f"{web.url}/large.nc", target, filesize=5)
        with pytest.raises(InputError, match="its sha1 is another"):
            copy.stage(f"{web.url}/large.nc", target, checksum="1114" + "00" * 20)
        fs, path = storage.filesystem(target)
        assert not fs.exists(path)
    assert not [path for path in everywhere.dcache.folder.rglob("*") if path.is_file()]
    uploads = everywhere.s3.client.list_multipart_uploads(Bucket=everywhere.roots["s3"].removeprefix("s3://"))
    assert "Uploads" not in uploads


def test_no_server_gets_the_whole_of_a_wrong_file() -> None:
    """The last chunk is let go only when the comparison at the end is over."""

    def chunks() -> Iterator[bytes]:
        yield b"first"
        yield b"last"
        raise InputError("it is another")

    sent = []
    with pytest.raises(InputError):
        for chunk in copy._held_back(chunks()):
            sent.append(chunk)
    assert sent == [b"first"]


@pytest.mark.parametrize(
    ("status", "how", "words"),
    [("403", "permanent", "denies it"), ("404", "permanent", "is not there"), ("500", "transient", "500"),
     ("503", "transient", "503"), ("407", "permanent", "proxy asks for a login")],
)  # fmt: skip
def test_what_a_server_refuses_is_said(web: Web, tmp_path: Path, status: str, how: str, words: str) -> None:
    """With the URL; what may pass is tried again."""
    web.faults["/large.nc"] = [status]
    with pytest.raises(Exception, match=words) as raised:
        copy.stage(f"{web.url}/large.nc", str(tmp_path / "large.nc"))
    assert causes.cause(raised.value) == how and "/large.nc" in str(raised.value)


def test_a_login_comes_from_netrc(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one the message says what to write there; with one the file is fetched."""
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    web.login = True
    with pytest.raises(InputError, match=r"127\.0\.0\.1 asks for a login") as raised:
        copy.stage(f"{web.url}/large.nc", str(tmp_path / "large.nc"))
    assert "~/.netrc: machine 127.0.0.1 login NAME password PASSWORD" in raised.value.hint
    netrc.write_text(f"machine 127.0.0.1 login {NAME} password {PASSWORD}\n")
    netrc.chmod(0o600)
    assert copy.stage(f"{web.url}/large.nc", str(tmp_path / "large.nc"))["size"] == len(LARGE)


@pytest.mark.parametrize("place", ["file", "webdav"])
def test_a_login_page_is_no_data(web: Web, everywhere: Places, place: str) -> None:
    """A redirect to a page with a form: the message says where a login goes, nothing appears; a page may be a page."""
    (web.folder / "login.html").write_text("<html><form>Name, password</form></html>")
    (web.folder / "page").mkdir()
    login = f"{web.url.replace('127.0.0.1', 'localhost')}/login.html"
    web.faults["/large.nc"] = [login]
    target = everywhere.url(place, "in/large.nc")
    (everywhere.folder / "in").mkdir()
    with pytest.raises(InputError, match=r"localhost sends a web page instead of .*large\.nc") as raised:
        copy.stage(f"{web.url}/large.nc", target, media="application/netcdf")
    assert "~/.netrc: machine localhost login NAME" in raised.value.hint
    assert causes.cause(raised.value) == causes.PERMANENT
    assert not [path for path in everywhere.folder.rglob("*") if path.is_file()]
    assert not [path for path in everywhere.dav.folder.rglob("*") if path.is_file()]
    for media in ("text/html", ""):
        assert copy.stage(f"{web.url}/login.html", everywhere.url(place, "in/page.html"), media=media)["size"] > 9


def test_a_door_without_a_login_names_the_variable(everywhere: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """WebDAV and dCache, read and written, and a dCache that nobody said where it is."""
    source = everywhere.put("http", "a.nc", b"small")
    configure(monkeypatch, {"webdav": {"base_url": everywhere.dav.base}, "dcache": {}}, {})
    for kind, words in (("webdav", "FSSPEC_WEBDAV_AUTH=NAME:PASSWORD"), ("dcache", "FSSPEC_DCACHE_API_URL")):
        there = everywhere.url(kind, "b.nc")
        for pair in ((source, there), (there, str(everywhere.folder / "b"))):
            with pytest.raises(InputError) as raised:
                copy.stage(*pair)
            assert words in raised.value.hint and raised.value.message.startswith(there)
    known = {"api_url": f"{everywhere.dcache.base}/api/v1", "webdav_url": everywhere.dcache.base, "token": "old"}
    configure(monkeypatch, {"dcache": known}, {})
    with pytest.raises(InputError, match="the token has expired") as raised:
        copy.stage(source, everywhere.url("dcache", "b.nc"))
    assert "FSSPEC_DCACHE_TOKEN" in raised.value.hint


def test_keys_of_s3_that_are_missing_or_wrong_are_named() -> None:
    """By what the server says and by what the client says, through whatever they were wrapped in."""
    from botocore.exceptions import ClientError, NoCredentialsError

    def answer(code: str, status: int) -> OSError:
        said = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        try:
            raise PermissionError("denied") from ClientError(said, "GetObject")
        except PermissionError as error:
            return error

    for error, words, variable in (
        (answer("ExpiredToken", 400), "expired", "AWS_SESSION_TOKEN"),
        (answer("InvalidAccessKeyId", 403), "does not know these keys", "AWS_ACCESS_KEY_ID"),
        (answer("AccessDenied", 403), "denies it", "AWS_ACCESS_KEY_ID"),
        (answer("PermanentRedirect", 301), "another region", "AWS_DEFAULT_REGION"),
        (answer("NoSuchBucket", 404), "no such bucket", "AWS_ENDPOINT_URL"),
        (NoCredentialsError(), "no keys", "AWS_PROFILE"),
    ):
        known = doors.trouble(error, "s3://bucket/key")
        assert known and words in known[0] and variable in known[1]
    assert doors.trouble(answer("NoSuchKey", 404), "s3://bucket/key") is None
    assert doors.trouble(OSError(errno.ENOENT, "no"), "/file") is None


def test_no_room_is_no_room_on_a_disk_and_on_a_server(web: Web, everywhere: Places, tmp_path: Path) -> None:
    """A full file system, one that is full before its size is known, and HTTP 507; nothing half-written stays."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", disk], check=False).returncode:
        pytest.skip("no file system of our own: not root")
    try:
        for known in (True, False):
            with pytest.MonkeyPatch.context() as patch:
                if not known:
                    patch.setattr(copy, "_refuse_full", lambda *_: None)
                with pytest.raises(OSError, match="no room for") as raised:
                    copy.stage(f"{web.url}/large.nc", str(disk / "large.nc"))
            assert causes.cause(raised.value) == causes.FULL and str(disk) in str(raised.value)
            assert list(disk.glob(".half-*")) == [] and not (disk / "large.nc").exists()
    finally:
        subprocess.run(["umount", disk], check=True)
    everywhere.dav.full = True
    with pytest.raises(OSError, match="no room for") as raised:
        copy.stage(f"{web.url}/large.nc", everywhere.url("webdav", "large.nc"))
    assert causes.cause(raised.value) == causes.FULL and everywhere.dav.url in str(raised.value)


def test_large_objects_go_to_s3_in_parts(web: Web, everywhere: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is seen before the last part; what a killed run began is aborted by the next."""
    monkeypatch.setattr(places, "PART", 5 << 20)
    bucket = everywhere.roots["s3"].removeprefix("s3://")
    target = everywhere.url("s3", "deep/large.nc")
    larger = LARGE * 3
    (web.folder / "large.nc").write_bytes(larger)
    web.faults["/large.nc"] = ["lie"]
    with pytest.raises(Exception):  # noqa: B017 - whatever the client calls it
        copy.stage(f"{web.url}/large.nc", target)
    assert "Uploads" not in everywhere.s3.client.list_multipart_uploads(Bucket=bucket)
    assert "Contents" not in everywhere.s3.client.list_objects_v2(Bucket=bucket)
    assert copy.stage(f"{web.url}/large.nc", target)["size"] == len(larger)
    assert everywhere.read("s3", "deep/large.nc") == larger
    assert everywhere.s3.client.head_object(Bucket=bucket, Key="deep/large.nc")["ETag"].endswith('-4"')
    everywhere.s3.client.create_multipart_upload(Bucket=bucket, Key="deep/killed.nc")
    everywhere.s3.client.create_multipart_upload(Bucket=bucket, Key="other/killed.nc")
    places.abort_uploads(everywhere.url("s3", "deep"))
    left = everywhere.s3.client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["other/killed.nc"]


def test_webdav_urls_are_https_unless_something_else_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A login goes to the host it is for and to no other; ~/.netrc serves WebDAV too."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine b.org login carl password dark\n")
    (tmp_path / ".netrc").chmod(0o600)
    configure(monkeypatch, {"webdav": {"base_url": "http://a.org:81/", "auth": ["anna", "secret"]}}, {})
    found = {}
    for url in ("webdav://a.org:81/x/y.nc", "webdav://b.org/x", "davs://c.org/x", "dav://d.org/x"):
        fs, path = storage.filesystem(url)
        found[url] = (str(fs.client.base_url), path, getattr(fs.client.http.auth, "_auth_header", None))
        assert fs.unstrip_protocol(path) == url
    assert [base for base, _, _ in found.values()] == [
        "http://a.org:81",
        "https://b.org",
        "https://c.org",
        "http://d.org",
    ]
    assert [path for _, path, _ in found.values()] == ["/x/y.nc", "/x", "/x", "/x"]
    assert [bool(auth) for _, _, auth in found.values()] == [True, True, False, False]
