"""Reviews: what waits, where a lot stands, what is shown before a signature, and the signature.

Only a person who has logged in can act here: a service's token reads and signs nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.accounts import Code, Password, ReasonRequest
from aggregator.api.reasons import Reason
from aggregator.caller import Caller, ContextOf, Person
from aggregator.errors import InvalidError
from aggregator.model.signature import Meaning
from aggregator.service.access.accounts import Proof
from aggregator.service.review import decide_lot, review_record, signing
from aggregator.service.review.signing import SUBJECTS_MAX, Asked, Given
from aggregator.service.review.standing import KeptSignature, Standing
from protocols.wire.dossier.instant import format_time

routes = APIRouter(prefix="/reviews", tags=["reviews"])

IfMatch = Annotated[str, Header(description="ETag of where the lot stood when it was read.")]
CHANGED: dict[int | str, dict[str, Any]] = {
    409: {"description": "It has changed since, the lot does not allow it, or the person does not."}
}


class SignatureRequest(BaseModel):
    """A signature, with the components of the signer."""

    model_config = ConfigDict(extra="forbid")

    meaning: Meaning
    subjects: Annotated[
        tuple[str, ...],
        Field(max_length=SUBJECTS_MAX, description="Exceptions to decide, or the entry to check."),
    ] = ()
    deviation: Annotated[
        str, Field(max_length=100, description="Number in the quality system.")
    ] = ""
    reason: Reason
    shown: Annotated[str, Field(description="Hash of the statement that the signer saw.")]
    password: Password
    code: Annotated[Code, Field(description="Needed at the first signature of a series.")] = ""


@routes.get("", summary="List the lots that wait for a person")
async def read_lanes(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return two lanes: lots with nothing to decide, and those that need a decision."""
    found = await review_record.lanes(context, actor)
    return {
        "clean": [_brief(each) for each in found.clean],
        "decide": [_brief(each) for each in found.decide],
    }


@routes.get("/{gtin}/{lot}", summary="Read where a lot stands")
async def read_standing(
    context: ContextOf, actor: Caller, response: Response, gtin: str, lot: str
) -> dict[str, Any]:
    """Return stage, decisions, signatures and what is missing."""
    return _tagged(response, await review_record.get(context, actor, gtin, lot))


@routes.get("/{gtin}/{lot}/if-released", summary="See what keeps a lot from its release")
async def read_missing(context: ContextOf, actor: Caller, gtin: str, lot: str) -> dict[str, Any]:
    """Return all that would be missing if the caller released the lot now; keep nothing."""
    found = await decide_lot.if_released(context, actor, gtin, lot)
    return {
        "missing": [
            {"what": each.what, "text": each.text, "subjects": each.subjects} for each in found
        ]
    }


@routes.post("/{gtin}/{lot}", responses=CHANGED, summary="Open the review of a lot's record")
async def open_review(
    context: ContextOf,
    person: Person,
    response: Response,
    *,
    gtin: str,
    lot: str,
    asked: ReasonRequest,
    if_match: IfMatch,
) -> dict[str, Any]:
    """Take a complete record up, or a reviewed one back into review."""
    standing = await review_record.open_review(
        context, person, gtin, lot, etag=_etag(if_match), why=asked.reason
    )
    return _tagged(response, standing)


@routes.get("/{gtin}/{lot}/statement", responses=CHANGED, summary="See what would be signed")
async def read_statement(
    context: ContextOf,
    person: Person,
    response: Response,
    *,
    gtin: str,
    lot: str,
    meaning: Meaning,
    subject: Annotated[list[str] | None, Query(description="An exception or entry.")] = None,
    deviation: Annotated[str, Query(max_length=100)] = "",
) -> dict[str, Any]:
    """Return the statement, its hash, and the components that the signature takes."""
    asked = Asked(
        gtin=gtin,
        lot=lot,
        meaning=meaning,
        subjects=tuple(subject or ()),
        deviation=deviation,
    )
    shown = await signing.show(context, person, asked)
    response.headers["ETag"] = f'"{shown.etag}"'
    return {"statement": shown.statement, "shown": shown.hash, "components": shown.components}


@routes.post(
    "/{gtin}/{lot}/signatures", status_code=201, responses=CHANGED, summary="Sign what was shown"
)
async def sign(
    context: ContextOf,
    person: Person,
    response: Response,
    *,
    gtin: str,
    lot: str,
    asked: SignatureRequest,
    if_match: IfMatch,
) -> dict[str, Any]:
    """Take the signature, do what it means, and return where the lot stands then."""
    what = Asked(
        gtin=gtin,
        lot=lot,
        meaning=asked.meaning,
        subjects=asked.subjects,
        deviation=asked.deviation,
    )
    given = Given(
        proof=Proof(password=asked.password, code=asked.code),
        reason=asked.reason,
        shown=asked.shown,
        etag=_etag(if_match),
    )
    return _tagged(response, await signing.sign(context, person, what, given))


def _tagged(response: Response, standing: Standing) -> dict[str, Any]:
    response.headers["ETag"] = f'"{standing.etag}"'
    lot = standing.disposition
    return _brief(standing) | {
        "reviewer": lot.reviewer,
        "releaser": lot.releaser,
        "holder": lot.holder,
        "newest_version": standing.newest.summary.version,
        "changed_sections": standing.changed,
        "refused": sorted(lot.refused),
        "unchecked": sorted(lot.unchecked),
        "decisions": {
            each: {"verdict": lot.decisions[each].value, "signature": kept.signature.id}
            for each, kept in standing.decisions.items()
        },
        "signatures": [shown(each) for each in standing.signatures],
    }


def shown(kept: KeptSignature) -> dict[str, Any]:
    """Return a signature as the API shows it."""
    signature = kept.signature
    return {
        "id": signature.id,
        "signer": signature.signer,
        "printed_name": signature.printed_name,
        "time": format_time(signature.time),
        "offset_minutes": signature.offset_minutes,
        "meaning": signature.meaning.value,
        "reason": signature.reason,
        "version": signature.record.version,
        "record_hash": signature.record.hash,
        "subjects": signature.subjects,
        "deviation": signature.deviation,
        "components": signature.components,
        "shown": signature.shown,
        "log_position": kept.position,
    }


def _brief(standing: Standing) -> dict[str, Any]:
    record, lot = standing.record, standing.disposition
    return {
        "gtin": record.lot.gtin,
        "lot": record.lot.lot,
        "stage": lot.stage.value,
        "version": record.version,
        "content_hash": record.hash,
        "undecided": sorted(lot.undecided),
    }


def _etag(if_match: str) -> str:
    text = if_match.strip().removeprefix("W/")
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise InvalidError(
            f"If-Match {if_match[:40]!r} is no ETag of this API", hint='it looks like "3.1"'
        )
    return text.strip('"')
