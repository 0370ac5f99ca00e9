"""The live page: Starlette serves the same page, and says over server-sent events when the store has changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from analysis.report.content import Content
from analysis.report.page import render
from search_space.errors import SweepError

if TYPE_CHECKING:
    from starlette.applications import Starlette

HOSTS = ["localhost", "127.0.0.1", "[::1]"]
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@dataclass
class Latest:
    """The newest content and its fingerprint; ``read`` makes content from the store and is slow."""

    read: Callable[[], Content]
    content: Content | None = None
    mark: str = ""
    problem: str = ""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def update(self) -> None:
        """Read the store in a thread; wake the listeners when something is new. Trouble keeps the old content."""
        try:
            fresh = await asyncio.to_thread(self.read)
        except SweepError as error:
            self.problem = str(error)
            return
        self.problem = ""
        mark = hashlib.sha256(replace(fresh, made="").to_json().encode()).hexdigest()[:16]
        if mark != self.mark:
            async with self.changed:
                self.content, self.mark = fresh, mark
                self.changed.notify_all()


def application(read: Callable[[], Content], interval_s: float = 2.0) -> Starlette:
    """The dashboard: ``/`` the page, ``/data.json`` its data, ``/events`` a line for each change.

    Only requests that name this machine are answered, so that a page elsewhere cannot reach it by DNS tricks.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, Response, StreamingResponse
    from starlette.routing import Route

    latest = Latest(read)

    async def page(request: Request) -> Response:
        if latest.content is None:
            return HTMLResponse("<p>The store cannot be read yet.</p>", 503, HEADERS)
        return HTMLResponse(await asyncio.to_thread(render, latest.content, True), headers=HEADERS)

    async def data(request: Request) -> Response:
        if latest.content is None:
            return Response(json.dumps({"error": latest.problem}), 503, HEADERS, "application/json")
        return Response(latest.content.to_json(), media_type="application/json", headers=HEADERS)

    async def events(request: Request) -> Response:
        return StreamingResponse(_events(latest), media_type="text/event-stream", headers=HEADERS)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await latest.update()
        task = asyncio.create_task(_watch(latest, interval_s))
        yield
        task.cancel()

    return Starlette(
        routes=[Route("/", page), Route("/data.json", data), Route("/events", events)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        lifespan=lifespan,
    )


async def _watch(latest: Latest, interval_s: float) -> None:
    """Read again and again; a store that takes long to read is read less often."""
    while True:
        begun = time.monotonic()
        await latest.update()
        await asyncio.sleep(max(interval_s, 5 * (time.monotonic() - begun)))


async def _events(latest: Latest) -> AsyncIterator[str]:
    """A ``change`` event at first and for each new mark; a comment every few seconds to notice who left."""
    seen = ""

    def new() -> bool:
        return latest.mark != seen

    while True:
        try:
            async with latest.changed:
                await asyncio.wait_for(latest.changed.wait_for(new), timeout=10)
            seen = latest.mark
            yield f"event: change\ndata: {seen}\n\n"
        except TimeoutError:
            yield ": still here\n\n"
