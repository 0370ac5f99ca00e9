"""Do networks rank on this CPU as they ranked on the published devices? Spearman, by scale.

    python benchmarks/published_ranks.py [--quick]

The published networks ran as trained, so the plain form is measured here, at Full HD; the deployed form beside it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from _bench import Neighbours, protocol_facts, published_fps, sample, spearman
from _record import record

from workers.benchmark import FULLHD14, Session
from workers.benchmark.lock import whole_machine

PLAIN = replace(
    FULLHD14, name="fullhd3-plain", rounds=3, frames=1, warm_frames=2, warm_seconds=0.5, plain=True, group=30
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    published = published_fps()
    if not published:
        print("skipped: the published table is not here (EDGE_SWEEP_SHARED)")
        return
    configs, neighbours = sample(18 if quick else 96), Neighbours()
    fps: dict[str, dict[str, float]] = {}
    with whole_machine():
        for form, protocol in (("plain", PLAIN), ("deployed", replace(PLAIN, name="fullhd3", plain=False))):
            fps[form] = {s.config: s.fps for g in Session("bench", protocol=protocol).measure(configs) for s in g}
    rows = []
    for form, ours in fps.items():
        for device in ("RPI", "AGX", "MaxQ"):
            for scale in (2, 3, 4, None):
                ids = [c.id for c in configs if scale in (c.scale, None) and c.id in ours]
                rank = spearman([ours[i] for i in ids], [published[device][i] for i in ids])
                rows.append({"form": form, "device": device, "scale": scale or "all", "configs": len(ids),
                             "spearman": round(rank, 4)})  # fmt: skip
    measurements = {
        "configs": len(configs),
        "spearman_rpi": {r["scale"]: r["spearman"] for r in rows if r["form"] == "plain" and r["device"] == "RPI"},
        "rows": rows,
        **protocol_facts(PLAIN),
        **neighbours.facts(),
        "fps": fps,
    }
    if not quick:
        print(record("published_ranks", measurements, ("torch", "numpy", "scipy")))
    print(measurements["spearman_rpi"], measurements["seconds"])


if __name__ == "__main__":
    main()
