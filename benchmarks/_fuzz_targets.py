"""What a stranger can hand us: a reader each, valid samples to start from, and the bytes it is fed."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """``feed(data, folder)`` may return or raise one of our errors; anything else is a crash."""

    feed: Callable[[bytes, Path], None]
    samples: Callable[[], list[bytes]]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _file(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _id(data: bytes, folder: Path) -> None:
    from search_space import parse_id

    text = _text(data)
    config = parse_id(text)
    assert config.id == text, "an id that is taken must be the one id of its config"
    name = folder / f"{config.id}.pt"
    assert name.resolve().parent == folder.resolve(), "an id may not lead out of the folder"


def _ids() -> list[bytes]:
    return [b"eSR-TM_s2_K5_C4", b"ESPCN_s4_D22_S32", b"FSRCNN_s3_D6_S3_M1", b"Bicubic_s2", b"../eSR-MAX_s2_K3_C1"]


def _filter(data: bytes, folder: Path) -> None:
    from search_space.filters import where
    from search_space.spaces import load_space

    keep = where(_text(data))
    for config in load_space("demo").configs[:5]:
        keep(config)


def _filters() -> list[bytes]:
    return [
        b"C<=8 and K==3",
        b"family in ('eSR-TM', 'eSR-TR') and K not in (3, 5)",
        b"1 <= D <= 3 and -C < 2 ** 3",
        b"parameters < 1000 or macs_full_hd / 2 > 1e9 and not s == 2",
    ]


def _space(data: bytes, folder: Path) -> None:
    from search_space.spaces import load_space

    load_space(str(_file(data, folder, "space.yaml")))


def _spaces() -> list[bytes]:
    return [
        b"name: mine\nscale: [2, 3]\ngrids:\n  - family: eSR-TM\n    K: [3, 5]\n    C: [1..4, 8, 10..14 step 2]\n",
        b"grids:\n- {family: ESPCN, scale: 4, D: 22, S: [6, 12], where: S > 6}\n- ids: [Bicubic_s2]\n",
        b"grids:\n- {preset: demo, where: scale == 4 and family != 'ESPCN'}\n- &a {family: eSR-TR, K: 3, C: 1}\n",
    ]


def _image(data: bytes, folder: Path) -> None:
    from workers.data.image_set import read_image

    pixels = read_image(_file(data, folder, "image.png"))
    assert pixels.dtype == "uint8" and pixels.ndim in (2, 3)


def _images() -> list[bytes]:
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (26, 27, 3), dtype=np.uint8)
    found = []
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        found.append(buffer.getvalue())
    return found


def _published(data: bytes, folder: Path) -> None:
    from results_db.foreign.published import read

    read(_file(data, folder, "tests.pkl"))


def _publications() -> list[bytes]:
    from tests.results_db_tests.kit.published import document

    one = document(("eSR-TM_s2_K5_C4",))
    return [pickle.dumps(one, protocol) for protocol in (2, 3, 4, 5)]


def _table(data: bytes, folder: Path) -> None:
    from results_db.foreign.csv_json import read

    suffix = "json" if data[:1] in (b"[", b"{") else "csv"
    read(_file(data, folder, f"table.{suffix}"), "fuzz")


def _tables() -> list[bytes]:
    rows = [{"config": "Bicubic_s2", "psnr:Set5": 33.6, "device": "AGX", "fps": 99.5, "parameters": 0}]
    text = b"config,psnr:Set5,protocol,device,fps,power_w\nBicubic_s2,33.66,y,AGX,900.5,\neSR-TM_s2_K5_C4,35,y,,,\n"
    return [text, json.dumps(rows).encode()]


def _measurements(data: bytes, folder: Path) -> None:
    from workers.kit.document import canonical
    from workers.kit.receive import read_results

    try:
        # With the digest made right, junk gets past the first check to the fields.
        document = json.loads(data)
        if isinstance(document, dict):
            document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
            data = json.dumps(document).encode()
    except (ValueError, TypeError, RecursionError):
        pass
    read_results(_file(data, folder, "results.json"))


def _measured() -> list[bytes]:
    from workers.kit.document import RESULTS_FORMAT

    line: dict[str, Any] = {
        "config": "eSR-MAX_s3_K3_C2",
        "precision": "fp32",
        "sha256": "0" * 64,
        "seconds": [0.01, 0.011, 0.0105],
        "steady": True,
        "disturbed": False,
        "disturbances": [],
        "relative": 1.5,
        "reference_seconds": 0.007,
        "warm_frames": 3,
        "power_w": None,
        "throttled": [],
        "missing": {"power_w": "no sensor"},
        "measured_at": "2026-01-02T03:04:05+00:00",
    }
    document = {
        "format": RESULTS_FORMAT,
        "device": "board",
        "provider": "cpu",
        "kit": "1" * 64,
        "threads": 4,
        "reference": "Bicubic_s3",
        "machine": {"model": "a board"},
        "versions": {"onnxruntime": "1.0"},
        "protocol": {"name": "96x96x6-t4", "width": 96, "height": 96, "batch": 1, "rounds": 3, "frames": 2},
        "results": [line],
        "failed": [{"config": "Bicubic_s2", "precision": "fp16", "sha256": "2" * 64, "reason": "no kernel"}],
    }
    return [json.dumps(document).encode(), json.dumps(document | {"results": [line | {"power_w": 7.5}]}).encode()]


def _weights(data: bytes, folder: Path) -> None:
    from search_space import parse_id
    from workers.training.weights import load

    load(parse_id("eSR-MAX_s2_K3_C1"), data)


def _weighed() -> list[bytes]:
    import torch

    from search_space import parse_id
    from workers.training.weights import to_bytes

    module = parse_id("eSR-MAX_s2_K3_C1").build()
    found = [to_bytes(module)]
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save(module.state_dict(), buffer, _use_new_zipfile_serialization=new)
        found.append(buffer.getvalue())
    return found


def _archive(data: bytes, folder: Path) -> None:
    from sweep.executors.image_transport import unpack

    unpack(data)


def _archives() -> list[bytes]:
    import numpy as np

    from sweep.executors.image_transport import Images, to_archive
    from workers.data.image_set import ImageSet

    one = ImageSet("a", ("b.png",), (np.zeros((24, 24), dtype=np.uint8),))
    return [to_archive(Images(one, (one,)))]


TARGETS = {
    "ids": Target(_id, _ids),
    "filter expressions": Target(_filter, _filters),
    "space files": Target(_space, _spaces),
    "images": Target(_image, _images),
    "published results": Target(_published, _publications),
    "tables": Target(_table, _tables),
    "measurements of a kit": Target(_measurements, _measured),
    "weights": Target(_weights, _weighed),
    "image archives": Target(_archive, _archives),
}
