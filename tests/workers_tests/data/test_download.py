"""Fetching from a real HTTP server on this machine: checked, resumed, unpacked safely, all or nothing."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from search_space.errors import BadData
from workers.data.download import DOWNLOADS, fetch
from workers.data.image_set import read_folder
from workers.data.sources import ImageSetSource, read_sources


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 30, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


GOOD = zipped({"Set3/a.png": png(1), "Set3/b.png": png(2), "Set3/c.png": png(3), "Set3/notes.txt": b"x"})


class Server:
    """Serves ``files``; breaks a connection after ``break_after`` bytes; notes the ranges asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/set3.zip": GOOD}
        self.break_after: int | None = None
        self.ranges: list[str | None] = []
        self.etags = True
        self.encoding: str | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        data = self.files.get(request.path)
        if data is None:
            request.send_error(404)
            return
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        start = int(asked[6:].rstrip("-")) if asked and request.headers.get("If-Range") == etag else 0
        if start and start >= len(data):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        if self.encoding:
            request.send_header("Content-Encoding", self.encoding)
        if self.etags:
            request.send_header("ETag", etag)
        request.end_headers()
        request.wfile.write(data[start : self.break_after])


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def source(server):
    return ImageSetSource("Set3", server.url("/set3.zip"), hashlib.sha256(GOOD).hexdigest(), images=3)


def nothing_left(root) -> bool:
    return not [p for p in root.iterdir() if p.name != DOWNLOADS]


def test_a_good_archive_becomes_a_folder_of_images(tmp_path, source):
    seen = []
    got = fetch(source, tmp_path, progress=lambda have, total: seen.append((have, total)))
    assert got is not None and got.images == 3 and got.verified and got.sha256 == source.sha256
    assert sorted(p.name for p in (tmp_path / "Set3").iterdir()) == ["a.png", "b.png", "c.png"]
    assert read_folder(tmp_path / "Set3")[0].names == ("a.png", "b.png", "c.png")
    assert seen[-1] == (len(GOOD), len(GOOD))
    assert not list((tmp_path / DOWNLOADS).iterdir())


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
@pytest.mark.parametrize("broken", [False, True])
def test_an_archive_called_an_encoding_is_kept_as_it_comes(tmp_path, server, encoding, broken):
    archive = tarred(*((tarfile.TarInfo(f"Set3/{i}.png"), png(i)) for i in range(3)))
    server.files["/set3.tgz"], server.encoding = archive, encoding
    source = ImageSetSource("Set3", server.url("/set3.tgz"), hashlib.sha256(archive).hexdigest(), images=3)
    if broken:
        server.break_after = 1000
        with pytest.raises(BadData, match="run again to go on"):
            fetch(source, tmp_path)
        server.break_after = None
    got = fetch(source, tmp_path)
    assert got is not None and got.images == 3 and got.sha256 == source.sha256
    assert server.ranges[-1] == ("bytes=1000-" if broken else None)


def test_an_archive_packed_on_the_way_fits_the_checksum_of_what_is_inside(tmp_path, server):
    archive = tarred(*((tarfile.TarInfo(f"Set3/{i}.png"), png(i)) for i in range(3)), mode="w")
    server.files["/set3.tar"], server.encoding = gzip.compress(archive), "gzip"
    source = ImageSetSource("Set3", server.url("/set3.tar"), hashlib.sha256(archive).hexdigest(), images=3)
    got = fetch(source, tmp_path)
    assert got is not None and got.images == 3 and got.sha256 == source.sha256


def test_a_set_that_is_there_is_not_fetched_again(tmp_path, source, server):
    fetch(source, tmp_path)
    server.ranges.clear()
    assert fetch(source, tmp_path) is None
    assert server.ranges == []


def test_another_sha256_is_refused_and_leaves_nothing(tmp_path, source, server):
    with pytest.raises(BadData, match="another SHA-256"):
        fetch(replace(source, sha256="0" * 64), tmp_path)
    assert nothing_left(tmp_path) and not list((tmp_path / DOWNLOADS).iterdir())


def test_without_a_known_sha256_it_must_be_said_that_none_is_wanted(tmp_path, source, server):
    unknown = replace(source, sha256=None)
    with pytest.raises(BadData, match="give --sha256 HEX, or --no-verify"):
        fetch(unknown, tmp_path)
    assert server.ranges == []
    got = fetch(unknown, tmp_path, verify=False)
    assert got is not None and not got.verified and got.sha256 == source.sha256


def test_a_404_is_told_in_one_line(tmp_path, source, server):
    with pytest.raises(BadData, match=r"answered 404"):
        fetch(replace(source, url=server.url("/gone.zip")), tmp_path)
    assert nothing_left(tmp_path)


def test_a_server_that_is_not_there_is_told_in_one_line(tmp_path, source, server):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(BadData, match="cannot be reached") as caught:
        fetch(source, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_broken_download_goes_on_where_it_stopped(tmp_path, source, server, monkeypatch):
    monkeypatch.setattr("workers.data.download.CHUNK", 100)
    server.break_after = 1000
    with pytest.raises(BadData, match="run again to go on"):
        fetch(source, tmp_path)
    assert nothing_left(tmp_path)
    server.break_after = None
    got = fetch(source, tmp_path)
    assert got is not None and got.images == 3
    assert server.ranges == [None, "bytes=1000-"]


def test_a_file_that_changed_on_the_server_is_not_pieced_together(tmp_path, source, server):
    server.break_after = 1000
    with pytest.raises(BadData):
        fetch(replace(source, sha256=None), tmp_path, verify=False)
    server.break_after, server.files["/set3.zip"] = None, zipped({f"{i}.png": png(i + 7) for i in range(3)})
    got = fetch(replace(source, sha256=None), tmp_path, verify=False)
    assert got is not None and got.sha256 == hashlib.sha256(server.files["/set3.zip"]).hexdigest()


def test_without_proof_that_the_file_is_the_same_the_download_starts_over(tmp_path, source, server):
    server.etags, server.break_after = False, 1000
    with pytest.raises(BadData):
        fetch(source, tmp_path)
    server.break_after = None
    assert fetch(source, tmp_path) is not None
    assert server.ranges == [None, None]


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (zipped({"a.png": png(1), "../../evil.png": png(2)}), "leaves its folder"),
        (zipped({"a.png": png(1), "/etc/evil.png": png(2)}), "leaves its folder"),
        (zipped({"a.png": png(1), "..\\evil.png": png(2)}), "leaves its folder"),
        (zipped({"a.png": png(1), "C:evil.png": png(2)}), "leaves its folder"),
        (tarred((tarfile.TarInfo("../evil.png"), png(1))), "leaves its folder"),
        (tarred((link("a.png", "/etc/passwd"), b"")), "link"),
        (tarred((link("a.png", "/etc/passwd", tarfile.LNKTYPE), b"")), "link"),
        (zipped({"notes.txt": b"no image"}), "holds no image"),
        (zipped({"x/a.png": png(1), "y/A.png": png(2)}), "choose with --include"),
        (b"this is no archive", "neither a zip nor a tar"),
        (GOOD[: len(GOOD) // 2], "neither a zip nor a tar|damaged"),
        (zipped({"a.png": png(1)}), "should have 3 images, the archive has 1"),
    ],
    ids=[
        "up-out",
        "absolute",
        "backslash",
        "drive",
        "tar-up-out",
        "symlink",
        "hardlink",
        "no-image",
        "same-name",
        "no-archive",
        "cut-short",
        "too-few",
    ],  # an archive holds the time it was made: no name for a test
)
def test_an_unsafe_damaged_or_wrong_archive_is_refused_and_leaves_nothing(tmp_path, server, source, archive, says):
    server.files["/set3.zip"] = archive
    root = tmp_path / "deep" / "data"
    with pytest.raises(BadData, match=says):
        fetch(replace(source, sha256=hashlib.sha256(archive).hexdigest()), root)
    assert nothing_left(root)
    assert [p.name for p in tmp_path.iterdir()] == ["deep"] and [p.name for p in root.parent.iterdir()] == ["data"]


def test_a_damaged_entry_is_refused(tmp_path, server, source):
    broken = bytearray(GOOD)
    broken[200] ^= 255
    server.files["/set3.zip"] = bytes(broken)
    with pytest.raises(BadData, match="damaged"):
        fetch(replace(source, sha256=hashlib.sha256(broken).hexdigest()), tmp_path)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_archives_of_every_compression_are_unpacked(tmp_path, server, source, mode):
    server.files["/set3.zip"] = tarred(*((tarfile.TarInfo(f"HR/{i}.png"), png(i)) for i in range(3)), mode=mode)
    got = fetch(replace(source, sha256=None), tmp_path, verify=False)
    assert got is not None and got.images == 3


def test_include_takes_one_part_of_an_archive(tmp_path, server, source):
    server.files["/set3.zip"] = zipped({f"{part}/{i}.png": png(i) for part in ("HR", "LR") for i in range(3)})
    got = fetch(replace(source, sha256=None, include="*HR/*"), tmp_path, verify=False)
    assert got is not None and got.images == 3


def test_a_data_root_that_cannot_be_written_is_told(tmp_path, source):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadData, match="cannot write"):
        fetch(source, tmp_path / "file")


def test_the_built_in_list_names_the_promised_sets_and_invents_no_checksum():
    known = read_sources()
    assert set(known) == {"T91", "General100", "Set5", "Set14", "BSDS100", "Urban100", "DIV2K-valid"}
    assert [name for name, source in known.items() if source.sha256] == ["DIV2K-valid"]


def test_a_registry_file_adds_and_replaces_sets(tmp_path):
    (tmp_path / "mine.json").write_text('{"Set5": {"url": "http://x/y.zip"}, "mine": {"url": "https://x/z.zip"}}')
    known = read_sources(tmp_path / "mine.json")
    assert known["Set5"].url == "http://x/y.zip" and known["mine"].sha256 is None and "T91" in known


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "must map"),
        ("a: [", "not YAML or JSON"),
        ("a: {sha256: x}", "needs a url"),
        ("a: {url: 'ftp://x/y'}", "not an http"),
        ("a: {url: 'http://x/y', sha256: abc}", "64 hex digits"),
        ("a: {url: 'http://x/y', hash: abc}", "unknown key hash"),
        ("../a: {url: 'http://x/y'}", "cannot be the name"),
    ],
)
def test_a_bad_registry_is_refused_with_the_entry(tmp_path, text, says):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BadData, match=says):
        read_sources(tmp_path / "bad.yaml")
