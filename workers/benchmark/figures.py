"""A ``Speed`` fact out of the rounds, and ties between facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from search_space.facts import Speed
from workers.benchmark.subject import Subject
from workers.timing import Summary, summarise, ties
from workers.timing_rounds import Choice


def speed(
    subject: Subject,
    place: int,
    choice: Choice,
    batch: int,
    cores: int,
    fixed: Mapping[str, Any],
    about: dict[str, Any],
) -> Speed:
    """The figure of the config at ``place`` in the rounds. ``fixed`` are fields of Speed, ``about`` is detail."""
    rounds = choice.kept
    summary = summarise([t for one in rounds for t in one.times[place]])
    temperatures = [one.reading.temperature_c for one in rounds if one.reading.temperature_c is not None]
    clocks = [one.reading.clock_mhz for one in rounds if one.reading.clock_mhz is not None]
    reference = median(one.reference for one in rounds)
    relative = median(median(one.times[place]) / one.reference for one in rounds)
    energy = subject.energy
    return Speed(
        config=subject.config.id,
        fps=batch / summary.median,
        seconds_median=summary.median,
        seconds_iqr=summary.iqr,
        seconds_min=summary.least,
        runs=summary.n,
        power_w=energy.power_w if energy else None,
        energy_j=energy.energy_j / batch if energy else None,
        memory_mib=subject.memory_mib,
        temperature_c=max(temperatures, default=None),
        cpu_percent=subject.cpu_percent(cores),
        detail={
            "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "warm_frames": len(subject.warm),
            "steady": subject.steady,
            "reference_seconds": reference,
            "relative": relative,
            "rounds": len(rounds),
            "rounds_disturbed": len(choice.disturbed),
            "disturbed": not choice.enough,
            "disturbances": sorted(set(choice.disturbed))[:3],
            "others_percent": round(100 * max(one.window.others_share for one in rounds), 2),
            "clock_mhz": median(clocks) if clocks else None,
            **about,
        },
        **fixed,
    )


def with_ties(speeds: Sequence[Speed]) -> list[Speed]:
    """The same figures, each with the ids in ``detail["tied_with"]`` whose interval overlaps its own."""
    found = ties({one.config: summary_of(one).interval for one in speeds})
    return [replace(one, detail={**one.detail, "tied_with": list(found[one.config])}) for one in speeds]


def summary_of(speed: Speed) -> Summary:
    """The times behind a fact."""
    middle = speed.seconds_median if speed.seconds_median is not None else 1 / speed.fps
    return Summary(middle, speed.seconds_iqr or 0.0, speed.seconds_min or middle, speed.runs or 1)
