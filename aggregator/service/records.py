"""Use cases: read the versions of batch records; ``assemble_record`` makes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import NotFoundError
from aggregator.model.lot import Lot, LotKey, check_lot_key
from aggregator.service import master_data
from aggregator.service.context import Context
from aggregator.service.documents import EntityKind
from aggregator.store.base import Row
from protocols.wire.reading import Nanoseconds

LOTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One version of a lot's record, as it was stored."""

    key: LotKey
    version: int  # from 1
    content_hash: str  # SHA-256 of ``data``, hexadecimal
    state: str
    recorded_time: Nanoseconds
    recorded_by: str
    data: bytes  # canonical JSON

    @property
    def document(self) -> dict[str, Any]:
        """The record as JSON's own types."""
        document: dict[str, Any] = json.loads(self.data)
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRow:
    """A lot and how its newest record is; ``version`` 0: none was assembled."""

    gtin: str
    lot: str
    material: str
    version: int = 0
    state: str = ""
    readings: int = 0
    exceptions: int = 0


async def newest(context: Context, actor: Actor, gtin: str, lot: str) -> StoredRecord:
    """Return the newest version of a lot's record; NotFoundError where there is none."""
    return await _read(context, actor, check_lot_key(gtin, lot), "records.latest")


async def version(context: Context, actor: Actor, gtin: str, lot: str, number: int) -> StoredRecord:
    """Return one version of a lot's record, however old; NotFoundError where there is none."""
    return await _read(context, actor, check_lot_key(gtin, lot), "records.version", version=number)


async def overview(context: Context, actor: Actor) -> list[LotRow]:
    """Return every lot, those with the latest records first."""
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        lots = await master_data.models(tx, EntityKind.LOT)
        rows = await tx.fetch("records.list", count=LOTS_MAX)
    records = {(row["gtin"], row["lot"]): row for row in rows}
    found = [
        _lot(each, records.get((each.key.gtin, each.key.lot)))
        for each in lots
        if isinstance(each, Lot)
    ]
    order = {key: at for at, key in enumerate(records)}
    return sorted(found, key=lambda row: (order.get((row.gtin, row.lot), -1), row.gtin, row.lot))


async def _read(
    context: Context, actor: Actor, key: LotKey, query: str, **params: int
) -> StoredRecord:
    require(actor, Act.READ_RECORDS)
    async with context.store.read() as tx:
        row = await tx.fetch_one(query, gtin=key.gtin, lot=key.lot, **params)
    if row is None:
        raise NotFoundError(
            f"there is no such record of lot {key.lot}", hint="POST to it to assemble one"
        )
    return StoredRecord(
        key=key,
        version=row["version"],
        content_hash=row["content_hash"],
        state=row["state"],
        recorded_time=row["recorded_time"],
        recorded_by=row["recorded_by"],
        data=bytes(row["bytes"]),
    )


def _lot(lot: Lot, record: Row | None) -> LotRow:
    known = LotRow(gtin=lot.key.gtin, lot=lot.key.lot, material=lot.material)
    if record is None:
        return known
    return LotRow(
        gtin=known.gtin,
        lot=known.lot,
        material=known.material,
        version=record["version"],
        state=record["state"],
        readings=record["readings"],
        exceptions=record["exceptions"],
    )
