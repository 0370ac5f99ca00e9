"""Exported shaders in libplacebo against torch: python benchmarks/shader_parity.py [--quick].

Every family of the paper and of ``extended`` at each scale, on a piece of a photograph with odd sides, limited range, 8
and 10 bits, border included. Released weights where they are at hand, else starting weights (``weights`` says which).
Levels are those of 10 bits. ``psnr_change_db`` is against the photograph, over the whole piece.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from _bench import shared
from _record import record
from numpy.typing import NDArray
from torch import nn

from search_space import parse_id
from search_space.config import Config
from workers.data.embedded import embedded
from workers.export.deployed_form import deployed
from workers.export.glsl import libplacebo, shader
from workers.export.metadata import Metadata
from workers.quality.protocol import prepare
from workers.training.weights import load

FAMILIES = ("Bicubic", "eSR-MAX", "eSR-TM", "eSR-TR", "eSR-CNN", "ESPCN", "FSRCNN")
EXTENDED = ("Linear_s{}_K5", "ABPN_s{}_D8_M2", "ECBSR_s{}_D8_M2", "ESPCN-BR_s{}_D6_S9")
MOST_BYTES = 5_000
"""Of a weights file: a software Vulkan needs minutes to compile larger networks."""
A_FAMILY = 2
"""Released networks of each family and scale: the smallest and the largest file at hand."""
SIDES = (67, 91)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    device = libplacebo.device()
    if device is None:
        print(f"not measured: {libplacebo.NEEDS}")
        return
    rows: list[dict[str, Any]] = []
    for scale in (2,) if quick else (2, 3, 4):
        names = [name for family in FAMILIES for name in released(family, scale)]
        names += [name.format(scale) for name in EXTENDED]
        names = names[::6] if quick else names
        for bits in (8, 10):
            rows += compared(names, scale, bits)
            # What is measured is kept: a software device takes its time.
            print(record("shader_parity", summary(rows, device), ("torch", "numpy")))


def summary(rows: list[dict[str, Any]], device: str) -> dict[str, Any]:
    return {
        "device": device,
        "software": libplacebo.is_software(device),
        "scales": sorted({parse_id(row["config"]).scale for row in rows}),
        "worst_level": max(row["worst_level"] for row in rows),
        "worst_psnr_change_db": max((row["psnr_change_db"] for row in rows), key=abs),
        "rows": rows,
    }


def compared(names: list[str], scale: int, bits: int) -> list[dict[str, Any]]:
    pair = prepare(embedded("embedded-test"), scale)[1]
    rows, columns = SIDES
    lr = pair.lr[0, 0, 5 : 5 + rows, 9 : 9 + columns].numpy()
    hr = pair.hr[0, 0].numpy()[5 * scale : (5 + rows) * scale, 9 * scale : (9 + columns) * scale] / 255
    white = libplacebo.white(bits, full=False)
    codes = np.clip(np.rint(lr * 255 * (1 << (bits - 8))), 16 << (bits - 8), 235 << (bits - 8)).astype(np.int64)
    networks = [network(parse_id(name)) for name in names]
    texts = [
        (shader(deployed(module), Metadata.of(parse_id(name))), scale)
        for name, (module, _) in zip(names, networks, strict=True)
    ]
    # A few at a time: a software device takes its time over large shaders.
    played = [made for i in range(0, len(texts), 6) for made in libplacebo.run(texts[i : i + 6], codes, bits=bits)]
    x = torch.from_numpy(codes / white).float()[None, None]
    out = []
    for name, (module, weights), got in zip(names, networks, played, strict=True):
        with torch.inference_mode():
            want = module(x)[0, 0].double().clamp(0, 1).numpy()
        shown = np.clip(got / white, 0, 1)
        off = 1023 * np.abs(shown - want)
        out.append(
            {
                "config": name,
                "bits": bits,
                "worst_level": round(float(off.max()), 3),
                "mean_level": round(float(off.mean()), 3),
                "psnr_change_db": round(psnr(shown, hr) - psnr(want, hr), 5),
                "weights": weights,
            }
        )
        print(out[-1], flush=True)
    return out


def released(family: str, scale: int) -> list[str]:
    """Ids whose weights are at hand."""
    folder = shared()
    files = list((folder / "published/model-files").glob(f"{family}_s{scale}*.model")) if folder else []
    files = [file for file in files if file.stat().st_size <= MOST_BYTES]
    names = [file.stem for file in sorted(files, key=lambda file: (file.stat().st_size, file.stem))]
    return list(dict.fromkeys(names[i * (len(names) - 1) // (A_FAMILY - 1)] for i in range(A_FAMILY))) if names else []


def network(config: Config) -> tuple[nn.Module, str]:
    """Released weights where they are at hand, else starting weights."""
    folder = shared()
    file = folder / "published/model-files" / f"{config.id}.model" if folder else None
    if file is not None and file.is_file():
        return load(config, file).eval(), "released"
    torch.manual_seed(0)
    return config.build().eval(), "fixed" if config.family == "Bicubic" else "starting"


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(-10 * np.log10(np.square(a - b).mean()))


if __name__ == "__main__":
    main()
