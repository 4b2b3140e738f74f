"""Whether a version of a record may leave: at once, or because another person approved it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from aggregator.access import accounts
from aggregator.access.roles import Actor
from aggregator.errors import SecondPersonError
from aggregator.model.approval import Approval, ApprovalId, Event, State, step
from aggregator.model.disposition import UserId
from aggregator.model.master.classification import Classification
from aggregator.model.master.lot import LotKey
from aggregator.service.access.second_person import ASK
from aggregator.service.context import Context
from aggregator.service.master.documents import EntityKind
from aggregator.settings import SecondPerson
from aggregator.store.base import Row, Transaction

CONFIDENTIAL: Final = frozenset({Classification.CONFIDENTIAL, Classification.CRITICAL})
"""Classes of parameters whose records leave by two persons alone."""

EXPORT_KIND: Final = "export_record"
EXCHANGE_KIND: Final = "open_exchange"
_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """One version of a record on its way out."""

    lot: LotKey
    record: str  # hash of the version
    form: str


async def guard_export(
    context: Context, tx: Transaction, actor: Actor, leaving: Leaving
) -> ApprovalId | None:
    """Return by which approval a version may leave now; None where it takes none.

    A person takes what was approved for them once, and exactly that; a service takes what an
    exchange was opened for. Raises SecondPersonError where nobody approved.
    """
    wanted = context.settings.access.second_person
    is_person = await accounts.find(tx, actor.name) is not None
    sort = SecondPerson.EXPORT if is_person else SecondPerson.EXCHANGE
    if sort not in wanted or not await is_confidential(tx, leaving.lot.gtin):
        return None
    now = context.clock.now()
    kind = EXPORT_KIND if is_person else EXCHANGE_KIND
    for row in await tx.fetch(
        "approvals.held", holder=actor.name, kind=kind, state=State.APPROVED.value, now=now
    ):
        approval = approval_of(row)
        said = json.loads(approval.document)
        if is_person and _is_of(said, leaving):
            await keep(tx, step(approval, Event.DO, UserId(actor.name), now))
            return approval.id
        if not is_person and _covers(said, leaving):
            return approval.id
    raise SecondPersonError(
        f"the record of {leaving.lot} is confidential: as {leaving.form} it leaves by two persons",
        hint=ASK if is_person else "a person asks for an exchange with this system to be opened",
    )


async def is_confidential(tx: Transaction, gtin: str) -> bool:
    """Tell whether a parameter of a material is classified as one that two persons let out."""
    after = prefix = f"{gtin}/"
    while True:
        rows = await tx.fetch("master.list", kind=EntityKind.LIMIT.value, after=after, count=_PAGE)
        for row in rows:
            if not row["key"].startswith(prefix):
                return False
            if json.loads(row["document"]).get("classification") in CONFIDENTIAL:
                return True
        if len(rows) < _PAGE:
            return False
        after = rows[-1]["key"]


async def keep(tx: Transaction, approval: Approval) -> None:
    """Write what has become of something that was asked for."""
    await tx.execute(
        "approvals.set_state",
        id=approval.id,
        state=approval.state.value,
        expires_at=approval.expires_at,
        decided_by=approval.decided_by,
        in_place_of=approval.in_place_of,
        decided_at=approval.decided_at,
        decided_why=approval.decided_why,
    )


def approval_of(row: Row) -> Approval:
    """Return what was asked for, as a row holds it."""
    return Approval(**{**dict(row), "state": State(row["state"])})


def _is_of(said: dict[str, Any], leaving: Leaving) -> bool:
    lot = leaving.lot
    return said == {
        "kind": EXPORT_KIND,
        "gtin": lot.gtin,
        "lot": lot.lot,
        "record": leaving.record,
        "form": leaving.form,
    }


def _covers(said: dict[str, Any], leaving: Leaving) -> bool:
    return said["gtin"] == leaving.lot.gtin and leaving.form in said["forms"]
