"""The quality phase: finished trials are measured on test sets that came later, with their stored weights."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress

from results_db.store import Store
from search_space import parse_id
from search_space.errors import SweepError
from workers.data.image_set import ImageSet
from workers.quality.protocol import PROTOCOL, evaluate
from workers.training.weights import load


def measure_quality(
    store: Store, sweep_id: int, tests: Sequence[ImageSet], only: frozenset[int] | None = None, *, quiet: bool = False
) -> int:
    """Evaluate the weights of finished trials (of ``only``, if given) on each set they have no figure of.

    Nothing is trained. Returns how many trials got figures; each is written at once, so a stop loses one trial's.
    A trial whose weights are not there or damaged is named on stderr and passed over.
    """
    wanted: dict[int, list[ImageSet]] = {}
    for images in tests:
        for trial in store.unmeasured(sweep_id, images.name, "psnr", PROTOCOL):
            if only is None or trial in only:
                wanted.setdefault(trial, []).append(images)
    if not wanted:
        return 0
    console = Console(stderr=True)
    # By scale: of a large set only one scale's images are kept prepared.
    configs = {row.id: parse_id(row.key.config) for row in store.trials(sweep_id) if row.id in wanted}
    measured = 0
    with Progress(console=console, disable=quiet) as bar:
        task = bar.add_task(f"measuring on {', '.join(images.name for images in tests)}", total=len(wanted))
        for trial in sorted(wanted, key=lambda number: (configs[number].scale, number)):
            config = configs[trial]
            try:
                weights = store.artifact(trial)
                if weights is None:
                    raise SweepError("its weights are not in the store")
                module = load(config, weights.data)
                figures = [figure for images in wanted[trial] for figure in evaluate(config, module, images)]
            except SweepError as error:
                console.print(f"{config.id} is not measured: {error}", style="yellow", markup=False, highlight=False)
            else:
                store.add_trial_qualities(trial, figures)
                measured += 1
            bar.advance(task)
    return measured
