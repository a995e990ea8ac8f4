import base64
import io
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from anyseek.errors import ConfigError, DecodeError, InputError, LimitError, RefusedError, SourceError
from anyseek.media import Blob, MediaOptions, open_source

OPTIONS = MediaOptions()
SERVED = MediaOptions.served()


def test_paths_and_file_addresses(tmp_path: Path) -> None:
    path = tmp_path / "a b%20c #1?ü.bin"
    path.write_bytes(b"hello")
    addresses = [path.as_uri(), "FILE://localhost" + quote(str(path)), "file:" + quote(str(path)), f"file://{path}"]
    for source in (path, str(path), *addresses):
        blob = open_source(source, OPTIONS)
        assert (blob.path, blob.size, blob.head(2), blob.read()) == (path, 5, b"he", b"hello")
        with blob.open() as file:
            assert file.read() == b"hello"
    assert open_source(blob, OPTIONS) is blob


def test_bytes(tmp_path: Path) -> None:
    for source in (b"hello", bytearray(b"hello"), memoryview(b"hello")):
        blob = open_source(source, OPTIONS)
        assert (blob.name, blob.size, blob.head(3), blob.open().read(), blob.path) == (
            "<5 bytes>",
            5,
            b"hel",
            b"hello",
            None,
        )


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("data:image/png;base64," + base64.b64encode(b"hello!").decode(), b"hello!"),
        ("DATA:;BASE64,aGVsbG8", b"hello"),
        ("data:image/png;charset=x;base64,aGVs\n bG8=", b"hello"),
        ("data:;base64,aGVsbG8%3D", b"hello"),
        ("data:;base64,-_-_", base64.b64decode("+/+/")),
        ("data:,a%20b%ff", b"a b\xff"),
        ("data:text/plain,plain, words", b"plain, words"),
    ],
)
def test_data_uris(uri: str, expected: bytes) -> None:
    assert open_source(uri, SERVED).read() == expected


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("data:image/png;base64,a?b=", DecodeError, "base64 of this data URI is broken"),
        ("data:image/png;base64,äöü", DecodeError, "base64 of this data URI is broken"),
        ("data:image/png;base64,abcde", DecodeError, "base64 of this data URI is broken"),
        ("data:image/png;base64", DecodeError, "needs a comma"),
        ("data:image/png;base64,", DecodeError, "empty|0 bytes"),
        ("data:,", DecodeError, "empty"),
        ("data:,\ud800", DecodeError, "half a character"),
        ("data:;base64,%\ud800", DecodeError, "base64 of this data URI is broken"),
        ("data:\ud800", DecodeError, "needs a comma"),
    ],
)
def test_broken_data_uris(uri: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_source(uri, OPTIONS)


def test_a_large_data_uri_is_refused_before_decoding_and_named_shortly() -> None:
    small = MediaOptions(max_download_bytes=1000)
    assert open_source("data:;base64," + base64.b64encode(bytes(1000)).decode(), small).size == 1000
    for uri in ("data:image/png;base64," + "A" * 5_000_000, "data:," + "a" * 5_000_000):
        with pytest.raises(LimitError, match="max_download_bytes") as caught:
            open_source(uri, small)
        assert len(str(caught.value)) < 300


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for source, error, message in (
        (tmp_path / "none.jpg", SourceError, "cannot read .*none.jpg: No such file"),
        (tmp_path, SourceError, "is a folder"),
        (tmp_path / "empty" / "x", SourceError, "Not a directory"),
        (tmp_path / "empty", DecodeError, r"empty \(0 bytes\)"),
        (tmp_path / "loop", SourceError, "cannot read"),
        (tmp_path / "pipe", SourceError, "not a regular file"),
        ("/dev/zero", SourceError, "not a regular file"),
        ("", SourceError, "is not a path"),
        ("a\0b", SourceError, "is not a path"),
        ("a\ud800b", SourceError, "half a character"),
        ("file:///a\ud800b", SourceError, "half a character"),
        ("x" * 5000, SourceError, "cannot read"),
        (b"", DecodeError, "empty"),
        ("file:///no/such", SourceError, "cannot read /no/such"),
        ("file://server/share", RefusedError, "another machine"),
        ("ftp://host/a", RefusedError, "ftp:// addresses are not loaded"),
        ("s3://bucket/a", RefusedError, "s3://"),
    ):
        with pytest.raises(error, match=message) as caught:
            open_source(source, OPTIONS)
        assert len(str(caught.value)) < 300
        assert isinstance(caught.value, InputError)
    for value in (None, 3, io.BytesIO(b"x"), ["a"]):
        with pytest.raises(InputError, match=f"cannot load {type(value).__name__}"):
            open_source(value, OPTIONS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "locked"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(SourceError, match="Permission denied"):
        open_source(path, OPTIONS).head()


def test_a_drive_that_fails_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(5, "Input/output error")

    path = tmp_path / "a"
    path.write_bytes(b"x")
    blob = open_source(path, OPTIONS)
    monkeypatch.setattr(Path, "open", lambda *_: Failing())
    for read in (blob.head, blob.read):
        with pytest.raises(SourceError, match="a: Input/output error"):
            read()


def test_a_file_that_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    blob = open_source(path, OPTIONS)
    path.unlink()
    with pytest.raises(SourceError, match="cannot read"):
        blob.head()


def test_size_limits(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(11))
    for source in (path, bytes(11)):
        assert open_source(source, MediaOptions(max_bytes=11)).size == 11
        with pytest.raises(LimitError, match=r"has 11 bytes, more than 10; raise MediaOptions.max_bytes"):
            open_source(source, MediaOptions(max_bytes=10))


def test_root_holds_after_links(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
        (folder / "a").write_bytes(b"x")
    (root / "out").symlink_to(outside / "a")
    (root / "folder").symlink_to(outside)
    (root / "in").symlink_to(root / "a")
    (tmp_path / "alias").symlink_to(root)
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "a").write_bytes(b"x")
    for options in (MediaOptions(root=root), MediaOptions.served(root=root), MediaOptions(root=tmp_path / "alias")):
        for path in (root / "a", root / "in", tmp_path / "alias" / "a", root / "folder" / ".." / "root" / "a"):
            assert open_source(path, options).read() == b"x"
        for path in (
            root / "out",
            root / "folder" / "a",
            root / ".." / "outside" / "a",
            outside / "a",
            tmp_path / "root2" / "a",
            "/etc/passwd",
            "/no/such/file",  # refused, not missing: nobody learns what exists outside
            "file:///etc/passwd",
            (outside / "a").as_uri().replace("outside", "%6futside"),
        ):
            with pytest.raises(RefusedError, match="outside the allowed folder"):
                open_source(path, options)


def test_served_requests_get_no_paths_and_no_addresses(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    for source in (tmp_path / "a", str(tmp_path / "a"), (tmp_path / "a").as_uri(), "/no/such"):
        with pytest.raises(RefusedError, match="paths are not allowed here"):
            open_source(source, SERVED)
    with pytest.raises(RefusedError, match="addresses are not fetched here"):
        open_source("http://example.org/a.jpg", SERVED)
    assert open_source(b"x", SERVED).size == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_bytes": 0},
        {"max_pages": -1},
        {"timeout_seconds": 0.0},
        {"max_redirects": -1},
        {"urls": 1},
        {"root": "/tmp"},
        {"max_seconds": float("nan")},
    ],
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MediaOptions(**wrong)


def test_options_are_frozen_and_blobs_too() -> None:
    assert MediaOptions(max_redirects=0).max_redirects == 0
    with pytest.raises(AttributeError):
        OPTIONS.urls = False  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Blob("a", 1, data=b"x").size = 2  # type: ignore[misc]
