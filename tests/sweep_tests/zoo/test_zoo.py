"""A finished sweep goes into a folder and comes back as a database that every command takes."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree
from threading import Thread

import pandas as pd
import pytest
from safetensors import safe_open

from results_db.reading import frames
from results_db.store import Store
from search_space import parse_id
from search_space.errors import BadData, SweepError
from search_space.facts import CudaState, Provenance, Speed
from search_space.weights import load as load_weights
from sweep.zoo import document, weights
from sweep.zoo.document import FACTS, MANIFEST
from sweep.zoo.export import export, gather
from sweep.zoo.load import load_into, read
from tests.sweep_tests.kit import driver, planned

SPEED = Speed(
    "eSR-MAX_s2_K3_C1", "a-device", "eager", "fp32", "fullhd14", 42.5, 1 / 42.5, runs=14, detail={"threads": 2}
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store.open(str(tmp_path_factory.mktemp("made") / "s.db")) as made:
        driver(made, planned(made, count=3)).run()
        made.add_speeds([SPEED])
        yield made


@pytest.fixture(scope="module")
def zoo(store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "zoo"
    export(store, store.sweeps()[0].id, folder)
    return folder


@pytest.fixture
def back(tmp_path):
    with Store.open(str(tmp_path / "zoo.db")) as opened:
        yield opened


def test_what_comes_back_is_what_was_there(store, zoo, back):
    loaded = load_into(back, zoo)
    assert (loaded.networks, loaded.new, loaded.speeds) == (3, 3, 1)
    before, after = (frames.results(one).drop(columns=["trial", "finished_at"]) for one in (store, back))
    pd.testing.assert_frame_equal(before, after)
    for was, now in zip(store.trials(), back.trials(), strict=True):
        assert now.key == was.key
        assert back.artifact(now.id) == store.artifact(was.id)
    (was,), (now,) = store.sweeps(), back.sweeps()
    assert (now.name, now.space, now.recipe_json, now.git) == (was.name, was.space, was.recipe_json, was.git)
    same = [[row._mapping["per_image"] for row in images(one)] for one in (store, back)]
    assert same[0] == same[1] and same[0]


def test_what_a_training_on_a_gpu_was_allowed_to_round_comes_back(store):
    cuda = CudaState("580.65.06", "13.0", "9.1", False, True, False)
    made = gather(store, 1)
    key, done = made.trials[0]
    trained = replace(done, provenance=Provenance(("kernels/1",), "a card", "fp32", "2.13.0", cuda))
    networks = {document.label(key): done.artifacts[0].data}
    back = document.from_bytes(document.to_bytes(replace(made, trials=[(key, trained)])), networks, 2**24)
    assert back.trials[0][1].provenance == trained.provenance


def images(store: Store):
    from sqlalchemy import select

    from results_db.schema import quality_image

    return store.database.read(lambda c: c.execute(select(quality_image).order_by(quality_image.c.trial_id)).all())


def test_a_second_import_changes_nothing(zoo, back):
    load_into(back, zoo)
    again = load_into(back, zoo)
    assert (again.networks, again.new, again.speeds) == (3, 0, 0)


def test_a_zoo_of_a_zoo_has_the_same_facts(store, zoo, back, tmp_path):
    load_into(back, zoo)
    export(back, 1, tmp_path / "again")
    assert (zoo / FACTS).read_bytes() == (tmp_path / "again" / FACTS).read_bytes()
    packed = [(folder / "weights" / "eSR-MAX_s2.safetensors").read_bytes() for folder in (zoo, tmp_path / "again")]
    assert weights.unpack(packed[0], "") == weights.unpack(packed[1], "")


def test_weights_can_be_read_without_us(store, zoo):
    with safe_open(zoo / "weights" / "eSR-MAX_s2.safetensors", "pt") as file:
        assert file.metadata()["format"] == "pt"
        models = json.loads(file.metadata()["models"])
        names = {name.partition("/")[0] for name in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
    assert set(models) == names == {key.config for key, _ in gather(store, 1).trials}
    for key, done in gather(store, 1).trials:
        measured = {f"{one.metric}:{one.dataset}": one.value for one in done.quality}
        assert measured and models[key.config] == {"id": key.config, "scale": 2, **measured}


def test_networks_leave_a_packed_file_byte_for_byte(store):
    networks = {document.label(key): done.artifacts[0].data for key, done in gather(store, 1).trials}
    assert weights.unpack(weights.pack(networks, {}), "a file") == networks
    for label, data in networks.items():
        load_weights(parse_id(label), data)


def test_the_card_tells_how_to_use_it(zoo):
    card = (zoo / "README.md").read_text()
    assert card.startswith("# ") and "3 trained super-resolution networks" in card
    for word in ("sweep zoo import", "Apache-2.0", "pareto.png", "eSR-MAX", "time of training"):
        assert word in card
    assert (zoo / "pareto.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(zoo / "results.csv")) == len(pd.read_parquet(zoo / "results.parquet")) == 3


def test_a_folder_with_files_is_not_written_into_unless_told(store, zoo, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SweepError, match="not empty"):
        export(store, 1, tmp_path)
    export(store, 1, tmp_path, force=True)
    assert (tmp_path / "mine.txt").read_text() == "mine" and read(tmp_path).planned == 3


def turned_round(packed: bytes) -> bytes:
    """The same file with the entries of its metadata in the other order."""
    end = 8 + int.from_bytes(packed[:8], "little")
    header = json.loads(packed[8:end])
    header["__metadata__"] = dict(reversed(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(end - 8)
    return packed[:8] + text + packed[end:]


def test_an_export_into_its_own_folder_changes_no_weights_and_adds_speeds(zoo, back, tmp_path, monkeypatch):
    """safetensors writes the metadata of a file in any order: here in the other one, with the same content."""
    copytree(zoo, tmp_path / "zoo")
    load_into(back, zoo)
    back.add_speeds([replace(SPEED, device="another")])
    before = {path.name: path.read_bytes() for path in (tmp_path / "zoo" / "weights").iterdir()}
    assert len(before) == 1
    changed = [turned_round(data) for data in before.values()]
    assert changed != list(before.values()) and all(map(weights.same, changed, before.values()))
    monkeypatch.setattr(weights, "pack", lambda *asked: changed[0])
    export(back, 1, tmp_path / "zoo", force=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "zoo" / "weights").iterdir()} == before
    assert (tmp_path / "zoo" / FACTS).read_bytes() != (zoo / FACTS).read_bytes()
    assert {speed.device for speed in read(tmp_path / "zoo").speeds} == {"a-device", "another"}


def test_other_weights_replace_those_of_an_earlier_zoo(store, zoo, tmp_path):
    copytree(zoo, tmp_path / "zoo")
    file = tmp_path / "zoo" / "weights" / "eSR-MAX_s2.safetensors"
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    export(store, 1, tmp_path / "zoo", force=True)
    assert weights.same(file.read_bytes(), kept)


def test_notes_beside_a_zoo_become_part_of_its_card_and_travel_with_it(store, tmp_path):
    (tmp_path / "notes.md").write_text("## Notes\n\nTrained twice.\n")
    export(store, 1, tmp_path, force=True)
    card = (tmp_path / "README.md").read_text()
    assert "## How they were made" in card and card.index("Trained twice.") < card.index("## Quality")
    assert "notes.md" in json.loads((tmp_path / MANIFEST).read_text())["files"]
    assert read(tmp_path).planned == 3


def spoilt(zoo: Path, folder: Path, name: str, change) -> Path:
    copytree(zoo, folder)
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    return folder


@pytest.mark.parametrize("name", [FACTS, "weights/eSR-MAX_s2.safetensors", "results.csv"])
def test_a_changed_file_is_refused_and_nothing_is_kept(zoo, back, tmp_path, name):
    bad = spoilt(zoo, tmp_path / "bad", name, lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    with pytest.raises(BadData, match="another SHA-256"):
        load_into(back, bad)
    assert back.sweeps() == []


def test_a_cut_file_and_a_missing_one_are_refused(zoo, tmp_path):
    with pytest.raises(BadData, match="bytes, its manifest says"):
        read(spoilt(zoo, tmp_path / "cut", FACTS, lambda data: data[:-1]))
    bad = spoilt(zoo, tmp_path / "gone", FACTS, lambda data: data)
    (bad / FACTS).unlink()
    with pytest.raises(BadData, match="cannot be read"):
        read(bad)
    with pytest.raises(BadData, match="is no zoo"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "weights\\x", "http://elsewhere/x"])
def test_a_manifest_that_leaves_its_folder_is_refused(zoo, tmp_path, name):
    def point_outside(data: bytes) -> bytes:
        found = json.loads(data)
        found["files"][name] = {"sha256": "0", "bytes": 1}
        return json.dumps(found).encode()

    with pytest.raises(BadData, match="outside of its folder"):
        read(spoilt(zoo, tmp_path / "bad", MANIFEST, point_outside))


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"null", b'{"format": 1, "files": 3}', b'{"format": "x", "files": {}}']
)
def test_junk_for_a_manifest_is_one_clear_error(tmp_path, text):
    (tmp_path / MANIFEST).write_bytes(text)
    with pytest.raises(BadData):
        read(tmp_path)


def test_a_newer_format_is_named(zoo, tmp_path):
    newer = spoilt(zoo, tmp_path / "new", MANIFEST, lambda data: data.replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(BadData, match="newer than this version reads"):
        read(newer)


@pytest.mark.parametrize("text", [b"", b"[1]", b"{}" * 9])
def test_junk_for_facts_is_one_clear_error(text):
    for data in (text, gzip.compress(text)):
        with pytest.raises(BadData, match="damaged"):
            document.from_bytes(data, {}, 2**20)


def test_facts_that_unpack_without_end_are_refused():
    with pytest.raises(BadData, match="unpack to more than"):
        document.from_bytes(gzip.compress(b" " * 2**21), {}, 2**20)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def served(zoo, tmp_path):
    site = tmp_path / "site"
    copytree(zoo, site)
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}", site
    http.shutdown()
    http.server_close()


def test_a_zoo_on_the_web_is_fetched_and_checked(served, back):
    address, site = served
    (site / "results.csv").write_text("changed")
    with pytest.raises(BadData, match="another SHA-256"):
        load_into(back, address)
    (site / "results.csv").unlink()
    with pytest.raises(BadData, match="cannot be read"):
        load_into(back, address)
    assert back.sweeps() == []


def test_a_zoo_on_the_web_is_taken(served, back):
    assert load_into(back, served[0]).new == 3


def test_a_network_from_a_zoo_is_used_as_one_that_was_trained_here(zoo, tmp_path, sweep):
    db = tmp_path / "zoo.db"
    assert sweep("zoo", "import", zoo, "--db", db)[0] == 0
    status, out, _ = sweep("best", "--db", db, "--scale", 2, "--min-fps", 40)
    assert status == 0 and SPEED.config in out
    assert (
        sweep("export", SPEED.config, "--db", db, "--format", "safetensors", "--out", tmp_path / "m.safetensors")[0]
        == 0
    )
    load_weights(parse_id(SPEED.config), tmp_path / "m.safetensors")


def test_the_command_writes_a_zoo_and_says_how_to_take_it_back(store, tmp_path, sweep):
    status, out, _ = sweep("zoo", "export", "--db", store.url, "-o", tmp_path / "z", "--json")
    told = json.loads(out)
    assert status == 0 and (told["networks"], told["planned"]) == (3, 3)
    assert told["bytes"] == sum(path.stat().st_size for path in (tmp_path / "z").rglob("*") if path.is_file())
    assert sweep("zoo", "export", "--db", store.url, "-o", tmp_path / "z")[0] == 2
