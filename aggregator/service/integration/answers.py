"""What calls with an Idempotency-Key were answered, kept for a time, for the caller alone."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aggregator.access import wrapping
from aggregator.access.roles import Actor
from aggregator.errors import ConflictError, InvalidError
from aggregator.service.context import Context
from aggregator.store.base import Row
from protocols.wire.reading import SECOND, Nanoseconds

KEY_CHARACTERS_MAX: Final = 255
UNDER_WAY_SECONDS: Final = 120
"""A call that began before that came to nothing: its process ended before it was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def begin(context: Context, actor: Actor, key: str, request: bytes) -> Answer | None:
    """Return what the same call was answered before; None where it is to be made now.

    ``request`` is all that makes a call the same. Raises InvalidError where the key was used for
    another call, ConflictError where the same call is under way, or was made and its answer lost.
    """
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not key.isprintable():
        raise InvalidError(
            "the Idempotency-Key is empty, too long or not printable", hint="send a UUID"
        )
    now = context.clock.now()
    fingerprint = hmac.digest(context.keys.access, request, "sha256")  # it may hold a password
    async with context.store.write() as tx:
        kept_since = now - context.settings.imports.answer_hours * 3_600 * SECOND
        await tx.execute("answers.forget", before=kept_since)
        row = await tx.fetch_one("answers.one", caller=actor.name, key=key)
        if row is not None and not hmac.compare_digest(row["fingerprint"], fingerprint):
            raise InvalidError(
                "this Idempotency-Key was used for another call", hint="take a new key for each"
            )
        if row is not None and row["status"] is not None:
            body = wrapping.unwrap(row["body"], context.keys.access, _label(actor, key))
            return Answer(status=row["status"], headers=json.loads(row["headers"]), body=body)
        if row is not None and row["acted"] and not _is_fresh(row, now):
            raise ConflictError(
                "the call was made, and its answer is lost",
                hint="read what it changed; with another key it would be made again",
            )
        if row is not None and _is_fresh(row, now):
            raise ConflictError("the same call is under way", hint="wait, then ask again")
        await tx.execute(
            "answers.start",
            caller=actor.name,
            key=key,
            fingerprint=fingerprint,
            started_time=now,
            body=b"",
        )
    return None


async def finish(context: Context, actor: Actor, key: str, answer: Answer | None) -> None:
    """Keep what the call was answered; None: nothing that should be said again.

    Without an answer the call may be made again, but for one whose act is committed.
    """
    async with context.store.write() as tx:
        if answer is None:
            await tx.execute("answers.drop", caller=actor.name, key=key)
            return
        await tx.execute(
            "answers.finish",
            caller=actor.name,
            key=key,
            status=answer.status,
            headers=json.dumps(dict(answer.headers)),
            body=wrapping.wrap(answer.body, context.keys.access, _label(actor, key)),
        )


def _is_fresh(row: Row, now: Nanoseconds) -> bool:
    """Tell whether a call that has no answer may still get one."""
    return bool(now - row["started_time"] < UNDER_WAY_SECONDS * SECOND)


def _label(actor: Actor, key: str) -> str:
    return f"answer {actor.name} {key}"
