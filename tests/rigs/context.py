"""A context over a store of its own, opened and migrated, for tests of use cases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from aggregator.app import open_context
from aggregator.service.context import Context
from aggregator.settings import MasterKind, MasterSettings, Settings, StoreSettings


@asynccontextmanager
async def running_context(
    folder: Path,
    url: str = "",
    *,
    approval: tuple[MasterKind, ...] = (),
    timeout_seconds: float = 10.0,
) -> AsyncIterator[Context]:
    """Yield a context over the store at ``url`` (empty: SQLite in ``folder``), keys in ``folder``.

    ``approval`` are the kinds of master data that take a second person; of most tests none, for
    they are about something else.
    """
    where = SecretStr(url or f"sqlite:///{folder.resolve() / 'aggregator.db'}")
    settings = Settings(
        keys_folder=folder / "keys",
        store=StoreSettings(url=where, timeout_seconds=timeout_seconds),
        master=MasterSettings(approval=approval),
    )
    async with open_context(settings) as context:
        yield context
