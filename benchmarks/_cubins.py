"""Kernels compiled for a GPU that is not here: which variants a pack launches, and what their machine code needs.

``triton.compile`` with a target needs no GPU; ptxas and cuobjdump come in Triton's wheel.
"""

from __future__ import annotations

import collections
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from workers.packs.kernels import launch

KEPT = (
    "HMMA",
    "HGMMA",
    "FFMA",
    "FADD",
    "FMUL",
    "LDG",
    "STG",
    "LDS",
    "STS",
    "LDSM",
    "LDL",
    "STL",
    "MUFU",
    "IMAD",
    "BAR",
)
KERNELS = Path(__file__).parent.parent / "workers/packs/kernels"
_TYPES = {torch.float32: "*fp32", torch.int32: "*i32", torch.int64: "*i64"}


@dataclass(frozen=True)
class Call:
    """One launch that was asked for and not carried out."""

    kernel: Any
    grid: tuple[int, ...]
    arguments: tuple[Any, ...]
    constants: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.kernel.__name__)

    @property
    def programs(self) -> int:
        out = 1
        for n in self.grid:
            out *= n
        return out

    @property
    def variant(self) -> tuple[str, tuple[tuple[str, Any], ...]]:
        return self.name, tuple(sorted(self.constants.items()))


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Launches inside are written down instead of carried out."""
    calls: list[Call] = []
    before = launch.launch
    launch.launch = lambda kernel, grid, arguments, constants: calls.append(Call(kernel, grid, arguments, constants))
    try:
        yield calls
    finally:
        launch.launch = before


@dataclass(frozen=True)
class Code:
    """Machine code of a variant: ``spills`` is the stack frame in bytes, ``instructions`` by opcode, static."""

    registers: int
    spills: int
    shared: int
    instructions: dict[str, int]
    sass: str


def compiled(call: Call, capability: int) -> Code:
    """A launch's kernel for compute capability 80 or 90, as Triton would compile it there."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = call.kernel.arg_names
    signature: dict[str, str] = {}
    attributes: dict[tuple[int], list[list[Any]]] = {}
    values = dict(zip([n for n in names if n not in call.constants], call.arguments, strict=True))
    for index, name in enumerate(names):
        if name in call.constants:
            signature[name] = "constexpr"
        elif isinstance(values[name], torch.Tensor):
            signature[name] = _TYPES[values[name].dtype]
            attributes[(index,)] = [["tt.divisibility", 16]]
        elif isinstance(values[name], int):
            signature[name] = "i32"  # none of our whole numbers is specialised on
        else:
            signature[name] = "fp32"
    constants = {(names.index(name),): value for name, value in call.constants.items() if name in names}
    kernel = triton.compile(
        ASTSource(call.kernel, signature, constants, attributes),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": call.constants.get("num_warps", 4), "num_stages": launch.STAGES},
    )
    return _read(kernel.asm["cubin"], int(kernel.metadata.shared), Path(triton.__file__).parent)


def variant_digest(variant: Any) -> str:
    """Of a variant, the text of the kernels and Triton's version: what the machine code depends on."""
    digest = hashlib.sha256(repr((version("triton"), launch.STAGES, variant)).encode())
    for path in sorted([*KERNELS.glob("*kernel*.py"), KERNELS / "arithmetic.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _read(cubin: bytes, shared: int, triton_folder: Path) -> Code:
    tool = str(triton_folder / "backends/nvidia/bin/cuobjdump")
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = _run(tool, "--dump-resource-usage", file.name)
        sass = _run(tool, "--dump-sass", file.name)
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
    if found is None:
        raise RuntimeError(f"cuobjdump says nothing of registers: {usage[:200]}")
    counts = collections.Counter(re.findall(r"/\*[0-9a-f]{4,5}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]+)", sass))
    kept = {name: counts[name] for name in KEPT if counts[name]}
    return Code(int(found[1]), int(found[2]), shared, {**kept, "all": sum(counts.values())}, sass)


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
