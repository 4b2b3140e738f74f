"""The composition root: the only file that names a concrete store and knows who needs whom."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import structlog
import uvicorn

from aggregator.clock import Clock, SystemClock
from aggregator.errors import SettingsError
from aggregator.ingest.checkpointer import Checkpointer
from aggregator.ingest.indexer import Indexer
from aggregator.ingest.intake import Intake
from aggregator.ingest.link import BrokerLink, take_messages
from aggregator.ops.events.delivery import Delivery
from aggregator.service.context import Context
from aggregator.service.master.dictionary import adopt
from aggregator.settings import Settings, StoreSettings
from aggregator.store.base import Store
from aggregator.store.keys import load_keys
from aggregator.store.postgres import PostgresStore
from aggregator.store.segments import ReadingIndex
from aggregator.store.sqlite import SqliteStore


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
    try:
        await store.open()
        await store.migrate()
        yield Context(
            store=store,
            index=ReadingIndex(),
            clock=clock or SystemClock(),
            settings=settings,
            keys=keys,
        )
    finally:
        await store.close()


async def run(settings: Settings) -> None:
    """Run the aggregator until SIGTERM or SIGINT."""
    async with open_context(settings) as context:
        await adopt(context)
        store, keys, clock = context.store, context.keys, context.clock
        link = BrokerLink(settings.broker, settings.intake)
        intake = Intake(store, keys, clock, settings.intake)
        stopped = _stop_signal()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(link.run(intake.receipts), name="broker"),
                group.create_task(take_messages(link, intake), name="intake"),
                group.create_task(Indexer(store, clock, settings.segments).run(), name="index"),
                group.create_task(
                    Checkpointer(store, keys, clock, settings.log).run(), name="checkpoints"
                ),
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
    config = uvicorn.Config(
        create_app(context),
        host=api.host,
        port=api.port,
        ssl_certfile=None if api.certificate_file is None else str(api.certificate_file),
        ssl_keyfile=None if api.key_file is None else str(api.key_file),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve())
    waiting = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        if not stopped.is_set():
            raise SettingsError(
                f"the web server cannot listen on {api.host}:{api.port}",
                hint="see who else does; change api.port or api.host",
            )
    except SystemExit:
        raise SettingsError(
            f"the web server cannot listen on {api.host}:{api.port}",
            hint="see who else does; change api.port or api.host",
        ) from None
    finally:
        waiting.cancel()


def _stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    return stopped
