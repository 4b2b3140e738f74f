"""Use cases: read a signal's readings over a time, and the newest of each signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import InvalidError, NotFoundError
from aggregator.model.series import Series, SignalKey
from aggregator.service.context import Context
from protocols.wire.errors import MalformedError
from protocols.wire.header import GatewayId, check_gateway_id
from protocols.wire.reading import Nanoseconds, SignalName

READINGS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest reading of a signal; None where none has come."""

    key: SignalKey
    newest: Series


async def between(
    context: Context,
    actor: Actor,
    *,
    gateway: str,
    signal: str,
    start: Nanoseconds,
    end: Nanoseconds,
) -> Series:
    """Return a signal's readings with ``start <= time < end``.

    Raises NotFoundError where the signal was never seen, InvalidError for over READINGS_MAX.
    """
    require(actor, Act.READ_READINGS)
    if not 0 <= start < end < 2**63:
        raise InvalidError("a time window starts before it ends", hint="times are nanoseconds")
    key = SignalKey(_gateway(gateway), SignalName(signal))
    async with context.store.read() as tx:
        series = await context.index.series(tx, key, start, end)
    if series is None:
        raise NotFoundError(f"no reading of {signal} came from {gateway}")
    if len(series) > READINGS_MAX:
        raise InvalidError(
            f"{len(series)} readings are more than {READINGS_MAX}", hint="ask for a shorter time"
        )
    return series


async def latest(context: Context, actor: Actor) -> list[Latest]:
    """Return the newest reading of every signal of every gateway, by gateway and name."""
    require(actor, Act.READ_READINGS)
    found = []
    async with context.store.read() as tx:
        for row in await tx.fetch("gateways.all"):
            newest = await context.index.latest(tx, row["gateway"])
            found += [
                Latest(key=SignalKey(row["gateway"], name), newest=series)
                for name, series in sorted(newest.items())
            ]
    return found


def _gateway(text: str) -> GatewayId:
    try:
        return check_gateway_id(text)
    except MalformedError as error:
        raise InvalidError(str(error), hint=error.hint) from None
