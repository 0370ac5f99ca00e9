"""Measure speed on a device and quality of weights: the functions behind ``sweep benchmark`` and ``sweep evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from results_db.store import opened
from search_space import Config
from search_space.errors import BadData, BadWeights
from search_space.facts import Quality
from search_space.spaces import select
from sweep.api.arguments import DEFAULT_DB, many, space_of
from sweep.api.weights_files import EarlierResults, Evaluation, chosen_files, measure_files
from sweep.planning.user_families import stored_configs
from sweep.speed.job import BenchmarkJob, Groups, Notice, measure_here
from sweep.speed.measure_missing import Measured, device_name, missing_job, run_job
from workers.benchmark import SpeedProtocol, varied
from workers.benchmark import protocol as protocol_named
from workers.data.datasets import test_sets
from workers.quality.evaluate_files import read_sets
from workers.quality.protocol import protocol_named as protocol_full_name

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space.spaces import Space


def benchmark(
    configs: str | Config | Iterable[str | Config] | None = None,
    db: str | Path | Store = DEFAULT_DB,
    *,
    device: str | None = None,
    backend: str = "eager",
    precision: str = "fp32",
    space: str | Path | Space = "paper",
    family: str | Sequence[str] = (),
    scale: int | Sequence[int] = (),
    where: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
    protocol: str | SpeedProtocol = "fullhd14",
    size: tuple[int, int] | None = None,
    batch: int | None = None,
    threads: int | None = None,
    channels_last: bool = False,
    plain: bool = False,
    compute: str = "auto",
    again: bool = False,
    disturbed: bool = False,
    address: str | None = None,
    node: str | None = None,
    wait: bool = True,
    progress: Callable[[int], None] = lambda measured: None,
    notice: Callable[[str], None] | None = None,
) -> Measured:
    """Measure speed (and power, memory, temperature where readable) with the whole device to itself.

    No training is needed. Every speed is stored as soon as its group is measured, and the same call again measures only
    what is missing.

    Args:
        configs: Ids or configs; None takes all of ``space``.
        db: Address or path of the results database (made if it is new), or an open ``Store``.
        device: Name under which the speeds are stored; default the node's or the host's name.
        backend: ``eager``, ``compile``, ``cudagraph``, ``onnxruntime``, ``tensorrt``, ``openvino``, ``ncnn`` or
            ``vulkan``.
        precision: ``fp32``, ``fp16``, ``bf16`` or ``int8``.
        space: What to measure when no ``configs`` are given.
        family: Only these families.
        scale: Only these scales.
        where: A filter such as ``"C<=8 and K==3"``.
        limit: The first configs, at most so many.
        sample: So many configs at random, fairly over families and scales.
        seed: Of the sample.
        protocol: ``fullhd14`` (the paper's), ``uhd14`` (4K), ``qhd5`` (quick), or a ``SpeedProtocol``.
        size: Another output size: (width, height) in pixels.
        batch: Images per frame; default 1.
        threads: CPU threads; default every core.
        channels_last: NHWC memory format (torch backends).
        plain: The network as trained, not its deployed form.
        compute: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        again: Measure what is stored already, and replace it.
        disturbed: Measure again what is stored as disturbed (the machine was not quiet).
        address: Ray cluster whose node is measured.
        node: With ``address``: name, IP address or id of the node.
        wait: Wait while another benchmark runs on the machine, rather than refuse.
        progress: Called with the number of configs measured so far.
        notice: Called with what a person should know, such as waiting for another benchmark.

    Returns:
        ``Measured``: ``speeds`` (``Speed`` with ``fps`` in frames/s, ``seconds_median`` in s, ``power_w`` in W,
        ``energy_j`` in J per frame, ``memory_mib`` in MiB; None where not readable), ``failed`` (reason by config id)
        and ``interrupted`` (Ctrl-C ended it; the speeds until then are stored).

    Raises:
        BadConfig: An id names no architecture.
        BadData: An option has an impossible value, or another benchmark runs and ``wait`` is off.
        MissingExtra: The backend is not installed; the message names the pip command.
        StoreError: The database cannot be used.

    Example:
        >>> import sweep
        >>> measured = sweep.benchmark("eSR-MAX_s2_K3_C1", "sweep.db", device="laptop", protocol="qhd5", again=True)
        >>> [(speed.config, speed.fps > 0) for speed in measured.speeds]
        [('eSR-MAX_s2_K3_C1', True)]
    """
    measure = measured_by(address, node)
    chosen = varied(
        protocol_named(protocol) if isinstance(protocol, str) else protocol,
        size=size,
        batch=batch,
        threads=threads,
        channels_last=channels_last,
        plain=plain,
    )
    listed = configs_to_measure(
        db, configs, space, many(family), many(scale), where=where, limit=limit, sample=sample, seed=seed
    )
    job = BenchmarkJob((), device or node or device_name(), backend, precision, chosen, compute, wait)
    with opened(db) as store:
        missing = missing_job(store, listed, job, again=again, disturbed=disturbed)
        return run_job(store, missing, measure, progress=progress, notice=notice)


def configs_to_measure(
    db: str | Path | Store,
    configs: str | Config | Iterable[str | Config] | None,
    space: str | Path | Space,
    family: Sequence[str],
    scale: Sequence[int],
    *,
    where: str | None,
    limit: int | None,
    sample: int | None,
    seed: int,
) -> tuple[Config, ...]:
    """The configs asked for, or else those of a space, that pass the filters."""
    asked = [configs] if isinstance(configs, (str, Config)) else list(configs or ())
    ids = [config if isinstance(config, str) else config.id for config in asked]
    listed: Sequence[Config] = stored_configs(ids, db) or space_of(space)[0].configs
    return select(listed, family, scale, where, limit, sample, seed)


def measured_by(address: str | None, node: str | None) -> Callable[[BenchmarkJob, Notice | None], Groups]:
    """What carries a job out: this machine, or a node of the Ray cluster at ``address``."""
    if address is None:
        if node is not None:
            raise BadData("--node needs --address (the Ray cluster the node is in)")
        return measure_here
    from sweep.speed.on_ray_node import measure_on_node

    return partial(measure_on_node, address=address, node=node)


def _folder(name: str, root: str | Path | None) -> str:
    """A test set's folder: as it was typed where there is one, else the set of that name under the data root."""
    under = None if root is None else Path(root) / name
    return str(under) if under is not None and under.is_dir() and not Path(name).is_dir() else name


def evaluate(
    config: str | Config | None = None,
    weights: str | Path | None = None,
    *,
    weights_dir: str | Path | None = None,
    data: str | Path | Sequence[str | Path] = (),
    data_root: str | Path | None = None,
    metric: str | Sequence[str] = ("psnr", "ssim"),
    protocol: str = "aa",
    db: str | Path | Store | None = None,
    name: str = "re-evaluated",
    strict: bool = False,
    progress: Callable[[int, int], None] = lambda measured, total: None,
    notice: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Measure weights files: PSNR, SSIM and LPIPS of whole images under one named protocol.

    Args:
        config: The id of the config that the weights are of; with ``weights_dir`` only its file.
        weights: One weights file, safetensors or torch (never unpickled).
        weights_dir: Instead: a folder of files that are named after ids.
        data: Folders of test images, names of sets under ``data_root``, or ``embedded-test``; default the paper's test
            sets under ``data_root``, without one ``embedded-test``.
        data_root: Folder of image sets.
        metric: ``psnr``, ``ssim``, ``lpips``.
        protocol: ``aa`` (ours: the filter is renormalised at the border) or ``matlab`` (small images as MATLAB and
            BasicSR make them, mirrored there). Figures of the two are kept apart.
        db: Store the results there; what is stored already is not measured again.
        name: With ``db``: the sweep the results go to.
        strict: Refuse a folder with an unusable file in it.
        progress: Called with how many of (file, test set) are measured, and of how many.
        notice: Called with each file that is skipped and why, and with images that came back exactly.

    Returns:
        An ``Evaluation``: ``qualities`` (``Quality`` with ``config``, ``dataset``, ``metric``, ``value``, ``unit`` (dB
        for PSNR), ``protocol``), ``skipped`` and ``failed``.

    Raises:
        BadWeights: The one file cannot be used, or the folder holds no weights.
        BadConfig: ``config`` is no id, or is missing beside ``weights``.
        BadData: A test set, a metric or a protocol cannot be used.
        StoreError: The database cannot be used.

    Example:
        >>> import sweep
        >>> file = sweep.export("eSR-MAX_s2_K3_C1", "model.safetensors", db="sweep.db", format="safetensors")
        >>> for quality in sweep.evaluate("eSR-MAX_s2_K3_C1", file.path, metric="psnr").qualities:
        ...     print(quality.dataset, quality.unit, quality.value > 0)
        embedded-test dB True
    """
    if (weights is None) == (weights_dir is None):
        raise BadWeights("give either ID --weights FILE or --weights-dir DIR")
    by = protocol_full_name(protocol)
    files, strangers = chosen_files(config, weights, weights_dir)
    named = [str(one) for one in ([data] if isinstance(data, (str, Path)) else data)]
    if named or data_root is None:
        sets, left_out = read_sets([_folder(name, data_root) for name in named] or ["embedded-test"], strict)
    else:
        sets, left_out = test_sets((), data_root, strict), ()
    skipped = (*strangers, *left_out)
    for one in skipped:
        notice(f"skipped {one.name}: {one.reason}")
    metrics = tuple(dict.fromkeys(many(metric))) or ("psnr", "ssim")
    with nullcontext() if db is None else opened(db) as store:
        earlier = None if store is None else EarlierResults(store, name, by)
        qualities, failed = measure_files(files, sets, metrics, earlier, progress, by)
    if failed and weights is not None:
        raise BadWeights(failed[0])
    place = {file.config.id: i for i, file in enumerate(files)}
    order = {images.name: i for i, images in enumerate(sets)}
    qualities.sort(key=lambda q: (place[q.config], order[q.dataset], metrics.index(q.metric)))
    for quality in qualities:
        if quality.exact:
            notice(_exact(quality))
    return Evaluation(tuple(qualities), skipped, tuple(failed))


def _exact(quality: Quality) -> str:
    names, every = quality.exact, len(quality.per_image)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    rest = every - len(names)
    figure = f"the figure is of the other {rest} of {every} images" if rest else "there is no other image"
    return f"{quality.config} gives {shown} of {quality.dataset} back exactly (PSNR is infinite): {figure}"
