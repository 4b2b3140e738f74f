"""What was refused is kept once, counted, and said aloud once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import structlog

from aggregator import metrics
from aggregator.ingest.verify import Refused
from aggregator.model.integration.event import quarantined
from aggregator.store.base import Transaction
from aggregator.store.outbox import tell
from protocols.wire.reading import Nanoseconds

_log: Final = structlog.get_logger(__name__)
_TOPIC_BYTES_MAX: Final = 1024


def digest(refused: Refused) -> bytes:
    """Return the name under which a refused message is kept: the same for a repeat."""
    topic = refused.message.topic.encode(errors="surrogatepass")
    return hashlib.sha256(topic + b"\0" + refused.message.payload).digest()


class Quarantine:
    """Keeps refused messages, up to a bound on their bytes in all."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept: int | None = None  # counted once: whoever floods us must not make us count

    async def keep(
        self, tx: Transaction, refused: Sequence[Refused], *, now: Nanoseconds
    ) -> list[Refused]:
        """Write what was refused and return what had not been seen before.

        Beyond the bound the message itself is left out: its hash, size and reason are kept still.
        """
        if not refused:
            return []
        kept = self._kept
        if kept is None:
            row = await tx.fetch_one("quarantine.kept_bytes")
            kept = 0 if row is None else int(row["bytes"])
        fresh = []
        for each in refused:
            name, payload = digest(each), each.message.payload
            known = await tx.fetch_one("quarantine.known", digest=name) is not None
            room = kept + len(payload) <= self._bytes_max
            if not known:
                fresh.append(each)
                kept += len(payload) if room else 0
            await tx.execute(
                "quarantine.add",
                digest=name,
                check_number=int(each.check),
                reason=each.reason,
                message=_printable(each.text),
                topic=_printable(each.message.topic),
                gateway=_claimed(each.message.topic),
                size=len(payload),
                bytes=payload if room else None,
                record_time=now,
            )
        self._kept = kept
        claims = Counter(_claimed(each.message.topic) or "unknown" for each in fresh)
        await tell(tx, (quarantined(name, count) for name, count in claims.items()), now=now)
        return fresh


def report(refused: Sequence[Refused], fresh: Sequence[Refused]) -> None:
    """Count every refusal and say each new one once, after it was committed."""
    for each in refused:
        metrics.QUARANTINED.labels(check=str(int(each.check)), reason=each.reason).inc()
    for each in fresh:
        _log.warning(
            "a message was quarantined",
            check=int(each.check),
            reason=each.reason,
            text=_printable(each.text),
            topic=_printable(each.message.topic),
            size=len(each.message.payload),
            digest=digest(each).hex()[:16],
        )


def _claimed(topic: str) -> str | None:
    """Return the gateway that a topic names; nobody has proved it."""
    parts = topic.split("/")
    return _printable(parts[2])[:64] if len(parts) == 4 else None


def _printable(text: str) -> str:
    """Return text that every store and every terminal can take."""
    clean = text.encode(errors="replace").decode()[:_TOPIC_BYTES_MAX]
    return "".join(letter if letter.isprintable() else "?" for letter in clean)
