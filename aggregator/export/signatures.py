"""Signatures as they leave the system: on paper, and as bytes that can be checked offline.

    {"earlier": [], "format": "lotproof-signatures-v1", "log_size": 812,
     "signatures": [{"leaf": 97, "path": ["…", "…"], "signed": "{...}"}]}

``signatures`` are those of this version of the record, ``earlier`` those of versions before it.
``signed`` is the very text that was signed, ``leaf`` its place in the log, and ``path`` leads from
there to the root of the log's first ``log_size`` leaves (RFC 9162 section 2.1.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from aggregator.export.words import ENGLISH, Words, say
from aggregator.model.signature import OF_VERDICT, Signature, encode_signature
from protocols.wire.dossier.file import canonical_json
from protocols.wire.reading import SECOND, Nanoseconds

FORMAT: Final = "lotproof-signatures-v1"
ATTACHMENT: Final = "signatures.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedSignature:
    """A signature with its proof that the log has it."""

    signature: Signature
    position: int
    path: tuple[bytes, ...]


def encode_signatures(
    proved: Sequence[ProvedSignature], log_size: int, *, record_hash: str
) -> bytes:
    """Return the bytes of ``signatures.json`` that goes with the record of this hash."""
    here = [each for each in proved if each.signature.record.hash == record_hash]
    earlier = [each for each in proved if each.signature.record.hash != record_hash]
    return canonical_json(
        {
            "format": FORMAT,
            "log_size": log_size,
            "signatures": [_item(each) for each in here],
            "earlier": [_item(each) for each in earlier],
        }
    )


def _item(proved: ProvedSignature) -> Mapping[str, object]:
    return {
        "signed": encode_signature(proved.signature).decode(),
        "leaf": proved.position,
        "path": [step.hex() for step in proved.path],
    }


def signature_rows(signatures: Iterable[Signature], words: Words = ENGLISH) -> list[dict[str, Any]]:
    """Return name, time, meaning and reason of each signature as texts (21 CFR 11.50(a), (b))."""
    return [
        {
            "name": f"{each.printed_name} ({each.signer})",
            "time": zoned(each.time, each.offset_minutes),
            "meaning": say(words, f"meaning.{each.meaning.value}")
            + (f" {each.deviation}" if each.deviation else ""),
            "about": ", ".join(each.subjects) or say(words, "the record"),
            "version": str(each.record.version),
            "reason": each.reason,
        }
        for each in signatures
    ]


def verdicts(signatures: Iterable[Signature], words: Words = ENGLISH) -> Mapping[str, str]:
    """Return what was last decided of each exception, as a text."""
    deciding = frozenset(OF_VERDICT.values())
    return {
        subject: say(words, f"meaning.{each.meaning.value}")
        + (f" {each.deviation}" if each.deviation else "")
        for each in signatures
        if each.meaning in deciding
        for subject in each.subjects
    }


def zoned(time: Nanoseconds, offset_minutes: int) -> str:
    """Return a time as it was where the signer was, with its offset from UTC."""
    moment = datetime.fromtimestamp(time // SECOND, UTC)
    local = moment.astimezone(timezone(timedelta(minutes=offset_minutes)))
    text = local.isoformat(sep=" ")
    return f"{text[:19]} UTC{text[19:]}"
