"""Evaluating weights files: one, a folder, again with a store, and all that can be wrong with them."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from search_space import parse_id
from search_space.errors import BadData, BadWeights
from workers.quality import protocol
from workers.quality.evaluate_files import evaluate_files, find_weights, read_sets
from workers.training import weights

SHARED = Path(os.environ.get("EDGE_SWEEP_SHARED", Path(__file__).parents[4] / "shared"))
CONFIGS = ("eSR-MAX_s2_K3_C1", "ESPCN_s3_D0_S3", "eSR-TM_s2_K3_C2")


@pytest.fixture
def folder(tmp_path):
    """``models/`` with weights of three configs, ``SetA/`` and ``SetB/`` with two images each."""
    random = np.random.default_rng(0)
    for name in ("SetA", "SetB"):
        (tmp_path / name).mkdir()
        for i in range(2):
            pixels = random.integers(0, 256, (40, 44, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    (tmp_path / "models").mkdir()
    torch.manual_seed(0)
    for config, suffix in zip(CONFIGS, (".safetensors", ".model", ".pt"), strict=True):
        module = parse_id(config).build()
        path = tmp_path / "models" / f"{config}{suffix}"
        if suffix == ".safetensors":
            path.write_bytes(weights.to_bytes(module))
        else:
            torch.save(module.state_dict(), path)
    return tmp_path


def test_a_folder_of_weights_is_read_by_the_names_of_its_files(folder):
    (folder / "models" / "best_model.pt").write_bytes(b"x")
    (folder / "models" / "README.md").write_text("x")
    files, skipped = find_weights(folder / "models")
    assert [f.config.id for f in files] == ["eSR-MAX_s2_K3_C1", "eSR-TM_s2_K3_C2", "ESPCN_s3_D0_S3"]
    assert [s.name for s in skipped] == ["best_model.pt"]


def test_two_files_of_one_config_are_refused(folder):
    (folder / "models" / f"{CONFIGS[0]}.pt").write_bytes(b"x")
    with pytest.raises(BadWeights, match="two files of eSR-MAX_s2_K3_C1"):
        find_weights(folder / "models")


def test_a_folder_without_weights_is_refused(folder):
    with pytest.raises(BadWeights, match="no weights named after a config id"):
        find_weights(folder / "SetA")
    with pytest.raises(BadWeights, match="there is no folder"):
        find_weights(folder / "nowhere")


def test_two_folders_of_one_name_are_refused(folder):
    (folder / "other" / "SetA").mkdir(parents=True)
    Image.new("RGB", (30, 30)).save(folder / "other" / "SetA" / "a.png")
    with pytest.raises(BadData, match="two test sets are called 'SetA'"):
        read_sets([str(folder / "SetA"), str(folder / "other" / "SetA")])


def test_only_what_is_missing_is_evaluated(folder):
    files, _ = find_weights(folder / "models")
    sets, _ = read_sets([str(folder / "SetA"), str(folder / "SetB")])
    everything = [q for result in evaluate_files(files, sets) for q in result.qualities]
    assert len(everything) == 3 * 2 * 2
    done = {(q.config, q.dataset, q.metric) for q in everything[:-3]}
    rest = [q for result in evaluate_files(files, sets, done=done) for q in result.qualities]
    assert rest == everything[-3:]


def test_a_bad_file_tells_why_and_the_others_are_evaluated(folder):
    (folder / "models" / f"{CONFIGS[0]}.safetensors").write_bytes(b"not weights")
    files, _ = find_weights(folder / "models")
    sets, _ = read_sets([str(folder / "SetA")])
    results = list(evaluate_files(files, sets))
    assert [r.error is None for r in results] == [False, True, True]
    assert "not a safe weights file" in (results[0].error or "")


def test_the_command_prints_the_promised_json(folder, sweep):
    path = folder / "models" / f"{CONFIGS[0]}.safetensors"
    status, out, err = sweep("evaluate", CONFIGS[0], "--weights", path, "--data", folder / "SetA", "--json")
    rows = json.loads(out)
    assert status == 0 and err == ""
    assert [set(row) for row in rows] == [{"config", "dataset", "metric", "value", "unit", "protocol"}] * 2
    assert [(row["config"], row["dataset"], row["metric"], row["unit"]) for row in rows] == [
        (CONFIGS[0], "SetA", "psnr", "dB"),
        (CONFIGS[0], "SetA", "ssim", ""),
    ]
    module = weights.load(parse_id(CONFIGS[0]), path)
    sets, _ = read_sets([str(folder / "SetA")])
    expected = protocol.evaluate(parse_id(CONFIGS[0]), module, sets[0])
    assert [row["value"] for row in rows] == pytest.approx([q.value for q in expected])


def test_the_command_evaluates_a_folder_on_several_sets(folder, sweep):
    data = ("--data", folder / "SetA", "--data", folder / "SetB")
    status, out, _ = sweep("evaluate", "--weights-dir", folder / "models", *data, "--metric", "psnr", "--json")
    assert status == 0
    assert {(r["config"], r["dataset"]) for r in json.loads(out)} == {(c, s) for c in CONFIGS for s in ("SetA", "SetB")}


def test_without_json_a_table_is_printed(folder, sweep):
    status, out, _ = sweep("evaluate", "--weights-dir", folder / "models", "--data", folder / "SetA")
    assert status == 0 and all(config in out for config in CONFIGS) and protocol.PROTOCOL in out


def test_with_a_store_a_second_call_evaluates_only_what_is_new(folder, sweep, monkeypatch):
    call = (
        "evaluate",
        "--weights-dir",
        folder / "models",
        "--data",
        folder / "SetA",
        "--db",
        folder / "e.db",
        "--json",
    )
    _, first, _ = sweep(*call)
    asked = []
    real = protocol.evaluate
    monkeypatch.setattr(
        protocol, "evaluate", lambda c, m, s, k, **by: asked.append((c.id, s.name)) or real(c, m, s, k, **by)
    )
    status, second, _ = sweep(*call)
    assert status == 0 and asked == []
    assert json.loads(second) == json.loads(first)
    _, third, _ = sweep(*call, "--data", folder / "SetB")
    assert {name for _, name in asked} == {"SetB"} and len(json.loads(third)) == 12


def test_a_store_keeps_the_figures_as_re_evaluated(folder, sweep):
    from results_db.reading.frames import results
    from results_db.store import Store

    sweep("evaluate", "--weights-dir", folder / "models", "--data", folder / "SetA", "--db", folder / "e.db", "--json")
    with Store.open(str(folder / "e.db")) as store:
        table = results(store, source="re-evaluated", protocol=protocol.PROTOCOL)
    assert sorted(table["config"]) == sorted(CONFIGS) and table["psnr:SetA"].notna().all()


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("ESPCN_s3_D0_S3", "--weights", "models/eSR-MAX_s2_K3_C1.safetensors", "--data", "SetA"),
            "does not hold weights",
        ),
        (("eSR-MAX_s5_K3_C1", "--weights", "models/eSR-MAX_s2_K3_C1.safetensors", "--data", "SetA"), "scale"),
        (("eSR-MAX_s2_K4_C1", "--weights", "models/eSR-MAX_s2_K3_C1.safetensors", "--data", "SetA"), "K = 4"),
        (("Nothing_s2", "--weights", "models/eSR-MAX_s2_K3_C1.safetensors", "--data", "SetA"), "Nothing"),
        (("eSR-MAX_s2_K3_C1", "--weights", "evil.pt", "--data", "SetA"), "could run code"),
        (("eSR-MAX_s2_K3_C1", "--weights", "gone.pt", "--data", "SetA"), "cannot read weights"),
        (("eSR-MAX_s2_K3_C1", "--weights-dir", "models", "--data", "empty"), "no usable image"),
        (("eSR-MAX_s2_K3_C1", "--weights-dir", "models", "--data", "gone"), "there is no folder"),
        (("eSR-MAX_s2_K3_C1", "--weights-dir", "models", "--data", "spoilt", "--strict"), "damaged"),
        (("eSR-MAX_s2_K3_C1", "--weights-dir", "models", "--data", "pixel"), "only 1 x 1 pixels"),
        (("--weights-dir", "models", "--data", "SetA", "--metric", "vmaf"), "no metric 'vmaf'"),
        (("--weights", "models/eSR-MAX_s2_K3_C1.safetensors", "--data", "SetA"), "which config"),
        (("eSR-MAX_s2_K3_C1", "--data", "SetA"), "--weights FILE or --weights-dir"),
    ],
)
def test_bad_input_is_refused_with_one_line_and_status_two(folder, sweep, monkeypatch, arguments, says):
    monkeypatch.chdir(folder)
    torch.save(Payload(folder / "executed"), folder / "evil.pt")
    for name in ("empty", "spoilt", "pixel"):
        (folder / name).mkdir()
    png = io.BytesIO()
    Image.new("RGB", (40, 40)).save(png, "PNG")
    Path("spoilt/a.png").write_bytes(png.getvalue()[:-30])
    Path("spoilt/b.png").write_bytes(png.getvalue())
    Image.new("RGB", (1, 1)).save("pixel/a.png")
    status, out, err = sweep("evaluate", *arguments, "--json")
    assert status == 2 and says in err and err.startswith("sweep: ") and err.count("\n") == 1
    assert out == ""
    assert not (folder / "executed").exists()


def test_a_bad_file_in_a_folder_gives_status_one_and_the_others_figures(folder, sweep):
    (folder / "models" / f"{CONFIGS[0]}.safetensors").write_bytes(b"not weights")
    status, out, err = sweep("evaluate", "--weights-dir", folder / "models", "--data", folder / "SetA", "--json")
    assert status == 1 and len(json.loads(out)) == 4 and "failed: " in err


@pytest.mark.skipif(not (SHARED / "published").is_dir(), reason=f"the released weights are not in {SHARED}")
def test_the_released_example_of_the_contract_is_reproduced(sweep):
    config = "eSR-CNN_s2_C4_D5_S9"
    path = SHARED / "published" / "model-files" / f"{config}.model"
    status, out, _ = sweep("evaluate", config, "--weights", path, "--data", SHARED / "datasets" / "Set5", "--json")
    (value,) = [row["value"] for row in json.loads(out) if row["metric"] == "psnr"]
    assert status == 0 and value == pytest.approx(36.39, abs=0.02)


def test_test_sets_are_named_under_the_data_root(sweep, folder, tmp_path, monkeypatch):
    path = folder / "models" / f"{CONFIGS[0]}.safetensors"
    (folder / "SetA").rename(tmp_path / "Set5")
    ask = ("evaluate", CONFIGS[0], "--weights", path, "--metric", "psnr", "--json")
    monkeypatch.chdir(tmp_path / "Set5")
    named = json.loads(sweep(*ask, "--data-root", tmp_path, "--data", "Set5")[1])
    assert [row["dataset"] for row in named] == ["Set5"]
    monkeypatch.setenv("EDGE_SWEEP_DATA", str(tmp_path))
    assert json.loads(sweep(*ask)[1]) == named
    monkeypatch.setenv("EDGE_SWEEP_DATA", str(folder / "models"))
    status, _, err = sweep(*ask)
    assert status == 2 and "Set5" in err
