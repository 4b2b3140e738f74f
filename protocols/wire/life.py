"""A gateway's sealed word about itself: birth, heartbeat and death.

A death is sealed when the gateway connects and left with the broker as its will, so that it is
published when the gateway cannot speak any more; its boot id and connection number tell a stale
one from the present (docs/specs/delivery.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.wire import cbor
from protocols.wire.errors import MalformedError
from protocols.wire.header import Epoch, GatewayId, check_gateway_id
from protocols.wire.limits import TEXT_BYTES_MAX
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import PublicKey, Purpose, SealKey, open_seal, seal

PURPOSE: Final = Purpose("application/lotproof-life+cbor", b"lotproof-life-v1")
SOURCES_MAX: Final = 256


class LifeKind(IntEnum):
    """What is said."""

    BIRTH = 0  # connected
    HEARTBEAT = 1  # still here
    DEATH = 2  # gone: sealed in advance, published by the broker, or by an agent that stops


class SourceState(IntEnum):
    """How a source of the gateway is."""

    CONNECTING = 0  # not open yet, or backing off
    RUNNING = 1  # open and delivering
    DOWN = 2  # failed; being tried again
    REFUSED = 3  # its settings cannot work


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """How one source is."""

    name: str
    driver: str
    state: SourceState
    since: Nanoseconds  # gateway time of the last change of state
    last_reading: Nanoseconds  # gateway time; 0 where there was none
    readings: int  # since the agent started
    error: str = ""  # what went wrong last, for a person


class SettingsState(IntEnum):
    """What became of the settings that were offered last."""

    IN_FORCE = 0  # they are in force
    CHECKED = 1  # they would be taken; nobody asked for that yet
    REFUSED = 2  # they cannot work, and changed nothing
    TRIAL = 3  # in force, and watched: they are taken back where sources do not come up
    ROLLED_BACK = 4  # they were in force, and were taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsReport:
    """Which settings are in force, and what became of those offered last."""

    hash: bytes  # as headers carry it, 32 bytes
    version: int  # of the aggregator's document that is in force; 0: the gateway's own file alone
    state: SettingsState
    offered: int  # version that ``state`` speaks of; 0: the gateway's own file
    why: str = ""  # for a person, where they were refused or taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepReport:
    """What a person must see to in time."""

    bytes_per_day: int | None  # written to the disk, at the present rate; None: not known yet
    seal_age: Nanoseconds  # after which a bundle is cut; longer than configured under a budget
    disk_days_left: int | None  # None where the disk's endurance is not known
    certificate_days_left: int | None  # negative where it has ended; None: it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A statement of a gateway about itself."""

    gateway: GatewayId
    epoch: Epoch
    kind: LifeKind
    boot: bytes  # 16 bytes
    connection: int  # rises with every connection of this boot
    time: Nanoseconds  # gateway time
    head: int  # number of the last sealed bundle; -1 before the first
    receipted: int  # number up to which receipts have come; -1 before the first
    buffer_bytes: int  # bytes on disk
    buffer_bytes_max: int  # the cap
    version: str  # of the agent
    sources: tuple[SourceHealth, ...] = ()
    settings: SettingsReport | None = None  # None: from an agent that does not say
    upkeep: UpkeepReport | None = None  # the same


def seal_life(life: Life, key: SealKey) -> bytes:
    """Return the statement under the gateway's seal."""
    fields: dict[int, cbor.Item] = {
        1: life.gateway,
        2: life.epoch,
        3: int(life.kind),
        4: life.boot,
        5: life.connection,
        6: life.time,
        7: life.head,
        8: life.receipted,
        9: life.buffer_bytes,
        10: life.buffer_bytes_max,
        11: life.version,
        12: [
            [
                source.name,
                source.driver,
                int(source.state),
                source.since,
                source.last_reading,
                source.readings,
                source.error[: TEXT_BYTES_MAX // 4],
            ]
            for source in life.sources
        ],
    }
    if (said := life.settings) is not None:
        why = said.why.encode()[:TEXT_BYTES_MAX].decode(errors="ignore")
        fields[13] = [said.hash, said.version, int(said.state), said.offered, why]
    if (kept := life.upkeep) is not None:
        fields[14] = [
            kept.bytes_per_day,
            kept.seal_age,
            kept.disk_days_left,
            kept.certificate_days_left,
        ]
    return seal(cbor.encode(fields), key, PURPOSE)


def open_life(data: bytes, key: PublicKey) -> Life:
    """Return the statement if ``key`` sealed it; SealError or MalformedError if not."""
    match cbor.decode(
        open_seal(data, key, PURPOSE), items_max=64 + 8 * SOURCES_MAX, booleans=False
    ):
        case {
            1: str(gateway),
            2: bytes(epoch),
            3: (0 | 1 | 2) as kind,
            4: bytes(boot),
            5: int(connection),
            6: int(time),
            7: int(head),
            8: int(receipted),
            9: int(buffer_bytes),
            10: int(buffer_bytes_max),
            11: str(version),
            12: list(sources),
            **rest,
        } if (
            not rest.keys() - {13, 14}
            and len(epoch) == len(boot) == 16
            and min(connection, time, buffer_bytes, buffer_bytes_max) >= 0
            and min(head, receipted) >= -1
            and len(version) <= TEXT_BYTES_MAX
            and len(sources) <= SOURCES_MAX
        ):
            return Life(
                gateway=check_gateway_id(gateway),
                epoch=Epoch(epoch),
                kind=LifeKind(kind),
                boot=boot,
                connection=connection,
                time=time,
                head=head,
                receipted=receipted,
                buffer_bytes=buffer_bytes,
                buffer_bytes_max=buffer_bytes_max,
                version=version,
                sources=tuple(map(_source, sources)),
                settings=_settings(rest[13]) if 13 in rest else None,
                upkeep=_upkeep(rest[14]) if 14 in rest else None,
            )
    raise MalformedError("a life statement has not exactly its fields")


def _source(item: cbor.Item) -> SourceHealth:
    match item:
        case [
            str(name),
            str(driver),
            (0 | 1 | 2 | 3) as state,
            int(since),
            int(last_reading),
            int(readings),
            str(error),
        ] if min(since, last_reading, readings) >= 0:
            return SourceHealth(
                name=name,
                driver=driver,
                state=SourceState(state),
                since=since,
                last_reading=last_reading,
                readings=readings,
                error=error,
            )
    raise MalformedError("a source's health is not the array of seven that it must be")


def _settings(item: object) -> SettingsReport:
    match item:
        case [
            bytes(hash_),
            int(version),
            (0 | 1 | 2 | 3 | 4) as state,
            int(offered),
            str(why),
        ] if len(hash_) == 32 and min(version, offered) >= 0:
            return SettingsReport(
                hash=hash_, version=version, state=SettingsState(state), offered=offered, why=why
            )
    raise MalformedError("the settings in force are not the array of five that they must be")


def _upkeep(item: object) -> UpkeepReport:
    match item:
        case [
            (int() | None) as bytes_per_day,
            int(seal_age),
            (int() | None) as disk_days_left,
            (int() | None) as certificate_days_left,
        ] if seal_age >= 0 and (bytes_per_day or 0) >= 0 and (disk_days_left or 0) >= 0:
            return UpkeepReport(
                bytes_per_day=bytes_per_day,
                seal_age=seal_age,
                disk_days_left=disk_days_left,
                certificate_days_left=certificate_days_left,
            )
    raise MalformedError("the upkeep is not the array of four that it must be")
