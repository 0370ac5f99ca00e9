"""Two full passes over the same configs: do they agree? And are rounds under a background load noticed?

python benchmarks/repeatability.py [--quick]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from statistics import median

from _bench import SMALL, Neighbours, load, protocol_facts, sample, spearman
from _record import record

from search_space import parse_id
from workers.benchmark import REFERENCE, Session, SpeedProtocol
from workers.benchmark.lock import whole_machine
from workers.timing_rounds import reasons

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
        # Groups that were measured again come last: by config.
        passes = (
            {s.config: s for g in Session("bench", protocol=protocol).measure(configs) for s in g} for _ in range(2)
        )
        first, second = ([found[config.id] for config in configs] for found in passes)
        detection = detect(4 if quick else 8, protocol)
    a = [s.seconds_median or 0.0 for s in first]
    b = [s.seconds_median or 0.0 for s in second]
    difference = [abs(y / x - 1) for x, y in zip(a, b, strict=True)]
    relative = [abs(y.detail["relative"] / x.detail["relative"] - 1) for x, y in zip(first, second, strict=True)]
    figures = {
        "configs": len(configs),
        "spearman": round(spearman(a, b), 5),
        "median_difference": round(median(difference), 5),
        "worst_difference": round(max(difference), 5),
        "median_difference_of_times_over_reference": round(median(relative), 5),
        "rounds_disturbed_and_repeated": sum(s.detail["rounds_disturbed"] for s in (*first, *second)) // protocol.group,
        "disturbances": sorted({why for s in (*first, *second) for why in s.detail["disturbances"]})[:8],
        "configs_left_disturbed": sum(bool(s.detail["disturbed"]) for s in (*first, *second)),
        **detection,
        **protocol_facts(protocol),
        **neighbours.facts(),
        "rows": [
            {"config": x.config, "first_s": x.seconds_median, "second_s": y.seconds_median, "iqr_s": x.seconds_iqr}
            for x, y in zip(first, second, strict=True)
        ],
    }
    if not quick:
        print(record("repeatability", figures, ("torch", "numpy", "psutil")))
    print({key: value for key, value in figures.items() if key != "rows"})


def detect(pairs: int, protocol: SpeedProtocol) -> dict[str, object]:
    """Rounds with and without one busy neighbour process, in turn: how many of each are called disturbed."""
    session = Session("bench", protocol=protocol)
    names = ("eSR-MAX_s2_K3_C4", "ESPCN_s2_D4_S12", "FSRCNN_s3_D6_S3_M1", "eSR-TM_s3_K5_C4", "eSR-CNN_s4_C2_D3_S6")
    rounds, loaded = [], []
    reference = session._subject(parse_id(REFERENCE))
    subjects = session._subjects([parse_id(name) for name in names])
    for i in range(2 * pairs):
        if i % 2:
            with load(1):
                rounds.append(session._round(subjects, reference))
        else:
            time.sleep(0.5)
            rounds.append(session._round(subjects, reference))
        loaded.append(bool(i % 2))
    found = [reason is not None for reason in reasons(rounds)]
    return {
        "disturbed_detected": sum(f for f, on in zip(found, loaded, strict=True) if on) / pairs,
        "false_alarms": sum(f for f, on in zip(found, loaded, strict=True) if not on) / pairs,
        "loaded_rounds": pairs,
        "quiet_rounds": pairs,
        "load": "one other process keeping one core busy",
        "reference_slower_under_load": round(
            median(r.reference for r, on in zip(rounds, loaded, strict=True) if on)
            / median(r.reference for r, on in zip(rounds, loaded, strict=True) if not on),
            3,
        ),
    }


if __name__ == "__main__":
    main()
