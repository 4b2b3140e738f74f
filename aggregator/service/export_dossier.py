"""Use case: give a lot's dossier, the one file that proves its record offline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, EvidenceError
from aggregator.export.disclosure import Disclosure, held_in_part
from aggregator.export.signatures import ATTACHMENT, ProvedSignature, encode_signatures
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.service.assemble_record import Assembled, StoredRecord
from aggregator.service.context import Context
from aggregator.service.export_record import current, print_stored, told
from aggregator.service.hold_evidence import HeldChain
from aggregator.service.master.documents import lot_key
from aggregator.service.review.standing import KeptSignature, signatures_of
from aggregator.store.base import Row, Transaction
from aggregator.store.log import inclusion_proofs, make_checkpoint, newest_checkpoint
from protocols.wire.bundle import peek_header, split_bundle
from protocols.wire.checkpoint import Checkpoint
from protocols.wire.dossier.file import Dossier, canonical_json, write_dossier
from protocols.wire.dossier.holding import Held, Place
from protocols.wire.dossier.manifest import ChainStatement, KeyRange, Statement
from protocols.wire.dossier.series import Interval
from protocols.wire.errors import WireError
from protocols.wire.reading import Gap
from protocols.wire.seal import PublicKey


async def export_dossier(
    context: Context,
    actor: Actor,
    gtin: str,
    lot: str,
    disclosure: Disclosure = Disclosure.WHOLE,
) -> bytes:
    """Return the dossier of the newest version of a lot's record.

    By default it holds every bundle whole, so the readings of other lots on the same gateways with
    it; ``disclosure`` can keep the signals that did not observe the lot back. Raises ConflictError
    where a window has not ended, bundles are missing, or data have come that the version does not
    know of.
    """
    require(actor, Act.EXPORT_RECORD)
    key = check_lot_key(gtin, lot)
    found, made = await current(context, key)
    _check(made, key)
    async with context.store.read() as tx:
        signatures = await signatures_of(tx, key)
    pdf = await asyncio.to_thread(print_stored, found, made, signatures)
    positions = [
        each.position for chain in made.gathered.chains for each in (*chain.bundles, *chain.anchors)
    ]
    async with context.store.write() as tx:
        await told(context, tx, actor, found, _FORMS[disclosure])
        await make_checkpoint(
            tx,
            origin=context.settings.log.origin,
            key=context.keys.log,
            record_time=context.clock.now(),
        )
    async with context.store.read() as tx:
        note = await newest_checkpoint(tx)
        size = Checkpoint.from_text(note.partition("\n\n")[0] + "\n").size
        paths = await inclusion_proofs(tx, positions, size)
        proved = await _proved(tx, signatures, size)
        audit_extract = await _audit(tx, key)
        keys = [each for chain in made.gathered.chains for each in await _keys(tx, chain)]
    dossier = Dossier(
        statement=_statement(found, made, keys),
        chains=await asyncio.to_thread(_chains, made, disclosure),
        places=tuple(Place(*place) for place in zip(positions, paths, strict=True)),
        checkpoint=note.encode(),
        record=found.data,
        audit=audit_extract,
        series=made.gathered.series,
        attachments={
            "record.pdf": pdf,
            ATTACHMENT: encode_signatures(proved, size, record_hash=found.summary.content_hash),
        },
    )
    try:
        return await asyncio.to_thread(write_dossier, dossier, context.keys.seal)
    except WireError as error:
        raise EvidenceError(
            f"the dossier of {key} cannot be written: {error}", hint=error.hint
        ) from None


def _check(made: Assembled, key: LotKey) -> None:
    """Refuse a dossier that no verifier could find whole."""
    if made.record.start is None or made.record.end is None:
        raise ConflictError(
            f"{key} has not ended", hint="say when it ended, assemble the record, then export it"
        )
    if made.record.start == made.record.end:
        raise ConflictError(f"{key} has no length, so there is nothing to prove of it")
    for chain in made.gathered.chains:
        if chain.span.missing:
            runs = ", ".join(f"{run.start} to {run.stop - 1}" for run in chain.span.missing)
            raise ConflictError(
                f"bundles {runs} of {chain.span.gateway} are missing",
                hint="connect the gateway: it keeps what has no receipt",
            )


def _chains(made: Assembled, disclosure: Disclosure) -> tuple[tuple[Held, ...], ...]:
    """Return the bundles of each chain, whole or with the columns of the lot's signals alone.

    A time anchor is no part of the lot: its header is shown and nothing else.
    """
    observed = [each.signal.key for each in made.record.signals]
    held = []
    for chain in made.gathered.chains:
        if disclosure is Disclosure.WHOLE:
            shown = [Held.whole(each.data) for each in chain.bundles]
        else:
            own = {key.signal for key in observed if key.gateway == chain.span.gateway}
            shown = [held_in_part(each.data, own) for each in chain.bundles]
        held.append((*shown, *(Held.header_alone(each.data) for each in chain.anchors)))
    return tuple(held)


def _statement(found: StoredRecord, made: Assembled, keys: Sequence[KeyRange]) -> Statement:
    record = made.record
    return Statement(
        gtin=record.lot.key.gtin,
        lot=record.lot.key.lot,
        window=Interval(record.start or 0, record.end or 0),
        rule=record.rule.version,
        sealed_time=found.summary.recorded,
        chains=tuple(_chain(chain) for chain in made.gathered.chains),
        keys=tuple(keys),
    )


def _chain(chain: HeldChain) -> ChainStatement:
    span = chain.span
    return ChainStatement(
        gateway=span.gateway,
        epoch=span.epoch,
        first=span.first,
        last=span.last,
        held_first=chain.bundles[0].number,
        held_last=chain.bundles[-1].number,
        head=span.last_leaf,
        count=span.readings,
        gaps=tuple(_gaps(chain)),
        anchors=tuple(each.number for each in chain.anchors),
    )


def _gaps(chain: HeldChain) -> list[Gap]:
    """Return what the bundles of the window declare, in their order."""
    return [
        gap
        for each in chain.bundles
        if chain.span.first <= each.number <= chain.span.last
        for gap in peek_header(split_bundle(each.data).sealed_header)[1].gaps
    ]


async def _keys(tx: Transaction, chain: HeldChain) -> list[KeyRange]:
    """Return the keys that sealed the chain's bundles, each with the bundles it was valid for."""
    span = chain.span
    epoch = await tx.fetch_one("epochs.by_key", gateway=span.gateway, epoch=span.epoch)
    used = {each.kid for each in (*chain.bundles, *chain.anchors)}
    return [
        KeyRange(
            gateway=span.gateway,
            epoch=span.epoch,
            first=0,
            last=_last_number(row, 0 if epoch is None else epoch["ordinal"]),
            key=PublicKey.from_text(row["public_key"]),
        )
        for row in await tx.fetch("gateways.keys")
        if row["gateway"] == span.gateway and row["kid"] in used
    ]


def _last_number(key: Row, ordinal: int) -> int | None:
    """Return the last bundle of an epoch that a key was valid for; None where it was for all."""
    if key["revoked_time"] is None or ordinal < key["revoked_ordinal"]:
        return None
    return max(int(key["revoked_number"]) - 1, 0)


async def _proved(
    tx: Transaction, signatures: Sequence[KeptSignature], size: int
) -> list[ProvedSignature]:
    """Return the signatures, each with the path that proves it to be in the log."""
    paths = await inclusion_proofs(tx, [each.position for each in signatures], size)
    return [
        ProvedSignature(signature=each.signature, position=each.position, path=path)
        for each, path in zip(signatures, paths, strict=True)
    ]


async def _audit(tx: Transaction, key: LotKey) -> bytes:
    """Return what the audit trail says of the lot and its record."""
    rows = await tx.fetch("records.audit", record=f"record {key}", lot=f"lot {lot_key(key)}")
    entries: list[dict[str, Any]] = [
        {
            **{name: row[name] for name in _AUDITED},
            "before": None if row["before"] is None else json.loads(row["before"]),
            "after": None if row["after"] is None else json.loads(row["after"]),
            "hash": bytes(row["hash"]).hex(),
        }
        for row in rows
    ]
    return canonical_json(entries)


_FORMS: Final = {Disclosure.WHOLE: "dossier", Disclosure.OWN: "dossier-own"}
_AUDITED: Final = ("sequence", "record_time", "who", "act", "what", "why")
