"""Weights travel as safetensors, come in from torch files, and never run code."""

import io
import os
import pickle
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import parse_id
from search_space.errors import BadWeights
from workers.training import weights

SHARED = Path(os.environ.get("EDGE_SWEEP_SHARED", Path(__file__).parents[4] / "shared"))
RELEASED = SHARED / "published" / "model-files"
ONE_OF_EACH = (
    "Bicubic_s3",
    "eSR-MAX_s2_K3_C2",
    "eSR-TM_s3_K5_C1",
    "eSR-TR_s4_K7_C3",
    "eSR-CNN_s2_C2_D1_S3",
    "ESPCN_s2_D0_S3",
    "FSRCNN_s4_D6_S3_M1",
)
CONFIG = parse_id("ESPCN_s2_D2_S3")


class Payload:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_weights_come_back_as_they_went_in_every_family(name):
    config = parse_id(name)
    module = config.build()
    back = weights.load(config, weights.to_bytes(module))
    assert not back.training
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), back.state_dict().values(), strict=True))


@pytest.mark.parametrize("new_format", [True, False])
def test_a_torch_file_of_either_format_is_read(tmp_path, new_format):
    module = CONFIG.build()
    path = tmp_path / "w.pt"
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=new_format)
    back = weights.load(CONFIG, path)
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), back.state_dict().values(), strict=True))


def test_a_state_dict_inside_a_checkpoint_is_found(tmp_path):
    torch.save({"state_dict": CONFIG.build().state_dict()}, tmp_path / "w.pt")
    weights.load(CONFIG, tmp_path / "w.pt")


@pytest.mark.skipif(not RELEASED.is_dir(), reason=f"the released weights are not in {RELEASED}")
def test_every_released_file_loads_strictly():
    files = sorted(RELEASED.glob("*.model"))
    for path in files:
        weights.load(parse_id(path.stem), path)
    assert len(files) == 297


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("ESPCN_s2_D2_S9", "3 x 2 x 3 x 3|9 x 2 x 3 x 3"),
        ("ESPCN_s3_D2_S3", "this config needs"),
        ("ESPCN_s2_D0_S3", "which this config has not"),
        ("FSRCNN_s2_D6_S1_M1", "it lacks"),
        ("eSR-MAX_s2_K3_C1", "it lacks"),
    ],
)
def test_weights_of_another_config_are_refused_with_what_differs(other, says):
    data = weights.to_bytes(CONFIG.build())
    with pytest.raises(BadWeights, match=f"does not hold weights of {other}.*({says})"):
        weights.load(parse_id(other), data)


@pytest.mark.parametrize("form", ["pickle", "zip", "legacy", "nested"])
def test_a_malicious_pickle_is_refused_and_never_executed(tmp_path, form):
    trap, path = tmp_path / "executed", tmp_path / "evil.pt"
    state = dict(CONFIG.build().state_dict())
    match form:
        case "pickle":
            path.write_bytes(pickle.dumps(Payload(trap)))
        case "zip":
            torch.save({**state, "extra": Payload(trap)}, path)
        case "legacy":
            torch.save(Payload(trap), path, _use_new_zipfile_serialization=False)
        case "nested":
            torch.save({"state_dict": state, "optimizer": Payload(trap)}, path)
    with pytest.raises(BadWeights, match="could run code"):
        weights.load(CONFIG, path)
    assert not trap.exists()
    with suppress(RuntimeError):
        torch.load(path, weights_only=False)
    assert trap.exists(), "the trap does not work, so the test shows nothing"


def test_an_old_tar_file_is_refused_not_unpickled(tmp_path):
    trap, path = tmp_path / "executed", tmp_path / "old.pt"
    with tarfile.open(path, "w") as tape:
        for name in ("storages", "tensors", "pickle"):
            body = pickle.dumps(Payload(trap))
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tape.addfile(info, io.BytesIO(body))
    with pytest.raises(BadWeights):
        weights.load(CONFIG, path)
    assert not trap.exists()


def test_a_missing_an_empty_and_a_foreign_file_are_refused(tmp_path):
    with pytest.raises(BadWeights, match=r"cannot read weights .*nowhere\.pt: No such file"):
        weights.load(CONFIG, tmp_path / "nowhere.pt")
    (tmp_path / "empty.pt").write_bytes(b"")
    with pytest.raises(BadWeights, match=r"empty\.pt is empty"):
        weights.load(CONFIG, tmp_path / "empty.pt")
    (tmp_path / "text.pt").write_text("hello, I am no weights file")
    with pytest.raises(BadWeights, match=r"text\.pt is not a safe weights file"):
        weights.load(CONFIG, tmp_path / "text.pt")


def test_a_whole_module_or_a_list_instead_of_tensors_is_refused(tmp_path):
    torch.save(CONFIG.build(), tmp_path / "module.pt")
    with pytest.raises(BadWeights):
        weights.load(CONFIG, tmp_path / "module.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(BadWeights, match="named tensors"):
        weights.load(CONFIG, tmp_path / "list.pt")


def test_weights_that_are_not_finite_are_refused():
    module = CONFIG.build()
    next(module.parameters()).data.view(-1)[0] = float("nan")
    with pytest.raises(BadWeights, match="NaN or infinite"):
        weights.load(CONFIG, weights.to_bytes(module))


def test_a_file_over_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("search_space.weights.MAX_BYTES", 1000)
    (tmp_path / "big.pt").write_bytes(bytes(2000))
    with pytest.raises(BadWeights, match="limit"):
        weights.load(CONFIG, tmp_path / "big.pt")


def test_a_small_zip_that_unpacks_to_a_huge_one_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("search_space.weights.MAX_BYTES", 100_000)
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(BadWeights, match="unpacks to"):
        weights.load(CONFIG, tmp_path / "bomb.pt")


GOOD = weights.to_bytes(CONFIG.build())
_out = io.BytesIO()
torch.save(CONFIG.build().state_dict(), _out)
TORCH = _out.getvalue()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(GOOD)), st.integers(0, len(TORCH) - 1), st.integers(1, 255))
def test_any_bytes_are_weights_or_bad_weights_and_nothing_else(data, keep, at, bits):
    flipped = bytearray(TORCH)
    flipped[at] ^= bits
    for body in (data, GOOD[:keep] + data, bytes(flipped), TORCH[:at], b"\x80\x02" + data):
        try:
            weights.load(CONFIG, body)
        except BadWeights as error:
            assert "\n" not in str(error)
