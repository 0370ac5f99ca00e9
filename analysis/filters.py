"""``python -m analysis.filters``: the filters of eSR-MAX, eSR-TM and eSR-TR, and their frequency responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.charts.filters import ROLES, draw, templates
from analysis.reading.models import Models
from analysis.reading.selection import Ask
from search_space import parse_id
from search_space.errors import SweepError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results_db.store import Store


def figure(store: Store, ask: Ask) -> Figure:
    """The templates of the one config asked for, or of the first there is. Raises SweepError without weights."""
    models = Models(store, ask.weights, ask.sweep)
    config = one_of(models, ask)
    module = models.require(config)
    weight = next(iter(module.state_dict().values())).double().numpy()
    known = parse_id(config)
    return draw(config, known.scale, templates(weight, known.scale, ROLES[known.family]))


def one_of(models: Models, ask: Ask) -> str:
    """The config to look into: the one asked for, or the eSR-TM (or other one-layer) model with most templates."""
    if len(ask.configs) > 1:
        raise SweepError("one --config at a time")
    if ask.configs:
        family = parse_id(ask.configs[0]).family
        if family not in ROLES:
            raise SweepError(f"{family} has no templates: choose a config of {', '.join(ROLES)}")
        return ask.configs[0]
    there = models.of_families(ask.families or ROLES)
    there = [c for c in there if not ask.scales or parse_id(c).scale in ask.scales]
    there = [c for c in there if c in models.files or models.get(c) is not None]
    if not there:
        raise SweepError(f"there are no weights of {', '.join(ROLES)} here: name --config ID or --weights FILE")
    return max(there, key=lambda c: (parse_id(c).family == "eSR-TM", parse_id(c).values["C"]))


if __name__ == "__main__":
    from analysis.script import main

    main("filters")
