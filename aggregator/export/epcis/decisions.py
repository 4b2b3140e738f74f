"""What persons decided of a lot, as events: released, rejected, held, let go on.

CBV 2.0 has no business step for a release: it is an inspection that finds the lot conformant, and
that the completeness of its data was verified (sections 7.1, 7.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from aggregator.export.epcis.naming import moment
from aggregator.model.signature import Meaning
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person signed of a lot."""

    meaning: Meaning
    time: Nanoseconds
    offset_minutes: int  # of the signer's place from UTC


def decided(decisions: Sequence[Decision], lot: str, place: str) -> Iterator[dict[str, Any]]:
    """Yield an event for each decision about the lot as a whole, in their order."""
    released = False
    for each in decisions:
        if each.meaning not in _SAID:
            continue
        released = released or each.meaning is Meaning.RELEASED
        said = _SAID[each.meaning]
        lifted = each.meaning is Meaning.HOLD_LIFTED
        event = {
            "type": "ObjectEvent",
            "eventTime": moment(each.time),
            "eventTimeZoneOffset": _offset(each.offset_minutes),
            "action": "OBSERVE",
            "quantityList": [{"epcClass": lot}],
            "bizStep": said.step,
            "disposition": "conformant" if lifted and released else said.disposition,
            "bizLocation": {"id": place},
        }
        if each.meaning is Meaning.RELEASED:
            event["persistentDisposition"] = {"set": ["completeness_verified"]}
        yield event


class _Words(NamedTuple):
    """Words of the Core Business Vocabulary for a decision."""

    step: str
    disposition: str


_SAID: Final[Mapping[Meaning, _Words]] = {
    Meaning.RELEASED: _Words("inspecting", "conformant"),
    Meaning.REJECTED: _Words("inspecting", "non_conformant"),
    Meaning.HELD: _Words("holding", "unavailable"),
    Meaning.HOLD_LIFTED: _Words("inspecting", "in_progress"),
}


def _offset(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
