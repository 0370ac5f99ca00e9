"""``sweep dashboard``: the report, live, while a sweep runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_space.errors import SweepError
from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, OneSweep

if TYPE_CHECKING:
    from results_db.store import Store


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("dashboard")(dashboard)


def dashboard(
    db: Db = DEFAULT_DB,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on this machine; 0 takes a free one.")
    ] = 8765,
    sweep: OneSweep = None,
    interval: Annotated[float, typer.Option("--interval", min=0.2, help="Seconds between looks at the store.")] = 2.0,
    crops: Annotated[int, typer.Option("--crops", min=0, help="Most models with a sample crop.")] = 30,
) -> None:
    """Serve the report on this machine and keep it up to date. The database is only read; Ctrl-C ends it.

    From another machine: ssh -L 8765:localhost:8765 HOST

    Example: sweep dashboard --db sweep.db
    """
    import socket

    import uvicorn

    from analysis.reading.selection import Selection
    from analysis.report.content import Content, content
    from analysis.report.live import application
    from analysis.report.samples import Samples
    from results_db.store import Store

    store = Store.open(db, readonly=True)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError as error:
            raise SweepError(f"port {port} cannot be used: {error.strerror} (choose another with --port)") from None

        def read() -> Content:
            page = content(store, Selection(sweep=sweep), samples=Samples(crops))
            return replace(page, health=page.health | progress(store, sweep))

        output.note(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        # Event streams never end by themselves, so they are cut soon after Ctrl-C.
        settings = uvicorn.Config(application(read, interval), log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(settings).run(sockets=[listener])
    finally:
        listener.close()
        store.close()


def progress(store: Store, sweep: str | None) -> dict[str, Any]:
    """How far the training of one sweep is (the newest without a name), as ``sweep status`` has it; nothing where
    there is none of ours."""
    from sweep.cli.status import gather, training_in_words

    try:
        facts = gather(store, sweep, failed=False)
    except SweepError:
        return {}
    if "steps_planned" not in facts:
        return {}
    workers = [[w["driver"], w["node"], w["device"], w["number"], w["doing"]] for w in facts["workers"]]
    return {"share": facts["share_trained"], "steps": training_in_words(facts), "workers": workers}
