"""Weights are read by one reader: a chart takes and refuses exactly the files that ``sweep evaluate`` does."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from analysis.reading import models
from search_space import parse_id
from search_space import weights as reader
from search_space.errors import BadWeights
from workers.training import weights

CONFIG = "eSR-MAX_s2_K3_C2"


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return parse_id(CONFIG).build().state_dict()


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(reader.MAX_BYTES + 1))
    return buffer.getvalue()


GOOD: dict[str, Callable[[], bytes]] = {
    "safetensors": lambda: weights.to_bytes(_filled()),
    "torch": lambda: saved(state()),
    "wrapped in state_dict": lambda: saved({"state_dict": state(), "step": torch.tensor(3)}),
    "half precision": lambda: saved({name: value.half() for name, value in state().items()}),
}
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "a text": (lambda: b"these are no weights at all", "not a safe weights file"),
    "a pickle that runs": (lambda: saved({"a": print}), "could run code"),
    "a bare pickle": (lambda: pickle.dumps(print), "not a safe weights file"),
    "NaN": (lambda: saved({name: value * float("nan") for name, value in state().items()}), "holds NaN"),
    "too large": (lambda: bytes(reader.MAX_BYTES + 1), "limit 64"),
    "too large once unpacked": (bomb, "unpacks to 64 MiB"),
    "another config": (lambda: saved(parse_id("eSR-MAX_s2_K5_C2").build().state_dict()), "does not hold weights of"),
    "a list": (lambda: saved([torch.zeros(2)]), "dictionary of named tensors"),
    "cut safetensors": (lambda: weights.to_bytes(_filled())[:-3], "damaged safetensors"),
}


def _filled() -> torch.nn.Module:
    module = parse_id(CONFIG).build()
    module.load_state_dict(state())
    return module


def doors() -> dict[str, Callable[[bytes | Path], torch.nn.Module]]:
    return {
        "a chart": lambda source: models.load(CONFIG, source),
        "sweep evaluate": lambda source: weights.load(parse_id(CONFIG), source),
    }


@pytest.mark.parametrize("door", doors())
@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("stored", ["file", "bytes"])
def test_a_good_file_is_loaded_alike(door: str, kind: str, stored: str, tmp_path: Path) -> None:
    data = GOOD[kind]()
    (tmp_path / "w").write_bytes(data)
    module = doors()[door](tmp_path / "w" if stored == "file" else data)
    tolerance = 1e-3 if kind == "half precision" else 0.0
    for name, value in module.state_dict().items():
        assert torch.allclose(value, state()[name], rtol=0, atol=tolerance)
    assert not module.training


@pytest.mark.parametrize("door", doors())
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("stored", ["file", "bytes"])
def test_a_bad_file_is_refused_with_the_same_reason(door: str, kind: str, stored: str, tmp_path: Path) -> None:
    make, said = BAD[kind]
    data = make()
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(BadWeights, match=said):
        doors()[door](tmp_path / "w" if stored == "file" else data)


@pytest.mark.parametrize("door", doors())
def test_a_missing_file_is_refused(door: str, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="cannot read weights"):
        doors()[door](tmp_path / "none.pt")
