"""The only writer of the audit trail: who did what, when, from what to what, and why.

An entry is written in the transaction of its act, so neither is there without the other. Entries
are chained by hash, and each is a leaf of the log (21 CFR 11.10(e); EU GMP Annex 11 section 9).
The bytes that are hashed are the canonical JSON of the entry, kept in the log's entries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, NamedTuple

from aggregator.clock import Clock
from aggregator.errors import EvidenceError, InvalidError
from aggregator.model.integration.event import happenings
from aggregator.store import outbox
from aggregator.store.base import Row, Transaction
from aggregator.store.log import EntryKind, append_entry

FIRST_PREVIOUS: Final = bytes(32)
_CALL: Final[ContextVar[Call | None]] = ContextVar("call", default=None)
JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act upon what is recorded."""

    who: str  # the actor's name
    act: str  # what was done: an Act's value, or a finer word
    what: str  # what it was done to: "gateway gw-07", "lot 09506000134352/L1"
    before: JsonValue = None  # None where there was nothing
    after: JsonValue = None  # None where there is nothing any more
    why: str  # the reason that the actor gave


class Call(NamedTuple):
    """A call that is made once, whose acts say so: by who makes it and the key that it has."""

    caller: str
    key: str


@contextmanager
def made_by(call: Call) -> Iterator[None]:
    """Let every act of the caller within the block be that call's, for good once it is committed.

    So a process that ends between the act and its answer leaves a call that is not made again.
    """
    token = _CALL.set(call)
    try:
        yield
    finally:
        _CALL.reset(token)


async def record(tx: Transaction, entry: Entry, clock: Clock) -> int:
    """Write ``entry`` into ``tx``, with the events that tell of it, and return its number.

    Raises InvalidError for an entry without a name, an act, a subject or a reason.
    """
    for name in ("who", "act", "what", "why"):
        if not getattr(entry, name).strip():
            raise InvalidError(
                f"the audit trail needs to know {name}", hint="give a reason in words of your own"
            )
    last = await tx.fetch_one("audit.last")
    sequence = 0 if last is None else last["sequence"] + 1
    previous = FIRST_PREVIOUS if last is None else last["hash"]
    now = clock.now()
    fields = {
        "sequence": sequence,
        "record_time": now,
        "who": entry.who,
        "act": entry.act,
        "what": entry.what,
        "before": None if entry.before is None else canonical(entry.before),
        "after": None if entry.after is None else canonical(entry.after),
        "why": entry.why,
    }
    data = _data(fields, previous)
    position = await append_entry(tx, EntryKind.AUDIT, data)
    await tx.execute(
        "audit.add",
        **fields,
        position=position,
        previous=previous,
        hash=hashlib.sha256(data).digest(),
    )
    call = _CALL.get()
    if call is not None and call.caller == entry.who:
        await tx.execute("answers.acted", caller=call.caller, key=call.key)
    told = happenings(entry.act, entry.what, entry.before, entry.after)
    await outbox.tell(tx, told, now=now)
    return sequence


async def check(tx: Transaction) -> int:
    """Return how many entries there are if every one follows from the one before.

    Raises EvidenceError that names the first entry that does not.
    """
    previous, expected, after = FIRST_PREVIOUS, 0, -1
    while rows := await tx.fetch("audit.after", sequence=after, count=_PAGE):
        for row in rows:
            if row["sequence"] != expected or not _holds(row, previous):
                raise EvidenceError(
                    f"entry {expected} of the audit trail was altered or removed",
                    hint="compare it with the log's entry at its position, and with a backup",
                )
            previous, after = row["hash"], expected
            expected += 1
    return expected


def canonical(value: JsonValue) -> str:
    """Return the one JSON text of ``value``: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


_PAGE: Final = 1_000
_FIELDS: Final = ("sequence", "record_time", "who", "act", "what", "before", "after", "why")


def _data(fields: dict[str, int | str | None], previous: bytes) -> bytes:
    return canonical({**fields, "previous": previous.hex()}).encode()


def _holds(row: Row, previous: bytes) -> bool:
    data = _data({name: row[name] for name in _FIELDS}, previous)
    return bool(row["previous"] == previous and row["hash"] == hashlib.sha256(data).digest())
