"""``sweep resume``: go on from the database alone."""

from __future__ import annotations

from functools import partial

import typer

from sweep.cli.options import (
    DEFAULT_DB,
    Address,
    CheckpointEvery,
    Cpus,
    DataVia,
    Db,
    DeviceName,
    ExecutorName,
    Gpus,
    Json,
    MaxAttempts,
    MeasureProtocol,
    MovedDataRoot,
    PackSize,
    Quiet,
    SpeedPhase,
    SweepName,
    Timeout,
    Track,
    Verbose,
    WorkerCount,
)
from workers.checkpointing import CHECKPOINT_EVERY_S


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("resume")(resume)


def resume(
    name: SweepName = None,
    db: Db = DEFAULT_DB,
    data_root: MovedDataRoot = None,
    pack_size: PackSize = None,
    checkpoint_every: CheckpointEvery = CHECKPOINT_EVERY_S,
    executor: ExecutorName = "actors",
    address: Address = "local",
    cpus: Cpus = 1.0,
    gpus: Gpus = "auto",
    workers: WorkerCount = 0,
    max_attempts: MaxAttempts = 3,
    timeout: Timeout = 0.0,
    data_via: DataVia = "store",
    benchmark: SpeedPhase = True,
    device: DeviceName = None,
    speed_protocol: MeasureProtocol = None,
    track: Track = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Do what is missing of a sweep, on this machine or another; only the database is needed.

    ``--data-root`` says where the images are now, if they moved.

    Example: sweep resume --db sweep.db --address auto
    """
    from results_db.store import Store
    from sweep.api.arguments import as_text
    from sweep.api.training import recall
    from sweep.cli.summary import end_with_summary, show
    from sweep.planning.asked import gpus_of
    from sweep.running.launch import Launch, launch
    from sweep.running.resume_command import resume_command

    asked = Launch(
        executor=executor,
        address=address,
        cpus=cpus,
        gpus=gpus_of(gpus),
        workers=workers,
        verbose=verbose,
        pack_size=pack_size,
        max_attempts=max_attempts,
        timeout=timeout,
        benchmark=benchmark,
        device=device,
        data_via=data_via,
        data_root=as_text(data_root),
        speed_protocol=speed_protocol,
        checkpoint_every=checkpoint_every,
        track=tuple(track or ()),
    )
    with Store.open(db, make=False) as store:
        sweep, how = recall(store, name, asked)
        go_on = resume_command(sweep.row, how, db)
        report = launch(sweep, how, quiet=as_json or quiet, on_forced_exit=partial(show, go_on))
        end_with_summary(sweep, report, go_on, as_json)
