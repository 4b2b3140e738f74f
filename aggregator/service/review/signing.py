"""Use cases: show a person what they are about to sign, and take the signature.

What is shown is a statement, canonical JSON; its hash comes back with the signature, so that
nothing is signed but what was seen, and nothing that has changed since (21 CFR 11.50 and 11.70).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from aggregator import audit
from aggregator.access import accounts
from aggregator.access.accounts import Account
from aggregator.access.roles import Act, Actor
from aggregator.errors import AccessError, ConflictError, InvalidError
from aggregator.metrics import SIGNATURES
from aggregator.model.binding.fact import FactId
from aggregator.model.disposition import (
    Disposition,
    Event,
    ExceptionId,
    Happening,
    UserId,
    Verdict,
    first_person,
    step,
)
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.model.record.batch_record import content_hash
from aggregator.model.signature import (
    OF_VERDICT,
    Component,
    Meaning,
    Signature,
    needed_components,
    shown_hash,
)
from aggregator.service.access.accounts import Proof, Session, prove
from aggregator.service.access.rights import right
from aggregator.service.assemble_record import assemble_now
from aggregator.service.context import Context
from aggregator.service.review.inputs import stopped_inputs
from aggregator.service.review.standing import VERDICT_OF, Standing, keep, standing_of
from aggregator.store.base import Transaction
from protocols.wire.reading import SECOND, Nanoseconds

Json = dict[str, Any]
SUBJECTS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person wants to sign for."""

    gtin: str
    lot: str
    meaning: Meaning
    subjects: tuple[str, ...] = ()  # exceptions to decide, or the manual entry to check
    deviation: str = ""

    def __post_init__(self) -> None:
        """Refuse what no signature could say."""
        if len(self.subjects) > SUBJECTS_MAX:
            raise InvalidError(f"one signature decides {SUBJECTS_MAX} exceptions at most")
        if bool(self.subjects) is not (self.meaning in ABOUT_SUBJECTS):
            raise InvalidError(
                f"{self.meaning.value} "
                + ("is about exceptions or an entry" if not self.subjects else "is about the lot"),
                hint="name the subjects where there are some, and none where there are none",
            )
        if self.meaning is Meaning.ENTRY_CHECKED and len(self.subjects) != 1:
            raise InvalidError("manual entries are checked one by one")
        if bool(self.deviation.strip()) is not (self.meaning is Meaning.DEVIATION_RAISED):
            raise InvalidError("a deviation is raised with its number, and only then")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a person sees before signing."""

    statement: Json
    hash: str
    components: tuple[Component, ...]  # that the signature takes
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a person gives to sign."""

    proof: Proof
    reason: str
    shown: str  # hash of the statement
    etag: str  # of where the lot stood


async def show(context: Context, session: Session, asked: Asked) -> Shown:
    """Return the statement to be signed; ConflictError where the lot does not allow it now."""
    key = check_lot_key(asked.gtin, asked.lot)
    async with context.store.read() as tx:
        standing = await standing_of(tx, key)
        happening = await _require(context, tx, session.actor, asked, standing.disposition)
        account = await _account(tx, session)
        step(standing.disposition, happening)
        components = await _needed(context, tx, session)
    said = _statement(standing, asked, account)
    return Shown(statement=said, hash=shown_hash(said), components=components, etag=standing.etag)


async def sign(context: Context, session: Session, asked: Asked, given: Given) -> Standing:
    """Take a person's signature and do what it means; return where the lot stands then.

    Raises AccessError where a component is not right, InvalidError where one is missing, and
    ConflictError where the lot or its record has changed since it was shown, or where it takes
    another person.
    """
    key = check_lot_key(asked.gtin, asked.lot)
    async with context.store.read() as tx:
        standing = await standing_of(tx, key)
        happening = await _require(context, tx, session.actor, asked, standing.disposition)
        _check_shown(standing, asked, given, await _account(tx, session))
        step(standing.disposition, happening)
        needed = await _needed(context, tx, session)
    if Component.CODE in needed and not given.proof.code:
        raise InvalidError(
            "the first signature of a series takes the code of the second factor too",
            hint="give `code` beside `password`",
        )
    components = (Component.PASSWORD, Component.CODE) if given.proof.code else needed
    account = await prove(context, session.actor.name, given.proof, components)
    if asked.meaning in ABOUT_PRESENT_EVIDENCE:
        await _check_present(context, key, standing)
    if asked.meaning is Meaning.RELEASED:
        await _check_inputs(context, key)
    async with context.store.write() as tx:
        standing = await standing_of(tx, key)
        happening = await _require(context, tx, session.actor, asked, standing.disposition)
        _check_shown(standing, asked, given, account)
        after = step(standing.disposition, happening)
        signature = _signature(
            context,
            session,
            standing=standing,
            asked=asked,
            given=given,
            account=account,
            components=components,
        )
        await keep(tx, standing, after, signature)
        entry = audit.Entry(
            who=account.user,
            act=EVENT_OF[asked.meaning].value,
            what=f"record {key}",
            before={"stage": standing.disposition.stage.value},
            after={
                "stage": after.stage.value,
                "signature": signature.id,
                "meaning": asked.meaning.value,
                "version": signature.record.version,
                "subjects": [*asked.subjects],
                "deviation": asked.deviation,
            },
            why=given.reason,
        )
        await audit.record(tx, entry, context.clock)
        standing = await standing_of(tx, key)
    SIGNATURES.labels(asked.meaning.value).inc()
    return standing


ABOUT_SUBJECTS: Final = frozenset({*OF_VERDICT.values(), Meaning.ENTRY_CHECKED})
"""Meanings that are about exceptions or an entry; the others are about the lot."""

ABOUT_PRESENT_EVIDENCE: Final = frozenset({Meaning.REVIEWED, Meaning.RELEASED, Meaning.ADDENDUM})
"""Meanings for which the record must be the one that the evidence gives at this moment."""

EVENT_OF: Final[Mapping[Meaning, Event]] = {
    **dict.fromkeys(OF_VERDICT.values(), Event.DECIDE),
    Meaning.ENTRY_CHECKED: Event.CHECK_ENTRY,
    Meaning.REVIEWED: Event.SIGN_REVIEW,
    Meaning.RELEASED: Event.RELEASE,
    Meaning.REJECTED: Event.REJECT,
    Meaning.HELD: Event.HOLD,
    Meaning.HOLD_LIFTED: Event.LIFT,
    Meaning.ADDENDUM: Event.ADDEND,
}

ACT_OF: Final[Mapping[Meaning, Act]] = {
    **dict.fromkeys(ABOUT_SUBJECTS, Act.REVIEW_RECORD),
    Meaning.REVIEWED: Act.REVIEW_RECORD,
    Meaning.RELEASED: Act.DECIDE_LOT,
    Meaning.REJECTED: Act.DECIDE_LOT,
    Meaning.HELD: Act.HOLD_LOT,
    Meaning.HOLD_LIFTED: Act.HOLD_LOT,
    Meaning.ADDENDUM: Act.DECIDE_LOT,
}


async def _require(
    context: Context, tx: Transaction, actor: Actor, asked: Asked, lot: Disposition
) -> Happening:
    """Return what the signature would do, by the actor's own right or in somebody's place.

    Raises DeniedError where there is no right, ConflictError where it comes from the first person
    alone: two signers whom one person chose are one.
    """
    happening = _happening(asked, UserId(actor.name))
    first = first_person(lot, happening)
    principal = await right(context, tx, actor, ACT_OF[asked.meaning], apart_from=first)
    return replace(happening, in_place_of=principal)


async def _account(tx: Transaction, session: Session) -> Account:
    account = await accounts.find(tx, session.actor.name)
    if account is None or account.ended_at is not None:
        raise AccessError("the account has ended")
    return account


async def _needed(context: Context, tx: Transaction, session: Session) -> tuple[Component, ...]:
    rows = await tx.fetch("review.series", series=session.id)
    return needed_components(
        [row["signed_time"] for row in rows],
        context.clock.now(),
        pause_max=context.settings.access.series_pause_seconds * SECOND,
    )


def _check_shown(standing: Standing, asked: Asked, given: Given, account: Account) -> None:
    """Refuse a signature for what is no longer as it was shown."""
    said = _statement(standing, asked, account)
    if given.etag != standing.etag or given.shown != shown_hash(said):
        raise ConflictError(
            f"{standing.lot} has changed since it was shown",
            hint="look at it again, then sign what you see",
        )


async def _check_present(context: Context, key: LotKey, standing: Standing) -> None:
    made = await assemble_now(context, key)
    if content_hash(made.data) != standing.newest.summary.content_hash:
        raise ConflictError(
            f"data or facts have come since version {standing.newest.summary.version} of {key}",
            hint="assemble the record again, and review what has changed",
        )


async def _check_inputs(context: Context, key: LotKey) -> None:
    stopped = await stopped_inputs(context, key)
    if stopped:
        raise ConflictError(
            f"{', '.join(map(str, stopped))} went into {key}, and is held or rejected",
            hint="a lot waits for what it is made of; lift the hold, or reject this lot too",
        )


def _happening(asked: Asked, by: UserId) -> Happening:
    verdict = VERDICT_OF.get(asked.meaning)
    entry = FactId(asked.subjects[0]) if asked.meaning is Meaning.ENTRY_CHECKED else None
    exceptions = frozenset(map(ExceptionId, asked.subjects)) if verdict else frozenset()
    return Happening(
        event=EVENT_OF[asked.meaning], by=by, exceptions=exceptions, verdict=verdict, entry=entry
    )


def _statement(standing: Standing, asked: Asked, account: Account) -> Json:
    """Return all that the signer is shown: the record, what it found, what was decided of it."""
    document, record = standing.looked_at.document, standing.record
    chosen = set(asked.subjects)
    items = [*document["exceptions"], *document["facts"]] if chosen else document["exceptions"]
    return {
        "record": {
            "gtin": record.lot.gtin,
            "lot": record.lot.lot,
            "material": document["lot"]["material"],
            "version": record.version,
            "hash": record.hash,
        },
        "meaning": asked.meaning.value,
        "deviation": asked.deviation,
        "signer": account.user,
        "printed_name": account.printed_name,
        "stage": standing.disposition.stage.value,
        "checks_passed": document["checks"]["passed"],
        "subjects": [
            {**item, "verdict": _verdict(standing, item["id"])}
            for item in items
            if not chosen or item["id"] in chosen
        ],
        "signatures": [each.signature.id for each in standing.signatures],
    }


def _verdict(standing: Standing, item: str) -> str:
    verdict: Verdict | None = standing.disposition.decisions.get(ExceptionId(item))
    return "" if verdict is None else verdict.value


def _signature(
    context: Context,
    session: Session,
    *,
    standing: Standing,
    asked: Asked,
    given: Given,
    account: Account,
    components: tuple[Component, ...],
) -> Signature:
    now = context.clock.now()
    return Signature(
        signer=account.user,
        printed_name=account.printed_name,
        time=now,
        offset_minutes=_offset_minutes(now, context.settings.access.time_zone),
        meaning=asked.meaning,
        reason=given.reason,
        record=standing.record,
        subjects=asked.subjects,
        deviation=asked.deviation,
        shown=given.shown,
        components=components,
        series=session.id,
    )


def _offset_minutes(now: Nanoseconds, zone: str) -> int:
    moment = datetime.fromtimestamp(now // SECOND, UTC if zone == "UTC" else ZoneInfo(zone))
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds() // 60)
