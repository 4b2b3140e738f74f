"""Documents of settings and the versions of gateways, as the store keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import NotFoundError
from aggregator.model.rollout import RolloutState, Version, VersionState
from aggregator.store.base import Row, Transaction
from protocols.wire.control.command import CommandKind, SettingsCommand, seal_command
from protocols.wire.header import GatewayId
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import SealKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A document, and how far it is on its gateways."""

    id: str
    document: str  # canonical JSON
    hash: str  # SHA-256 of it, hexadecimal
    hold_seconds: int
    trial_seconds: int
    state: RolloutState
    why: str
    offered_by: str
    offered_time: Nanoseconds
    approved_by: str | None
    approved_time: Nanoseconds | None
    versions: tuple[Version, ...] = ()  # those first that go first


async def one(tx: Transaction, rollout: str) -> Rollout:
    """Return a document that was offered; NotFoundError."""
    row = await tx.fetch_one("settings.rollout", rollout=rollout)
    if row is None:
        raise NotFoundError(f"no settings were offered as {rollout[:40]!r}")
    return await of_row(tx, row)


async def of_row(tx: Transaction, row: Row) -> Rollout:
    """Return the document of a row with its gateways."""
    rows = await tx.fetch("settings.of_rollout", rollout=row["rollout"])
    return Rollout(
        id=row["rollout"],
        document=row["document"],
        hash=row["hash"],
        hold_seconds=row["hold_seconds"],
        trial_seconds=row["trial_seconds"],
        state=RolloutState(row["state"]),
        why=row["why"],
        offered_by=row["offered_by"],
        offered_time=row["offered_time"],
        approved_by=row["approved_by"],
        approved_time=row["approved_time"],
        versions=tuple(version_of(each) for each in rows),
    )


def version_of(row: Row) -> Version:
    """Return the version of a gateway that a row holds."""
    return Version(
        gateway=row["gateway"],
        number=row["version"],
        is_canary=bool(row["canary"]),
        state=VersionState(row["state"]),
        why=row["why"],
        settings_hash=None if row["settings_hash"] is None else bytes(row["settings_hash"]),
    )


async def put(tx: Transaction, rollout: Rollout) -> None:
    """Write how far a document is."""
    await tx.execute(
        "settings.set_rollout",
        rollout=rollout.id,
        state=rollout.state.value,
        why=rollout.why,
        approved_by=rollout.approved_by,
        approved_time=rollout.approved_time,
    )


async def put_version(
    tx: Transaction, rollout: Rollout, version: Version, key: SealKey, now: Nanoseconds
) -> None:
    """Write how far a version is, with the command that its gateway's topic shall hold."""
    await tx.execute(
        "settings.set",
        gateway=version.gateway,
        version=version.number,
        state=version.state.value,
        why=version.why,
        settings_hash=version.settings_hash,
        changed_time=now,
        command=command_of(rollout, version, key),
    )


def command_of(rollout: Rollout, version: Version, key: SealKey) -> bytes:
    """Return the sealed command for a gateway: a check until its turn has come."""
    applied = version.state not in _ONLY_CHECKED and rollout.approved_by is not None
    persons: Sequence[str] = (rollout.offered_by,)
    time = rollout.offered_time
    if applied and rollout.approved_by and rollout.approved_time:
        persons, time = (rollout.offered_by, rollout.approved_by), rollout.approved_time
    return seal_command(
        SettingsCommand(
            gateway=GatewayId(version.gateway),
            version=version.number,
            kind=CommandKind.APPLY if applied else CommandKind.CHECK,
            document=rollout.document,
            record_time=time,
            trial_seconds=rollout.trial_seconds,
            persons=tuple(persons),
        ),
        key,
    )


_ONLY_CHECKED = frozenset({VersionState.OFFERED, VersionState.CHECKED})
