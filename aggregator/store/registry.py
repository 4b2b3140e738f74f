"""Gateways, their keys and their epochs: who is trusted, and from which bundle to which.

These are the rows alone; who may change them, and the audit entry, are the use case's.
Every change is a leaf of the log, and raises the version that the intake looks at.
"""

from __future__ import annotations

import json

from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.store.base import Row, Transaction
from aggregator.store.log import EntryKind, append_entry
from protocols.wire.errors import WireError
from protocols.wire.header import check_gateway_id
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import PublicKey


async def add_gateway(
    tx: Transaction, gateway: str, key: PublicKey, *, by: str, now: Nanoseconds
) -> None:
    """Register ``gateway`` with its first seal key.

    Raises InvalidError for an id that is none, ConflictError where it is registered already.
    """
    try:
        check_gateway_id(gateway)
    except WireError as error:
        raise InvalidError(str(error), hint=error.hint) from None
    if await tx.fetch_one("gateways.one", gateway=gateway) is not None:
        raise ConflictError(
            f"{gateway} is registered already", hint="add a further key to it instead"
        )
    await tx.execute("gateways.add", gateway=gateway, registered_time=now, registered_by=by)
    await add_key(tx, gateway, key, by=by, now=now)


async def add_key(
    tx: Transaction, gateway: str, key: PublicKey, *, by: str, now: Nanoseconds
) -> None:
    """Let ``key`` open what ``gateway`` seals from now on.

    Raises NotFoundError for an unknown gateway, ConflictError for a key that it has or had.
    """
    if await tx.fetch_one("gateways.one", gateway=gateway) is None:
        raise NotFoundError(f"no gateway {gateway} is registered", hint="register it first")
    for row in await tx.fetch("gateways.keys"):
        if row["kid"] == key.kid:
            raise ConflictError(
                f"the key {key.kid.hex()} is or was one of {row['gateway']}",
                hint="make a new key on the gateway; a key is never used twice",
            )
    await tx.execute(
        "gateways.add_key",
        gateway=gateway,
        kid=bytes(key.kid),
        public_key=key.to_text(),
        added_time=now,
        added_by=by,
    )
    await _tell(
        tx, EntryKind.KEY, event="added", gateway=gateway, key=key.to_text(), by=by, time=now
    )


async def revoke_key(
    tx: Transaction, gateway: str, kid: bytes, *, reason: str, by: str, now: Nanoseconds
) -> tuple[int, int]:
    """Refuse what ``kid`` seals beyond what is stored; return (epoch's ordinal, bundle number).

    What came before stays valid: the bound is a bundle, never a wall clock. Raises NotFoundError
    for a key that is not in force.
    """
    newest = await tx.fetch_one("epochs.newest", gateway=gateway)
    ordinal, number = (0, 0) if newest is None else (newest["ordinal"], newest["head"] + 1)
    touched = await tx.execute(
        "gateways.revoke_key",
        gateway=gateway,
        kid=kid,
        revoked_time=now,
        revoked_by=by,
        revoked_reason=reason,
        revoked_ordinal=ordinal,
        revoked_number=number,
    )
    if not touched:
        raise NotFoundError(f"{gateway} has no key {kid.hex()} in force")
    await _tell(
        tx,
        EntryKind.KEY,
        event="revoked",
        gateway=gateway,
        kid=kid.hex(),
        ordinal=ordinal,
        number=number,
        reason=reason,
        by=by,
        time=now,
    )
    return ordinal, number


async def approve_epoch(tx: Transaction, gateway: str, *, by: str, now: Nanoseconds) -> bytes:
    """Vouch for the newest epoch of ``gateway`` and return it.

    Raises NotFoundError where it has none, ConflictError where it does not wait for approval.
    """
    newest = await tx.fetch_one("epochs.newest", gateway=gateway)
    if newest is None:
        raise NotFoundError(f"{gateway} has not opened an epoch yet")
    touched = await tx.execute(
        "epochs.approve", epoch_id=newest["epoch_id"], approved_by=by, approved_time=now
    )
    epoch: bytes = newest["epoch"]
    if not touched:
        raise ConflictError(
            f"the epoch {epoch.hex()} of {gateway} does not wait for an approval",
            hint="a closed epoch stays closed; the gateway opens a new one",
        )
    await _tell(
        tx,
        EntryKind.EPOCH,
        event="approved",
        gateway=gateway,
        epoch=epoch.hex(),
        by=by,
        time=now,
    )
    return epoch


async def list_gateways(tx: Transaction) -> list[Row]:
    """Return every gateway with its newest epoch and what it last said (``gateways.all``)."""
    return await tx.fetch("gateways.all")


async def list_keys(tx: Transaction) -> list[Row]:
    """Return every key of every gateway, in force or revoked (``gateways.keys``)."""
    return await tx.fetch("gateways.keys")


async def list_epochs(tx: Transaction, gateway: str) -> list[Row]:
    """Return the epochs of ``gateway``, oldest first (``epochs.of_gateway``)."""
    return await tx.fetch("epochs.of_gateway", gateway=gateway)


def entry_data(**fields: str | int | None) -> bytes:
    """Return the bytes of a log entry: canonical JSON."""
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


async def _tell(tx: Transaction, kind: EntryKind, **fields: str | int | None) -> None:
    await append_entry(tx, kind, entry_data(**fields))
    await tx.execute("log.touch_trust")
