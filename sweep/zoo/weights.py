"""Weights of many networks in one safetensors file: the tensors of a network stand under its label and a slash."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import safetensors
from safetensors.torch import load, save
from torch import Tensor

from search_space.errors import BadWeights, first_line
from search_space.weights import read_state


def pack(networks: Mapping[str, bytes], described: Mapping[str, Mapping[str, Any]]) -> bytes:
    """One safetensors file of networks that are safetensors files each.

    Its metadata has ``format`` (``pt``) and ``models``: JSON of what ``described`` says about each label.
    """
    tensors = {f"{label}/{name}": t for label, data in networks.items() for name, t in read_state(data, label).items()}
    return save(tensors, {"format": "pt", "models": json.dumps(described, sort_keys=True)})


def unpack(data: bytes, file: str) -> dict[str, bytes]:
    """Each network of a packed file as a safetensors file of its own, byte for byte what was packed.

    Raises BadWeights when the file is damaged.
    """
    try:
        tensors = load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise BadWeights(f"{file} is a damaged safetensors file ({first_line(error, 120)})") from None
    networks: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        label, slash, own = name.partition("/")
        if not slash:
            raise BadWeights(f"{file}: tensor {name!r} belongs to no network")
        networks[label][own] = tensor
    return {label: save(state) for label, state in networks.items()}
