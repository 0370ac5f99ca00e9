"""The quality phase: finished trials are measured on test sets that came later, with their stored weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from rich.console import Console
from rich.progress import Progress

from search_space import parse_id
from search_space.config import Config
from search_space.errors import StoreLost, SweepError
from search_space.facts import Quality
from search_space.visible import visible
from sweep.planning.open_sweep import OpenSweep
from workers.data.image_set import ImageSet
from workers.quality.protocol import evaluate
from workers.training.weights import load


def measure_quality(
    sweep: OpenSweep, *, quiet: bool = False, measured_trial: Callable[[int], None] = lambda trial: None
) -> int:
    """Evaluate the weights of finished trials on each test set they have no measurements of.

    Nothing is trained. Returns how many trials were measured; each is stored at once, so a stop loses one trial's
    measurements. A trial whose weights are missing or damaged is named on stderr and passed over. ``measured_trial``
    gets the id of each that was measured.
    """
    missing: dict[int, list[ImageSet]] = defaultdict(list)
    for images in sweep.data.tests:
        for trial in sweep.unmeasured(images):
            missing[trial].append(images)
    if not missing:
        return 0
    console = Console(stderr=True)
    # By scale: of a large set only one scale's images are kept prepared.
    configs = {row.id: parse_id(row.key.config) for row in sweep.trials() if row.id in missing}
    measured = 0
    with Progress(console=console, disable=quiet) as bar:
        names = ", ".join(images.name for images in sweep.data.tests)
        task = bar.add_task(f"measuring on {names}", total=len(missing))
        for trial in sorted(missing, key=lambda trial: (configs[trial].scale, trial)):
            config = configs[trial]
            try:
                qualities = _measure(sweep, trial, config, missing[trial])
            except StoreLost:
                raise
            except SweepError as error:
                console.print(
                    visible(f"{config.id} is not measured: {error}"), style="yellow", markup=False, highlight=False
                )
            else:
                sweep.store.add_trial_qualities(trial, qualities)
                measured_trial(trial)
                measured += 1
            bar.advance(task)
    return measured


def _measure(sweep: OpenSweep, trial: int, config: Config, sets: list[ImageSet]) -> list[Quality]:
    weights = sweep.store.artifact(trial)
    if weights is None:
        raise SweepError("its weights are not in the store")
    module = load(config, weights.data)
    return [quality for images in sets for quality in evaluate(config, module, images)]
