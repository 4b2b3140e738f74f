"""A signature says who, when and what it means, and holds for one record alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from aggregator.errors import EvidenceError, InvalidError
from aggregator.model.disposition import UserId
from aggregator.model.master.lot import check_lot_key
from aggregator.model.record.batch_record import content_hash
from aggregator.model.signature import (
    Component,
    Meaning,
    Signature,
    SignedRecord,
    check_signature,
    decode_signature,
    encode_signature,
    needed_components,
    shown_hash,
)
from protocols.wire.reading import SECOND

RECORD: Final = b'{"lot":"L-1"}'
BOTH: Final = (Component.PASSWORD, Component.CODE)
SIGNED: Final = Signature(
    signer=UserId("li.wei"),
    printed_name="Li Wei 李伟",
    time=1_790_000_000 * SECOND,
    offset_minutes=480,
    meaning=Meaning.REVIEWED,
    reason="all exceptions judged",
    record=SignedRecord(
        lot=check_lot_key("09506000134352", "L-1"), version=2, hash=content_hash(RECORD)
    ),
    subjects=(),
    deviation="",
    shown=shown_hash({"record": "L-1"}),
    components=BOTH,
    series="0011",
)


def test_a_signature_reads_back_as_it_was_signed() -> None:
    assert decode_signature(encode_signature(SIGNED)) == SIGNED


@pytest.mark.clause("21 CFR 11.70")
def test_a_signature_pasted_to_another_record_does_not_hold() -> None:
    check_signature(SIGNED, RECORD)
    with pytest.raises(EvidenceError, match="another record"):
        check_signature(SIGNED, b'{"lot":"L-2"}')


@pytest.mark.parametrize(
    "change",
    [
        {"signer": UserId("chen")},
        {"printed_name": "Chen"},
        {"time": 1},
        {"offset_minutes": 0},
        {"meaning": Meaning.RELEASED},
        {"reason": "other"},
        {"record": replace(SIGNED.record, version=3)},
        {"record": replace(SIGNED.record, hash="0" * 64)},
        {"subjects": ("x",)},
        {"shown": "0" * 64},
        {"components": (Component.PASSWORD,)},
        {"series": "22"},
    ],
)
def test_whatever_is_changed_is_another_signature(change: dict[str, Any]) -> None:
    assert replace(SIGNED, **change).id != SIGNED.id


@pytest.mark.parametrize(
    "change",
    [
        {"signer": UserId("")},
        {"printed_name": " "},
        {"reason": " "},
        {"reason": "x" * 2_001},
        {"components": ()},
        {"offset_minutes": 900},
        {"deviation": "DEV-1"},
        {"meaning": Meaning.DEVIATION_RAISED},
    ],
)
def test_what_could_not_be_printed_or_believed_is_no_signature(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        replace(SIGNED, **change)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", encode_signature(SIGNED) + b" "])
def test_what_is_no_signature_is_not_read(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        decode_signature(data)


@pytest.mark.clause("21 CFR 11.200")
def test_the_first_signing_of_a_series_takes_both_components() -> None:
    pause, now = 900 * SECOND, SIGNED.time
    assert needed_components([], now, pause_max=pause) == BOTH
    assert needed_components([now - SECOND], now, pause_max=pause) == (Component.PASSWORD,)
    assert needed_components([now - pause - 1], now, pause_max=pause) == BOTH
    assert needed_components([now + 1], now, pause_max=pause) == BOTH, "a clock was set back"
