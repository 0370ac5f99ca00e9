"""``sweep data`` as a shell sees it."""

import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    """An archive of three images on a local server: (url, sha256)."""
    import zipfile

    site = tmp_path / "site"
    site.mkdir()
    with zipfile.ZipFile(site / "mine.zip", "w") as archive:
        for i in range(3):
            Image.fromarray(np.full((30, 30 + i, 3), 50 * i, np.uint8)).save(site / "x.png")
            archive.write(site / "x.png", f"mine/{i}.png")
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/mine.zip", hashlib.sha256((site / "mine.zip").read_bytes()).hexdigest()
    http.shutdown()
    http.server_close()


def test_fetch_then_check_tells_what_came(tmp_path, sweep, served):
    url, sha256 = served
    root = ("--data-root", tmp_path / "data")
    status, out, _ = sweep("data", "fetch", "Set5", "--url", url, "--sha256", sha256, *root)
    assert status == 0 and "Set5: 3 images" in out and sha256 in out
    assert sweep("data", "fetch", "Set5", "--url", url, "--sha256", sha256, *root)[1].startswith("Set5: already in")
    status, out, _ = sweep("data", "check", *root, "--json")
    (row,) = json.loads(out)
    assert status == 0
    assert (row["name"], row["images"], row["role"], row["skipped"], row["error"]) == ("Set5", 3, "test", [], None)
    assert len(row["digest"]) == 16 and row["largest"] == [32, 30]


def test_a_registry_can_be_named_by_the_environment(tmp_path, sweep, served, monkeypatch):
    url, sha256 = served
    (tmp_path / "mine.yaml").write_text(f"mine:\n  url: {url}\n  sha256: {sha256}\n")
    monkeypatch.setenv("EDGE_SWEEP_DATASETS", str(tmp_path / "mine.yaml"))
    assert sweep("data", "fetch", "mine", "--data-root", tmp_path / "data")[0] == 0
    assert "mine" in sweep("data", "sources")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("fetch", "Set99"), "no image set 'Set99' is known"),
        (("fetch", "Set5"), "--sha256 HEX, or --no-verify"),
        (("fetch", "Set5", "Set14", "--url", "http://127.0.0.1/x"), "one NAME at a time"),
        (("fetch", "Set5", "--url", "file:///etc/passwd", "--no-verify"), "not an http(s) URL"),
        (("fetch", "../up", "--url", "http://127.0.0.1/x", "--no-verify"), "cannot be the name"),
        (("fetch", "Set5", "--sha256", "abc"), "64 hex digits"),
        (("fetch", "Set5", "--registry", "gone.yaml"), "cannot read the list"),
        (("check", "--data-root", "gone"), "there is no data folder"),
        (("check", "--data-root", "."), "sweep data fetch NAME"),
    ],
)
def test_bad_input_is_refused_with_one_line_and_status_two(tmp_path, sweep, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    status, out, err = sweep("data", *arguments)
    assert status == 2 and out == "" and says in err and err.startswith("sweep: ") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_check_of_the_embedded_sets_needs_no_data_root(sweep):
    status, out, _ = sweep("data", "check", "--json")
    assert status == 0 and [row["name"] for row in json.loads(out)] == ["embedded-train", "embedded-test"]


def test_check_names_unusable_files_and_strict_makes_them_count(tmp_path, sweep):
    (tmp_path / "Set5").mkdir()
    Image.new("RGB", (30, 30)).save(tmp_path / "Set5" / "a.png")
    (tmp_path / "Set5" / "b.png").write_bytes(b"broken")
    status, out, _ = sweep("data", "check", "--data-root", tmp_path)
    assert status == 0 and "left out: Set5/b.png: not an image" in out
    assert sweep("data", "check", "--data-root", tmp_path, "--strict")[0] == 1


def test_check_of_a_set_that_is_not_there_gives_status_one(tmp_path, sweep):
    (tmp_path / "Set5").mkdir()
    Image.new("RGB", (30, 30)).save(tmp_path / "Set5" / "a.png")
    status, out, _ = sweep("data", "check", "Set6", "--data-root", tmp_path, "--json")
    assert status == 1 and "no image set 'Set6'" in json.loads(out)[0]["error"]
