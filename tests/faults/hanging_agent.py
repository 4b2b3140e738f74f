"""An agent that stands still from the moment on at which a file appears.

LOTPROOF_TEST_HANG names the file, and by its suffix what stands still: ``.loop`` (a driver that
blocks the event loop), ``.storage`` (the disk's thread) or ``.sealer``. Once it does, the file has
content. Run as ``python -m tests.faults.hanging_agent run --settings ...``.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge_agent.__main__ import main
from edge_agent.buffer.buffer import Buffer
from edge_agent.sealing.inbox import Entry, Inbox
from edge_agent.sealing.sealer import Sealer

_FROM: Final = Path(os.environ.get("LOTPROOF_TEST_HANG", ""))


def stands_still() -> bool:
    """Tell whether it is time; say so in the file."""
    if not _FROM.exists():
        return False
    _FROM.write_text("stands still", encoding="utf-8")
    return True


def _blocking(work: Callable[..., Any]) -> Callable[..., Any]:
    def blocked(*given: Any, **named: Any) -> Any:
        if stands_still():
            threading.Event().wait()
        return work(*given, **named)

    return blocked


async def _cut(sealer: Sealer, cut: Callable[[Sealer], Any] = Sealer.cut) -> None:
    if stands_still():
        await asyncio.Event().wait()
    await cut(sealer)


def plant() -> None:
    """Put the standstill where the file's name says."""
    match _FROM.suffix:
        case ".loop":
            offer: Callable[[Inbox, Entry], bool] = Inbox.offer
            setattr(Inbox, "offer", _blocking(offer))  # noqa: B010 # a method is not to be replaced
        case ".storage":
            setattr(Buffer, "append", _blocking(Buffer.append))  # noqa: B010 # likewise
        case ".sealer":
            setattr(Sealer, "cut", _cut)  # noqa: B010 # likewise
        case other:
            raise ValueError(f"nothing stands still at {other!r}")


if __name__ == "__main__":
    plant()
    main()
