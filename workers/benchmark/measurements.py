"""From visits to a network to a ``Speed`` fact, and ties between facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from search_space.facts import Speed
from workers.benchmark.subject import Subject
from workers.timing.disturbance import VisitChoice
from workers.timing.sensor_summary import missing, sensed
from workers.timing.statistics import Summary, summarise, ties


def speed(
    subject: Subject,
    choice: VisitChoice,
    batch: int,
    cores: int,
    fixed: Mapping[str, Any],
    about: dict[str, Any],
) -> Speed:
    """The speed of a config from its visits. ``fixed`` are fields of Speed, ``about`` is detail.

    ``about["missing"]`` has a reason for each value that may be missing; only those of missing values are kept.
    """
    visits = choice.kept
    summary = summarise([t for one in visits for t in one.seconds])
    energy, seen = subject.energy, sensed(visits)
    values: dict[str, Any] = {
        "power_w": energy.power_w if energy else None,
        "energy_j": energy.energy_j / batch if energy and energy.energy_j is not None else None,
        "memory_mib": subject.memory_mib,
        "temperature_c": seen.temperature_c,
    }
    held = {"clock_mhz": seen.clock_mhz, "throttled": None if seen.throttled is None else list(seen.throttled)}
    return Speed(
        config=subject.config.id,
        fps=batch / summary.median,
        seconds_median=summary.median,
        seconds_iqr=summary.iqr,
        seconds_min=summary.least,
        runs=summary.n,
        cpu_percent=subject.cpu_percent(cores),
        detail={
            "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "warm_frames": len(subject.warm),
            "steady": subject.steady,
            "reference_seconds": median(one.reference for one in visits),
            "relative": median(one.relative for one in visits),
            "rounds": len(visits),
            "rounds_disturbed": len(choice.disturbed),
            "disturbed": not choice.enough,
            "disturbances": sorted(set(choice.disturbed))[:3],
            "others_percent": round(100 * max(one.window.others_share for one in visits), 2),
            **about,
            **held,
            "missing": missing({**values, **held}, about["missing"]),
        },
        **values,
        **fixed,
    )


def with_ties(speeds: Sequence[Speed]) -> list[Speed]:
    """The same speeds, each with the ids in ``detail["tied_with"]`` whose interval overlaps its own."""
    tied = ties({speed.config: summary_of(speed).interval for speed in speeds})
    return [replace(speed, detail={**speed.detail, "tied_with": list(tied[speed.config])}) for speed in speeds]


def summary_of(speed: Speed) -> Summary:
    """The summary of times that a fact holds."""
    middle = speed.seconds_median if speed.seconds_median is not None else 1 / speed.fps
    return Summary(middle, speed.seconds_iqr or 0.0, speed.seconds_min or middle, speed.runs or 1)
