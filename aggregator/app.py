"""The composition root: the only file that names a concrete store and knows who needs whom."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import structlog
import uvicorn

from aggregator.clock import Clock, SystemClock
from aggregator.errors import SettingsError
from aggregator.ingest.checkpointer import Checkpointer
from aggregator.ingest.decisions import Decisions
from aggregator.ingest.indexer import Indexer
from aggregator.ingest.intake import Intake
from aggregator.ingest.link import BrokerLink, take_messages
from aggregator.ops.events.delivery import Delivery
from aggregator.ops.rebinder import Rebinder
from aggregator.ops.renewals import Renewals
from aggregator.ops.rollouts import Rollouts
from aggregator.service.context import Context
from aggregator.service.integration.receivers import keep_broker
from aggregator.service.master.dictionary import adopt
from aggregator.settings import Settings, StoreSettings
from aggregator.store.base import Store
from aggregator.store.keys import load_keys
from aggregator.store.postgres import PostgresStore
from aggregator.store.segments import ReadingIndex
from aggregator.store.sqlite import SqliteStore
from aggregator.store.workers import Workers

T = TypeVar("T")
_ANSWERED_S: Final = 2  # for the requests that the web server has begun to answer
_SWITCH_S: Final = 0.0005
"""Longest that a thread which reckons keeps the others from the interpreter.

A commit changes hands between threads some twenty times: by Python's own 5 ms, one that builds the
index would hold it up for a hundred."""
_ENDS_S: Final = 4.0  # from the signal, then nothing is waited for any more


def make_store(settings: StoreSettings) -> Store:
    """Return the store that the URL names, not open yet; SettingsError for a URL of no store."""
    url = settings.url.get_secret_value()
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        path = Path(parts.path.removeprefix("/"))
        return SqliteStore(
            path.expanduser(), readers=settings.readers, timeout_seconds=settings.timeout_seconds
        )
    if parts.scheme in ("postgresql", "postgres"):
        return PostgresStore(
            url, readers=settings.readers, timeout_seconds=settings.timeout_seconds
        )
    raise SettingsError(
        f"store.url begins with {parts.scheme or 'nothing'}://, which is no store",
        hint="write sqlite:///<path>, with four slashes for an absolute path, or postgresql://...",
    )


@asynccontextmanager
async def open_context(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Context]:
    """Open the store, bring its schema up to date, load the keys, and close all at the end."""
    keys = load_keys(settings.keys_folder)
    store = make_store(settings.store)
    records = settings.records
    workers = Workers(records.processes, timeout_seconds=records.timeout_seconds)
    try:
        await store.open()
        await store.migrate()
        yield Context(
            store=store,
            index=ReadingIndex(),
            clock=clock or SystemClock(),
            settings=settings,
            keys=keys,
            workers=workers,
        )
    finally:
        workers.close()
        await store.close()


async def run(settings: Settings) -> None:
    """Run the aggregator until SIGTERM or SIGINT, and be over within five seconds of it."""
    sys.setswitchinterval(_SWITCH_S)
    stopped = _stop_signal()
    async with AsyncExitStack() as stack:
        context = await _unless(stopped, _open(settings, stack))
        if context is not None:
            await _work(context, stopped)


async def _open(settings: Settings, stack: AsyncExitStack) -> Context:
    context = await stack.enter_async_context(open_context(settings))
    await adopt(context)
    return context


async def _work(context: Context, stopped: asyncio.Event) -> None:
    """Run every part until told to stop; one that fails ends all of them."""
    settings, store, keys, clock = context.settings, context.store, context.keys, context.clock
    await keep_broker(context, wanted=settings.events.mqtt)
    link = BrokerLink(settings.broker, settings.intake)
    intake = Intake(store, keys, clock, settings.intake)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(link.run(intake.receipts), name="broker"),
            group.create_task(take_messages(link, intake), name="intake"),
            group.create_task(Decisions(intake, link.publish).run(), name="decisions"),
            group.create_task(
                Indexer(store, clock, settings.segments, context.workers).run(), name="index"
            ),
            group.create_task(
                Checkpointer(store, keys, clock, settings.log).run(), name="checkpoints"
            ),
            group.create_task(Rebinder(context).run(), name="rebinder"),
            group.create_task(Rollouts(context, link).run(), name="settings"),
            group.create_task(Renewals(context, link).run(), name="certificates"),
            *_deliveries(group, context, link),
            group.create_task(_serve(context, stopped), name="web"),
        ]
        await stopped.wait()
        for task in tasks[:-1]:  # the web server ends by itself, its requests answered
            task.cancel()


def configure_log(*, json: bool) -> None:
    """Write log lines to standard error: for people, or one JSON object a line."""
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if json else []),
            structlog.processors.JSONRenderer() if json else renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class _Server(uvicorn.Server):
    """The web server, whose end is decided here and not by it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def _deliveries(
    group: asyncio.TaskGroup, context: Context, link: BrokerLink
) -> list[asyncio.Task[None]]:
    """Begin to deliver events, where this worker is the one that does."""
    if not context.settings.events.deliver:
        return []
    return [group.create_task(Delivery(context, link).run(), name="events")]


async def _serve(context: Context, stopped: asyncio.Event) -> None:
    from aggregator.site import create_app  # the commands that serve nothing start sooner without

    api = context.settings.api
    try:
        listening = socket.create_server(
            (api.host, api.port), family=socket.AF_INET6 if ":" in api.host else socket.AF_INET
        )
    except OSError as error:
        raise SettingsError(
            f"the web server cannot listen on {api.host}:{api.port}: {error.strerror}",
            hint="see who else does; change api.port or api.host",
        ) from None
    with listening:
        config = uvicorn.Config(
            create_app(context),
            ssl_certfile=None if api.certificate_file is None else str(api.certificate_file),
            ssl_keyfile=None if api.key_file is None else str(api.key_file),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_ANSWERED_S,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await _unless(stopped, asyncio.shield(serving))
            server.should_exit = True
            await serving
        finally:
            serving.cancel()  # where another part failed nobody waits for answers
    if not stopped.is_set():
        raise SettingsError("the web server ended by itself", hint="the log says why")


async def _unless(stopped: asyncio.Event, work: Awaitable[T]) -> T | None:
    """Return what ``work`` returns; where ``stopped`` is set before, cancel it and return None."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)


def _stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; the process ends soon after in any case."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not stopped.is_set():
            stopped.set()
            last = threading.Timer(_ENDS_S, _end_now)
            last.daemon = True
            last.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    return stopped


def _end_now() -> None:
    """End without waiting for a thread that hangs in a disk, a lock or a name server.

    Nothing is lost by it: whatever was acknowledged is durable at every moment, as for a power cut.
    """
    structlog.get_logger(__name__).warning("ended without waiting for what hangs")
    sys.stderr.flush()
    os._exit(0)
