"""Two full passes over the same configs, three times: do they agree? And are visits under a background load noticed?

python benchmarks/repeatability.py [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from statistics import median

import torch
from _bench import SMALL, Neighbours, load, protocol_facts, sample, spearman
from _record import record

from search_space import parse_id
from search_space.config import Config
from search_space.facts import Speed
from workers.benchmark import Session, SpeedProtocol
from workers.benchmark.disturbance import CpuWatch
from workers.benchmark.lock import whole_machine
from workers.timing.disturbance import Visit, reasons
from workers.timing.turns import take_block

MANY = replace(SMALL, rounds=15, name="960x540x30", group=42)
"""All configs in one group: whatever the machine does for half a minute, it does to all."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    configs = sample(12 if quick else 42)
    protocol = replace(SMALL, rounds=3, name="960x540x6") if quick else MANY
    neighbours = Neighbours()
    with whole_machine():
        passes: list[list[Speed]] = []
        for _ in range(2 if quick else 6):
            usual = min((s.detail["reference_usual_seconds"] for one in passes for s in one), default=None)
            passes.append(measure(configs, protocol, usual))
        pairs = list(zip(passes[::2], passes[1::2], strict=True))
        detection = detect(4 if quick else 8, protocol)
    found = [compare(*pair) for pair in pairs]
    speeds = [s for one in passes for s in one]
    measurements = {
        "configs": len(configs),
        **{key: round(median(one[key] for one in found), 5) for key in found[0]},
        "by_pair": found,
        "disturbances": sorted({why for s in speeds for why in s.detail["disturbances"]})[:8],
        "visits_disturbed_and_repeated": sum(s.detail["rounds_disturbed"] for s in speeds),
        "visits_kept": sum(s.detail["rounds"] for s in speeds),
        "figures_left_disturbed": sum(bool(s.detail["disturbed"]) for s in speeds),
        **detection,
        **protocol_facts(protocol),
        **neighbours.facts(),
        "rows": [
            {"config": x.config, "first_s": x.seconds_median, "second_s": y.seconds_median, "iqr_s": x.seconds_iqr}
            for x, y in zip(*pairs[0], strict=True)
        ],
    }
    if not quick:
        print(record("repeatability", measurements, ("torch", "numpy", "psutil")))
    print({key: value for key, value in measurements.items() if key != "rows"})


def measure(configs: Sequence[Config], protocol: SpeedProtocol, usual: float | None) -> list[Speed]:
    """One pass, in a session of its own; of earlier ones it knows what ``sweep benchmark`` reads from the database."""
    # A config that was disturbed may come again, and better.
    found = {s.config: s for g in Session("bench", protocol=protocol, usual=usual).measure(configs) for s in g}
    return [found[config.id] for config in configs]


def compare(first: Sequence[Speed], second: Sequence[Speed]) -> dict[str, float]:
    """How far two passes agree: rank correlation and differences, as fractions."""
    a, b = ([s.seconds_median or 0.0 for s in one] for one in (first, second))
    difference = [abs(y / x - 1) for x, y in zip(a, b, strict=True)]
    relative = [abs(y.detail["relative"] / x.detail["relative"] - 1) for x, y in zip(first, second, strict=True)]
    return {
        "spearman": round(spearman(a, b), 5),
        "median_difference": round(median(difference), 5),
        "worst_difference": round(max(difference), 5),
        "median_difference_of_times_over_reference": round(median(relative), 5),
    }


def detect(pairs: int, protocol: SpeedProtocol) -> dict[str, object]:
    """Visits to a block with and without a busy neighbour process, in turn: how many of each are called disturbed."""
    session = Session("bench", protocol=protocol)
    names = ("eSR-MAX_s2_K3_C4", "ESPCN_s2_D4_S12", "FSRCNN_s3_D6_S3_M1", "eSR-TM_s3_K5_C4", "eSR-CNN_s4_C2_D3_S6")
    torch.set_num_threads(session.threads)
    reference = session._reference()
    turns = [session._turn(subject) for subject in session._subjects([parse_id(name) for name in names])]
    reference.learn()
    visits: list[Visit] = []
    loaded: list[bool] = []
    for i in range(2 * pairs):
        with load(1) if i % 2 else nullcontext():
            visits.append(take_block(turns, 0, reference, CpuWatch, session.sensors.read)[0])
        loaded.append(bool(i % 2))
    found = [reason is not None for reason in reasons(visits, reference.usual)]
    return {
        "disturbed_detected": sum(f for f, on in zip(found, loaded, strict=True) if on) / pairs,
        "false_alarms": sum(f for f, on in zip(found, loaded, strict=True) if not on) / pairs,
        "loaded_visits": pairs,
        "quiet_visits": pairs,
        "load": "one other process keeping one core busy",
        "reference_slower_under_load": round(
            median(max(one.references) for one, on in zip(visits, loaded, strict=True) if on)
            / median(max(one.references) for one, on in zip(visits, loaded, strict=True) if not on),
            3,
        ),
    }


if __name__ == "__main__":
    main()
