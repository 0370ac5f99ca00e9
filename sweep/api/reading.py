"""Look at what a database holds: results, the frontier, charts. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import kinds
from analysis.charts import output as files
from analysis.measures.frontier import frontier as non_dominated
from analysis.reading.results import Results, gather_means
from analysis.reading.selection import Selection, two_sweeps
from results_db.connection.urls import parse
from results_db.store import opened
from search_space.errors import SweepError
from sweep.api.arguments import DEFAULT_DB, many
from sweep.planning.user_families import stored_config

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from results_db.store import Store


def results(
    db: str | Path | Store = DEFAULT_DB,
    *,
    sweep: int | str | None = None,
    source: str | None = None,
    device: str | None = None,
    backend: str | None = None,
    precision: str | None = None,
    protocol: str | None = None,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """All results as a pandas frame: one row per finished trial, quality protocol and measured speed.

    Args:
        db: Address or path of the results database, or an open ``Store``.
        sweep: One sweep, by name or number; default all.
        source: ``ours``, ``re-evaluated`` or ``published``; default all.
        device: Only speeds of this device.
        backend: Only speeds of this backend.
        precision: Only speeds of this precision.
        protocol: Only quality by this protocol.
        metrics: Only these quality columns, such as ``["psnr:Set5"]``: faster with many trials.

    Returns:
        A frame with ``trial``, ``config``, ``family``, ``scale``, ``source``, ``sweep``, ``seed``, ``recipe``,
        ``seconds`` (of training), ``steps``, ``flags``, ``protocol``, a column per metric and test set
        (``"psnr:Set5"`` in dB), ``device``, ``backend``, ``precision``, ``speed_protocol``, ``fps`` (frames/s),
        ``seconds_median`` (s), ``power_w`` (W), ``energy_j`` (J per frame), ``memory_mib`` (MiB) and more; NaN where
        something is not known.

    Raises:
        StoreError: The database cannot be read, or holds no such sweep.

    Example:
        >>> import sweep
        >>> table = sweep.results("sweep.db")
        >>> table["config"].tolist()
        ['eSR-MAX_s2_K3_C1', 'eSR-MAX_s2_K3_C2', 'eSR-MAX_s2_K3_C3']
        >>> bool((table["psnr:embedded-test"] > 0).all()), bool((table["fps"] > 0).all())
        (True, True)
    """
    from results_db.reading import frames

    with opened(db, readonly=True) as store:
        return frames.results(store, sweep, source, device, backend, precision, protocol, metrics)


def frontier(
    db: str | Path | Store = DEFAULT_DB,
    *,
    scale: int,
    device: str | None = None,
    metric: str | None = None,
    x: str = "fps",
    family: str | Sequence[str] = (),
    backend: str | None = None,
    precision: str | None = None,
    protocol: str | None = None,
    speed_protocol: str | None = None,
    source: str | None = None,
    sweep: int | str | None = None,
    undisturbed_only: bool = False,
) -> pd.DataFrame:
    """The models that no other beats in both cost and quality.

    Args:
        db: Address or path of the results database, or an open ``Store``.
        scale: 2, 3 or 4.
        device: Whose speed; may be left out where only one was measured.
        metric: Such as ``psnr:Set14``; default the most complete, PSNR first.
        x: The cost: ``fps`` (more is better), ``power``, ``energy``, ``parameters``, ``macs`` or ``memory``.
        family: Only these families.
        backend: Only speeds of this backend.
        precision: Only speeds of this precision.
        protocol: Of the quality; default that of most results.
        speed_protocol: Such as ``fullhd14``; default that of most models.
        source: ``ours``, ``re-evaluated`` or ``published``; default the first of these that has results.
        sweep: One sweep, by name or number; default all of the source.
        undisturbed_only: Leave out speeds that were measured while the machine was busy.

    Returns:
        Rows of ``results`` with seeds averaged, best in ``x`` first, with ``parameters`` and ``macs_full_hd``. Where
        ``disturbed`` is true, the machine was busy while the speed was measured.

    Raises:
        StoreError: The database cannot be read, or holds no such sweep.
        SweepError: There are no such results; the message names those there are.

    Example:
        >>> import sweep
        >>> rows = sweep.frontier("sweep.db", scale=2, x="parameters")
        >>> rows.iloc[0]["config"], bool(rows["psnr:embedded-test"].is_monotonic_increasing)  # the smallest comes first
        ('eSR-MAX_s2_K3_C1', True)
    """
    selection = Selection(
        sweep=sweep_name(sweep),
        source=source,
        device=device,
        backend=backend,
        precision=precision,
        metric=metric,
        protocol=protocol,
        speed_protocol=speed_protocol,
        scales=(scale,),
        families=many(family),
        x=x,
        undisturbed_only=undisturbed_only,
    )
    with opened(db, readonly=True) as store:
        gathered = gather_means(store, selection)
    quality, cost = gathered.metric(metric), gathered.cost(x)
    if cost.measured:
        chosen = device or only_device(gathered)
        table = gathered.table[gathered.table["device"] == chosen]
    else:
        table = gathered.table.drop_duplicates(subset="config")
    points = table[[cost.column, quality.column]].to_numpy(dtype=float)
    members = non_dominated(points, (cost.more_is_better, quality.more_is_better)).members
    return table.iloc[list(members)].reset_index(drop=True)


def only_device(gathered: Results) -> str:
    """The device whose speed was measured. Raises SweepError when there is none, or more than one."""
    if len(gathered.devices) == 1:
        return gathered.devices[0]
    if not gathered.devices:
        raise SweepError("no speed was measured yet: sweep benchmark does it")
    raise SweepError(f"speed belongs to a device: choose one with --device ({', '.join(gathered.devices)})")


def plot(
    kind: str = "pareto",
    db: str | Path | Store = DEFAULT_DB,
    *,
    out: str | Path | None = None,
    device: str | None = None,
    metric: str | None = None,
    scale: int | Sequence[int] = (),
    family: str | Sequence[str] = (),
    x: str = "fps",
    source: str | None = None,
    against: str | None = None,
    sweep: int | str | Sequence[int | str] | None = None,
    backend: str | None = None,
    precision: str | None = None,
    protocol: str | None = None,
    speed_protocol: str | None = None,
    config: str | Sequence[str] = (),
    weights: str | Path | Sequence[str | Path] = (),
    image: str | Path | None = None,
    crop: tuple[int, int, int, int] | None = None,
    undisturbed_only: bool = False,
    notice: Callable[[str], None] | None = None,
) -> Figure:
    """Draw a chart. A sweep that is not finished is drawn too, and the chart says how much of it is there.

    Args:
        kind: ``pareto``, ``filters``, ``templates``, ``crops``, ``compare``, ``devices`` or ``growth``.
        db: Address or path of the results database, or an open ``Store``.
        out: Also write it there: ``.png``, ``.svg`` or ``.pdf``.
        device: One device; default all.
        metric: Such as ``psnr:Set14``; default the most complete, PSNR first.
        scale: Only these scales.
        family: Only these families.
        x: The cost: ``fps``, ``power``, ``energy``, ``parameters``, ``macs`` or ``memory``.
        source: ``ours``, ``re-evaluated`` or ``published``; default the first of these that has results.
        against: For ``compare``: the source to compare with.
        sweep: One sweep, by name or number; default all of the source. For ``compare`` two sweeps, the second against
            the first.
        backend: Only speeds of this backend.
        precision: Only speeds of this precision.
        protocol: Of the quality; default that of most results.
        speed_protocol: Such as ``fullhd14``; default that of most models.
        config: For ``filters``, ``templates`` and ``crops``: the models.
        weights: Weights files that are named after an id, for models whose weights are not in the database.
        image: For ``templates`` and ``crops``: the image to use.
        crop: For ``crops``: left, top, width, height in pixels of the full-size image.
        undisturbed_only: Leave out speeds that were measured while the machine was busy.
        notice: Called with what a person should know: sources that are not shown, speeds that are disturbed.

    Returns:
        A matplotlib ``Figure``, which a notebook shows (after ``%matplotlib inline``).

    Raises:
        StoreError: The database cannot be read, or holds no such sweep.
        SweepError: There is no such chart, nothing to draw, or ``out`` cannot be written.

    Example:
        >>> import sweep
        >>> figure = sweep.plot("pareto", "sweep.db", x="parameters", out="pareto.png")
        >>> figure.axes[0].get_title(loc="left")
        'x2'
    """
    path = None if out is None else Path(out)
    if path is not None:
        files.check(path)
    named = [sweep] if isinstance(sweep, (int, str)) else sweep or ()
    first, second = two_sweeps([str(one) for one in named])
    if second is not None and kind != "compare":
        raise SweepError(f"{kind} shows one sweep: only compare takes two")
    for config_id in many(config):
        stored_config(config_id, db, first)
    selection = Selection(
        sweep=first,
        other_sweep=second,
        source=source,
        device=device,
        backend=backend,
        precision=precision,
        metric=metric,
        protocol=protocol,
        speed_protocol=speed_protocol,
        scales=many(scale),
        families=many(family),
        x=x,
        configs=many(config),
        weights=tuple(Path(file) for file in ([weights] if isinstance(weights, (str, Path)) else weights)),
        image=None if image is None else Path(image),
        crop=crop,
        against=against,
        undisturbed_only=undisturbed_only,
    )
    alone = kind in kinds.FROM_WEIGHTS and bool(selection.weights) and not _exists(db)
    with nullcontext() if alone else opened(db, readonly=True) as store:
        figure = kinds.figure(kind, store, selection, notice)
    if path is not None:
        files.save(figure, path)
    return figure


def _exists(db: str | Path | Store) -> bool:
    """Whether there may be a database; one on a server is looked for when it is opened."""
    path = parse(str(db)).path if isinstance(db, (str, Path)) else None
    return not isinstance(db, (str, Path)) or path is None or path.exists()


def sweep_name(sweep: int | str | None) -> str | None:
    """A sweep's name or number as text."""
    return None if sweep is None else str(sweep)
