"""Keep the genealogy up with the batch records: what each newest version rests on.

A newer version of a record says it anew, and supersedes what the older one said.
"""

from __future__ import annotations

import json
from typing import Any, Final

from aggregator.access.roles import Actor
from aggregator.model.genealogy.edge import EdgeId
from aggregator.model.genealogy.uses import uses_of
from aggregator.service.context import Context
from aggregator.service.genealogy.edges import add_derived, correct
from aggregator.store.base import Row, Transaction

SYSTEM: Final = Actor(name="genealogy", roles=frozenset())
"""Who says in the audit trail what a record says: this program, not a person."""

_RECORDS: Final = 50
"""Records read in one transaction, so that writers wait for no more."""


async def refresh(context: Context) -> int:
    """Take in the records that are newer than the genealogy, and return how many."""
    taken = 0
    while await _waiting(context):
        async with context.store.write() as tx:
            rows = await tx.fetch("genealogy.unread_records", count=_RECORDS)
            for row in rows:
                await _take(context, tx, row)
        taken += len(rows)
    return taken


async def _waiting(context: Context) -> bool:
    """Tell whether there is anything to take, without the turn of a writer."""
    async with context.store.read() as tx:
        return bool(await tx.fetch("genealogy.unread_records", count=1))


async def _take(context: Context, tx: Transaction, row: Row) -> None:
    document: dict[str, Any] = json.loads(bytes(row["bytes"]))
    name = f"version {row['version']} of the record of (01){row['gtin']}(10){row['lot']}"
    for old in [] if row["edges"] is None else json.loads(row["edges"]):
        await correct(context, tx, SYSTEM, EdgeId(old), None, reason=f"{name} took its place")
    new = uses_of(document, await _keys(tx, document), source=name)
    ids = [(await add_derived(context, tx, SYSTEM, edge)).id for edge in new]
    await tx.execute(
        "genealogy.set_record",
        gtin=row["gtin"],
        lot=row["lot"],
        version=row["version"],
        edges=json.dumps(ids),
    )


async def _keys(tx: Transaction, document: dict[str, Any]) -> dict[str, list[str]]:
    found = {}
    for chain in document["chains"]:
        rows = await tx.fetch(
            "genealogy.kids",
            gateway=chain["gateway"],
            epoch=bytes.fromhex(chain["epoch"]),
            first=chain["first"],
            last=chain["last"],
        )
        kids = sorted(bytes(each["kid"]).hex() for each in rows)
        found[f"{chain['gateway']}/{chain['epoch']}"] = kids
    return found
