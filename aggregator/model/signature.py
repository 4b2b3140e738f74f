"""A person's electronic signature: who, when, what it means, and the hash of what was shown.

The signed bytes are canonical JSON and name the record by its hash, so a signature put beside
another record does not hold there (21 CFR 11.50, 11.70). They are a leaf of the log, so that a
signature can be neither altered, nor taken away, nor added later without being seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aggregator.errors import EvidenceError, InvalidError
from aggregator.model.disposition import UserId, Verdict
from aggregator.model.master.lot import LotKey
from aggregator.model.record.batch_record import content_hash
from protocols.wire.dossier.file import canonical_json
from protocols.wire.dossier.instant import format_time, parse_time
from protocols.wire.errors import MalformedError
from protocols.wire.reading import Nanoseconds

FORMAT: Final = "lotproof-signature-v1"
REASON_CHARACTERS_MAX: Final = 2_000
OFFSET_MINUTES_MAX: Final = 14 * 60


class Meaning(StrEnum):
    """What a signature says (21 CFR 11.50(a)(3))."""

    EXCEPTION_ACCEPTED = "exception_accepted"
    EXCEPTION_REJECTED = "exception_rejected"
    DEVIATION_RAISED = "deviation_raised"
    ENTRY_CHECKED = "entry_checked"  # a second person vouches for a manual entry
    REVIEWED = "reviewed"
    RELEASED = "released"
    REJECTED = "rejected"
    HELD = "held"
    HOLD_LIFTED = "hold_lifted"
    ADDENDUM = "addendum"  # what came after the release is known and judged


OF_VERDICT: Final[Mapping[Verdict, Meaning]] = {
    Verdict.ACCEPTED: Meaning.EXCEPTION_ACCEPTED,
    Verdict.REJECTED: Meaning.EXCEPTION_REJECTED,
    Verdict.DEVIATION: Meaning.DEVIATION_RAISED,
}


class Component(StrEnum):
    """What a person gave to sign (21 CFR 11.200(a)(1))."""

    PASSWORD = "password"  # noqa: S105 # the name of a component, not one
    CODE = "code"  # of the second factor, time-based (RFC 6238)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRecord:
    """The version of a record that a signature is about."""

    lot: LotKey
    version: int
    hash: str  # SHA-256 of its bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature, complete in itself."""

    signer: UserId
    printed_name: str
    time: Nanoseconds
    offset_minutes: int  # of the signer's place from UTC at that time
    meaning: Meaning
    reason: str
    record: SignedRecord
    subjects: tuple[str, ...]  # exceptions or the entry, where it is not the record as a whole
    deviation: str  # number in the quality system, "" where none was raised
    shown: str  # SHA-256 of the statement that the signer saw
    components: tuple[Component, ...]
    series: str  # the session whose signings are one continuous series

    def __post_init__(self) -> None:
        """Refuse a signature that could not be printed or believed."""
        if not self.signer or not self.printed_name.strip():
            raise InvalidError("a signature needs its signer and the name as printed")
        if not self.reason.strip() or len(self.reason) > REASON_CHARACTERS_MAX:
            raise InvalidError(
                f"a signature needs a reason of at most {REASON_CHARACTERS_MAX} characters"
            )
        if not self.components:
            raise InvalidError("a signature needs at least one component of its signer")
        if abs(self.offset_minutes) > OFFSET_MINUTES_MAX:
            raise InvalidError("no place is further than 14 hours from UTC")
        if bool(self.deviation) is not (self.meaning is Meaning.DEVIATION_RAISED):
            raise InvalidError(
                "a deviation is raised with its number, and only then",
                hint="give the number that the quality system gave it",
            )

    @property
    def id(self) -> str:
        """SHA-256 of the signed bytes in hexadecimal."""
        return hashlib.sha256(encode_signature(self)).hexdigest()


def encode_signature(signature: Signature) -> bytes:
    """Return the bytes that are the signature: canonical JSON."""
    return canonical_json(
        {
            "format": FORMAT,
            "signer": signature.signer,
            "printed_name": signature.printed_name,
            "time": format_time(signature.time),
            "offset_minutes": signature.offset_minutes,
            "meaning": signature.meaning.value,
            "reason": signature.reason,
            "record": {
                "gtin": signature.record.lot.gtin,
                "lot": signature.record.lot.lot,
                "version": signature.record.version,
                "hash": signature.record.hash,
            },
            "subjects": list(signature.subjects),
            "deviation": signature.deviation,
            "shown": signature.shown,
            "components": [each.value for each in signature.components],
            "series": signature.series,
        }
    )


def decode_signature(data: bytes) -> Signature:
    """Return the signature that ``data`` is; EvidenceError unless it is exactly one."""
    try:
        said: dict[str, Any] = json.loads(data)
        record = said["record"]
        signature = Signature(
            signer=UserId(said["signer"]),
            printed_name=said["printed_name"],
            time=parse_time(said["time"]),
            offset_minutes=said["offset_minutes"],
            meaning=Meaning(said["meaning"]),
            reason=said["reason"],
            record=SignedRecord(
                lot=LotKey(record["gtin"], record["lot"]),
                version=record["version"],
                hash=record["hash"],
            ),
            subjects=tuple(said["subjects"]),
            deviation=said["deviation"],
            shown=said["shown"],
            components=tuple(Component(each) for each in said["components"]),
            series=said["series"],
        )
    except (ValueError, KeyError, TypeError, InvalidError, MalformedError) as error:
        raise EvidenceError(f"what stands for a signature is none: {error}") from None
    if encode_signature(signature) != data:
        raise EvidenceError("a signature is not in the form in which it was signed")
    return signature


def check_signature(signature: Signature, record: bytes) -> None:
    """Return if the signature is about the record of these bytes, else raise EvidenceError.

    A signature that was taken from another record, or from another version, does not hold.
    """
    if signature.record.hash != content_hash(record):
        raise EvidenceError(
            f"the signature of {signature.printed_name} ({signature.meaning}) is about another "
            "record than this one",
            hint="compare the record with a backup, and the signature with the log",
        )


def shown_hash(statement: Mapping[str, object]) -> str:
    """Return the hash of a statement as it is shown to the signer."""
    return hashlib.sha256(canonical_json(statement)).hexdigest()


def needed_components(
    earlier: Sequence[Nanoseconds], now: Nanoseconds, *, pause_max: Nanoseconds
) -> tuple[Component, ...]:
    """Return what a signing takes, after those at the times ``earlier`` in the same session.

    Both components at the first; the password alone while the series goes on without a longer
    pause (21 CFR 11.200(a)(1)(i) and (ii)).
    """
    goes_on = bool(earlier) and 0 <= now - max(earlier) <= pause_max
    return (Component.PASSWORD,) if goes_on else (Component.PASSWORD, Component.CODE)
