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

HEADER_SIZE = 8
"""Bytes of a safetensors file that tell the length of its JSON header, which they begin; the tensors follow it."""


def pack(networks: Mapping[str, bytes], described: Mapping[str, Mapping[str, Any]]) -> bytes:
    """One safetensors file of networks that are safetensors files each.

    Its metadata has ``format`` (``pt``) and ``models``: JSON of what ``described`` says about each label.
    """
    tensors = {f"{label}/{name}": t for label, data in networks.items() for name, t in read_state(data, label).items()}
    return save(tensors, {"format": "pt", "models": json.dumps(described, sort_keys=True)})


def same(one: bytes, other: bytes) -> bool:
    """Whether two packed files hold the same. The library writes the entries of the metadata in any order.

    >>> same(pack({}, {"a": {"scale": 2}}), pack({}, {"a": {"scale": 2}})), same(pack({}, {}), b"cut")
    (True, False)
    """
    if len(one) != len(other) or one[:HEADER_SIZE] != other[:HEADER_SIZE]:
        return False
    end = HEADER_SIZE + int.from_bytes(one[:HEADER_SIZE], "little")
    try:
        return one[end:] == other[end:] and json.loads(one[HEADER_SIZE:end]) == json.loads(other[HEADER_SIZE:end])
    except ValueError:
        return False


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
