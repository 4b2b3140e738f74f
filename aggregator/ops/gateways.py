"""The health of every gateway and its sources, worst first.

What a gateway says of itself is sealed; what the chain and the clock say is ours. A gateway that
said nothing for ``SILENT`` is silent whatever it said last.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from aggregator.access.roles import Act, Actor, require
from aggregator.service.context import Context
from aggregator.store.base import Row
from protocols.wire.errors import WireError
from protocols.wire.life import (
    Life,
    LifeKind,
    SettingsReport,
    SourceHealth,
    SourceState,
    UpkeepReport,
    open_life,
)
from protocols.wire.reading import SECOND, Nanoseconds
from protocols.wire.receipt import EpochState
from protocols.wire.seal import PublicKey

SILENT: Final = 30 * SECOND


class GatewayState(IntEnum):
    """How a gateway is; the higher, the worse."""

    RUNNING = 0  # heard of lately, all sources running
    NEVER_SEEN = 1  # registered; nothing came yet
    DEGRADED = 2  # heard of lately; a source is down, or bundles are missing in between
    UNAPPROVED = 3  # its epoch waits for a second person
    SILENT = 4  # nothing came for too long
    DEAD = 5  # said that it stops, or the broker lost it
    CLOSED = 6  # its epoch is forked, rolled back or revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Messages refused for one reason."""

    reason: str
    kept: int
    seen: int
    last_time: Nanoseconds  # record time


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayHealth:
    """All that is known of how a gateway is."""

    gateway: str
    state: GatewayState
    last_heard: Nanoseconds  # record time; 0: never
    epoch: str  # hexadecimal; empty before the first bundle
    head: int  # number up to which all bundles are stored; -1: none is
    readings: int  # stored of this epoch, up to the head
    waiting: int  # bundles stored beyond a gap
    behind: int  # bundles sealed, as the gateway last said, and not stored
    buffer_bytes: int
    buffer_bytes_max: int
    version: str  # of the agent
    sources: tuple[SourceHealth, ...]
    quarantined: tuple[Quarantined, ...]
    settings: SettingsReport | None  # as it said last; None where it does not say
    upkeep: UpkeepReport | None  # disk and certificate, as it said last
    wanted: WantedSettings | None  # what the aggregator gave it last; None: nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSettings:
    """The newest version of settings for a gateway, and what has become of it."""

    version: int
    state: str  # aggregator.model.rollout.VersionState
    why: str
    rollout: str


async def health(context: Context, actor: Actor) -> list[GatewayHealth]:
    """Return every gateway's health, worst first, then by name."""
    require(actor, Act.READ_GATEWAYS)
    return sorted(await every(context), key=lambda gateway: (-gateway.state, gateway.gateway))


async def every(context: Context) -> list[GatewayHealth]:
    """Return every gateway's health, by name."""
    async with context.store.read() as tx:
        rows = await tx.fetch("health.gateways")
        keys = await tx.fetch("health.keys")
        refused = await tx.fetch("health.quarantine")
        given = {row["gateway"]: row for row in await tx.fetch("settings.newest")}
    now = context.clock.now()
    return [
        _health(
            row,
            _life(row, keys),
            _quarantined(row, refused),
            _wanted(given.get(row["gateway"])),
            now,
        )
        for row in rows
    ]


async def log_state(context: Context, actor: Actor) -> Row:
    """Return the log's size and its newest checkpoint."""
    require(actor, Act.READ_GATEWAYS)
    async with context.store.read() as tx:
        row = await tx.fetch_one("health.log")
    return row or {}


def _life(row: Row, keys: list[Row]) -> Life | None:
    """Open what the gateway last said; None where no key in force opens it."""
    if row["life"] is None:
        return None
    for key in keys:
        if key["gateway"] == row["gateway"]:
            try:
                return open_life(bytes(row["life"]), PublicKey.from_text(key["public_key"]))
            except WireError:
                continue
    return None


def _quarantined(row: Row, refused: list[Row]) -> tuple[Quarantined, ...]:
    return tuple(
        Quarantined(
            reason=each["reason"],
            kept=each["kept"],
            seen=int(each["seen"]),
            last_time=each["last_time"],
        )
        for each in refused
        if each["gateway"] == row["gateway"]
    )


def _wanted(row: Row | None) -> WantedSettings | None:
    if row is None:
        return None
    return WantedSettings(
        version=row["version"], state=row["state"], why=row["why"], rollout=row["rollout"]
    )


def _health(
    row: Row,
    life: Life | None,
    quarantined: tuple[Quarantined, ...],
    wanted: WantedSettings | None,
    now: Nanoseconds,
) -> GatewayHealth:
    heard = max(row["life_time"] or 0, row["head_time"] or 0)
    head = -1 if row["head"] is None else row["head"]
    same_epoch = life is not None and row["epoch"] is not None and life.epoch == row["epoch"]
    return GatewayHealth(
        gateway=row["gateway"],
        state=_state(row, life, heard, now),
        last_heard=heard,
        epoch="" if row["epoch"] is None else bytes(row["epoch"]).hex(),
        head=head,
        readings=row["end_reading"] or 0,
        waiting=row["waiting"] or 0,
        behind=max(0, life.head - head) if life is not None and same_epoch else 0,
        quarantined=quarantined,
        settings=None if life is None else life.settings,
        upkeep=None if life is None else life.upkeep,
        wanted=wanted,
        **_said(life),
    )


def _said(life: Life | None) -> dict[str, Any]:
    if life is None:
        return {"buffer_bytes": 0, "buffer_bytes_max": 0, "version": "", "sources": ()}
    worst_first = sorted(life.sources, key=lambda source: (-_BADNESS[source.state], source.name))
    return {
        "buffer_bytes": life.buffer_bytes,
        "buffer_bytes_max": life.buffer_bytes_max,
        "version": life.version,
        "sources": tuple(worst_first),
    }


def _state(row: Row, life: Life | None, heard: Nanoseconds, now: Nanoseconds) -> GatewayState:
    if row["state"] == EpochState.CLOSED:
        return GatewayState.CLOSED
    if not heard:
        return GatewayState.NEVER_SEEN
    if life is not None and life.kind is LifeKind.DEATH and row["life_time"] >= heard:
        return GatewayState.DEAD
    if now - heard > SILENT:
        return GatewayState.SILENT
    if row["state"] == EpochState.UNAPPROVED:
        return GatewayState.UNAPPROVED
    sources = life.sources if life is not None else ()
    if row["waiting"] or any(source.state is not SourceState.RUNNING for source in sources):
        return GatewayState.DEGRADED
    return GatewayState.RUNNING


_BADNESS: Final = {
    SourceState.RUNNING: 0,
    SourceState.CONNECTING: 1,
    SourceState.DOWN: 2,
    SourceState.REFUSED: 3,
}
