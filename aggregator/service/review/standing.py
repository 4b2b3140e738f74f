"""Where a lot stands: what persons did of it, held against the newest version of its record.

A version that came since the last act is taken up here, each time anew, so no version can be
missed and none needs to be told of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aggregator.access import accounts
from aggregator.errors import EvidenceError
from aggregator.model.binding.fact import FactId
from aggregator.model.disposition import (
    Disposition,
    Event,
    ExceptionId,
    Happening,
    Stage,
    UserId,
    Verdict,
    Version,
    step,
)
from aggregator.model.master.lot import LotKey
from aggregator.model.record.batch_record import RecordState
from aggregator.model.signature import (
    Meaning,
    Signature,
    SignedRecord,
    decode_signature,
    encode_signature,
)
from aggregator.service.assemble_record import StoredRecord, stored
from aggregator.store.base import Row, Transaction
from aggregator.store.log import EntryKind, append_entry, entry_at

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSignature:
    """A signature, and where its leaf stands in the log."""

    signature: Signature
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a lot stands, with all that it rests on."""

    lot: LotKey
    disposition: Disposition
    revision: int  # grows with every act; 0 before the first
    acted_on: StoredRecord  # the version that the last act was about; the newest before the first
    decided: StoredRecord  # the version that the stage is about
    newest: StoredRecord
    signatures: tuple[KeptSignature, ...]  # in the order of the log
    decisions: Mapping[ExceptionId, KeptSignature]
    checks: Mapping[FactId, KeptSignature]

    @property
    def looked_at(self) -> StoredRecord:
        """The version whose exceptions are decided now."""
        return self.newest if self.disposition.later is not None else self.decided

    @property
    def etag(self) -> str:
        """What changes whenever an act or a version does."""
        return f"{self.revision}.{self.newest.summary.version}"

    @property
    def record(self) -> SignedRecord:
        """The version looked at, as a signature names it."""
        summary = self.looked_at.summary
        return SignedRecord(lot=self.lot, version=summary.version, hash=summary.content_hash)

    @property
    def changed(self) -> tuple[str, ...]:
        """Sections in which the newest version differs from the one last acted on."""
        before, after = self.acted_on.document, self.newest.document
        names = before.keys() | after.keys()
        return tuple(sorted(name for name in names if before.get(name) != after.get(name)))


async def standing_of(tx: Transaction, key: LotKey) -> Standing:
    """Return where a lot stands.

    Raises NotFoundError where it has no record, EvidenceError for a signature that is not in the
    log as it was signed.
    """
    newest = await stored(tx, key)
    row = await tx.fetch_one("review.disposition", gtin=key.gtin, lot=key.lot)
    acted_on = newest
    if row is not None and row["version"] != newest.summary.version:
        acted_on = await stored(tx, key, row["version"])
    people = {account.user for account in await accounts.every(tx)}
    signatures = await signatures_of(tx, key)
    by_id = {each.signature.id: each for each in signatures}
    decisions = await tx.fetch("review.decisions", gtin=key.gtin, lot=key.lot)
    checks = await tx.fetch("review.checks", gtin=key.gtin, lot=key.lot)
    disposition = Disposition(
        version=None if row is None else version_of(acted_on, people),
        decisions={ExceptionId(each["exception"]): Verdict(each["verdict"]) for each in decisions},
        checked=frozenset(FactId(each["fact"]) for each in checks),
        **_acts(row),
    )
    arrived = Happening(event=Event.ASSEMBLE, version=version_of(newest, people))
    disposition = step(disposition, arrived)
    stands = disposition.version is None or disposition.version.number == newest.summary.version
    return Standing(
        lot=key,
        disposition=disposition,
        revision=0 if row is None else row["revision"],
        acted_on=acted_on,
        decided=newest if stands else acted_on,
        newest=newest,
        signatures=signatures,
        decisions={ExceptionId(each["exception"]): by_id[each["signature"]] for each in decisions},
        checks={FactId(each["fact"]): by_id[each["signature"]] for each in checks},
    )


async def signatures_of(tx: Transaction, key: LotKey) -> tuple[KeptSignature, ...]:
    """Return every signature about a lot, in the order of the log.

    Raises EvidenceError for one whose bytes are not those of its leaf, or name another lot.
    """
    found = []
    for row in await tx.fetch("review.signatures", gtin=key.gtin, lot=key.lot):
        data = bytes(row["data"])
        signature = decode_signature(data)
        leaf = await entry_at(tx, row["position"])
        if leaf != (EntryKind.SIGNATURE, data) or signature.record.lot != key:
            raise EvidenceError(
                f"the signature {row['id'][:12]} of {key} is not as it was signed",
                hint="run fsck, and compare the store with a backup",
            )
        found.append(KeptSignature(signature=signature, position=row["position"]))
    return tuple(found)


async def keep(
    tx: Transaction, standing: Standing, after: Disposition, signature: Signature | None
) -> None:
    """Write what an act has led to, and the signature that it was done by."""
    key = standing.lot
    if signature is not None:
        await _keep_signature(tx, signature)
        await _keep_subjects(tx, key, signature)
    version = after.version
    await tx.execute(
        "review.set_disposition",
        gtin=key.gtin,
        lot=key.lot,
        revision=standing.revision + 1,
        stage=after.stage.value,
        version=standing.decided.summary.version if version is None else version.number,
        covered=after.covered,
        reviewer=after.reviewer,
        releaser=after.releaser,
        holder=after.holder,
        before=None if after.before is None else after.before.value,
    )


def version_of(record: StoredRecord, people: set[UserId]) -> Version:
    """Return what a version asks of its reviewers; a manual entry is a fact that a person typed."""
    document, summary = record.document, record.summary
    return Version(
        number=summary.version,
        record=summary.content_hash,
        state=RecordState(summary.state),
        exceptions=frozenset(ExceptionId(each["id"]) for each in document["exceptions"]),
        entries={FactId(each["id"]): each["source"] for each in manual_entries(document, people)},
    )


def manual_entries(document: Mapping[str, Any], people: set[UserId]) -> list[Json]:
    """Return the facts of a record that a person with an account typed."""
    return [
        fact
        for fact in document["facts"]
        if fact["authority"] == "operator" and fact["source"] in people
    ]


def _acts(row: Row | None) -> Json:
    if row is None:
        return {}
    return {
        "stage": Stage(row["stage"]),
        "covered": row["covered"],
        "reviewer": row["reviewer"],
        "releaser": row["releaser"],
        "holder": row["holder"],
        "before": None if row["before"] is None else Stage(row["before"]),
    }


async def _keep_signature(tx: Transaction, signature: Signature) -> None:
    data = encode_signature(signature)
    await tx.execute(
        "review.add_signature",
        id=signature.id,
        gtin=signature.record.lot.gtin,
        lot=signature.record.lot.lot,
        signer=signature.signer,
        series=signature.series,
        signed_time=signature.time,
        position=await append_entry(tx, EntryKind.SIGNATURE, data),
        data=data,
    )


async def _keep_subjects(tx: Transaction, key: LotKey, signature: Signature) -> None:
    verdict = VERDICT_OF.get(signature.meaning)
    for subject in signature.subjects:
        common = {"gtin": key.gtin, "lot": key.lot, "signature": signature.id}
        if verdict is not None:
            await tx.execute("review.decide", exception=subject, verdict=verdict.value, **common)
        elif signature.meaning is Meaning.ENTRY_CHECKED:
            await tx.execute("review.check", fact=subject, **common)


VERDICT_OF: Mapping[Meaning, Verdict] = {
    Meaning.EXCEPTION_ACCEPTED: Verdict.ACCEPTED,
    Meaning.EXCEPTION_REJECTED: Verdict.REJECTED,
    Meaning.DEVIATION_RAISED: Verdict.DEVIATION,
}
