"""Reading weights: safetensors or a torch file, and never a pickle that runs. The one reader of all packages."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from search_space.config import Config
from search_space.errors import BadWeights, first_line

MAX_BYTES = 64 * 2**20
"""Largest weights file read; a model of the paper's space is under 60 kB."""
MAX_HEADER_BYTES = 2**20
"""Largest table of contents of a safetensors file; one of 100 tensors has 10 kB."""
MAX_ENTRIES = 10_000
"""Most files in a torch archive; each tensor is one."""
SUFFIXES = (".model", ".pt", ".pth", ".safetensors")


def load(config: Config, source: str | Path | bytes, label: str = "the weights") -> nn.Module:
    """``config.build()`` with the weights of a file (or its bytes), in evaluation mode, float32, on the CPU.

    ``label`` names the bytes in messages; a file is named by its path.
    Takes safetensors and torch files, zip or legacy, read with ``weights_only=True``: nothing stored in the
    file is ever called. Raises BadWeights when the file is missing, too large, unsafe, damaged, holds
    numbers that are not finite, or was made for another config; the message says what differs.
    """
    label, data = (label, source) if isinstance(source, bytes) else _read_file(Path(source))
    state = read_state(data, label)
    module = config.build()
    differences = compare(module.state_dict(), state)
    if differences:
        more = f", and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise BadWeights(f"{label} does not hold weights of {config.id}: {'; '.join(differences[:3])}{more}")
    bad = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        raise BadWeights(f"{label}: {bad[0]} holds NaN or infinite numbers")
    module.load_state_dict(state, strict=True)
    return module.float().eval()


def read_state(data: bytes, label: str = "weights") -> dict[str, Tensor]:
    """The named tensors in the bytes of a weights file, on the CPU; raises BadWeights."""
    if len(data) > MAX_BYTES:
        raise BadWeights(f"{label} has {len(data) >> 20} MiB (limit {MAX_BYTES >> 20})")
    if not data:
        raise BadWeights(f"{label} is empty")
    found = _read_safetensors(data, label) if _looks_like_safetensors(data) else _read_torch(data, label)
    for wrapper in ("state_dict", "model_state_dict"):
        inner = found.get(wrapper) if isinstance(found, Mapping) else None
        found = inner if isinstance(inner, Mapping) else found
    items = list(found.items()) if isinstance(found, Mapping) else []
    if not items or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in items):
        raise BadWeights(f"{label} does not hold a dictionary of named tensors")
    return dict(items)


def compare(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """The differences that keep ``found`` from being loaded as ``wanted``; empty when there are none."""
    out = [f"it lacks {name}" for name in wanted if name not in found]
    out += [f"it has {name}, which this config has not" for name in found if name not in wanted]
    for name, value in wanted.items():
        if name in found and found[name].shape != value.shape:
            out.append(f"{name} is {_shape(found[name])}, this config needs {_shape(value)}")
    return out


def _read_file(path: Path) -> tuple[str, bytes]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadWeights(f"{path} has {path.stat().st_size >> 20} MiB (limit {MAX_BYTES >> 20})")
        return str(path), path.read_bytes()
    except OSError as error:
        raise BadWeights(f"cannot read weights {path}: {error.strerror}") from None


def _looks_like_safetensors(data: bytes) -> bool:
    """Eight bytes of header length, then a JSON object."""
    return len(data) > 9 and data[8:9] == b"{" and struct.unpack("<Q", data[:8])[0] <= len(data)


def _read_safetensors(data: bytes, label: str) -> object:
    header = struct.unpack("<Q", data[:8])[0]
    if header > MAX_HEADER_BYTES:
        raise BadWeights(f"{label} has a table of contents of {header} bytes (limit {MAX_HEADER_BYTES})")
    try:
        return load_safetensors(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise BadWeights(f"{label} is a damaged safetensors file ({first_line(error, 120)})") from None


def _read_torch(data: bytes, label: str) -> object:
    unpacked = 0
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
                if len(archive.infolist()) > MAX_ENTRIES:
                    raise BadWeights(f"{label} holds {len(archive.infolist())} files (limit {MAX_ENTRIES})")
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BadWeights(f"{label} is a damaged torch file ({first_line(error, 120)})") from None
    if unpacked > MAX_BYTES:
        raise BadWeights(f"{label} unpacks to {unpacked >> 20} MiB (limit {MAX_BYTES >> 20})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on foreign bytes; none of them has run anything
        unsafe = "weights_only" in str(error) or "Unsupported" in str(error)
        why = "holds more than tensors, which could run code when unpickled" if unsafe else first_line(error, 120)
        raise BadWeights(f"{label} is not a safe weights file and is not opened ({why})") from None


def _shape(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "a single number"
