"""``python -m analysis.filters``: the filters of eSR-MAX, eSR-TM and eSR-TR, and their frequency responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.charts.filters import ROLES, draw, templates
from analysis.reading.models import Models
from analysis.reading.selection import Selection
from search_space import parse_id
from search_space.errors import SweepError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results_db.store import Store


def figure(store: Store | None, selection: Selection) -> Figure:
    """The templates of the one config asked for, or of the first there is. Raises SweepError without weights."""
    models = Models(store, selection.weights, selection.sweep)
    config = one_of(models, selection)
    module = models.require(config)
    weight = next(iter(module.state_dict().values())).double().numpy()
    known = parse_id(config)
    return draw(config, known.scale, templates(weight, known.scale, ROLES[known.family]))


def one_of(models: Models, selection: Selection) -> str:
    """The config to look into: the one asked for, or the eSR-TM (or other one-layer) model with most templates."""
    if len(selection.configs) > 1:
        raise SweepError("one --config at a time")
    if selection.configs:
        family = parse_id(selection.configs[0]).family
        if family not in ROLES:
            raise SweepError(f"{family} has no templates: choose a config of {', '.join(ROLES)}")
        return selection.configs[0]
    there = models.of_families(selection.families or ROLES)
    there = [c for c in there if not selection.scales or parse_id(c).scale in selection.scales]
    there = [c for c in there if c in models.files or models.get(c) is not None]
    if not there:
        raise SweepError(f"there are no weights of {', '.join(ROLES)} here: name --config ID or --weights FILE")
    return max(there, key=lambda c: (parse_id(c).family == "eSR-TM", parse_id(c).values["C"]))


if __name__ == "__main__":
    from analysis.script import main

    main("filters")
