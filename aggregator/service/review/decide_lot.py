"""Use case: see what keeps a lot from its release, before anybody tries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aggregator.access.roles import Act, Actor, require
from aggregator.model.disposition import (
    Disposition,
    Event,
    Happening,
    Hindrance,
    UserId,
    hindrances,
    sentence,
)
from aggregator.model.master.lot import check_lot_key
from aggregator.model.record.batch_record import content_hash
from aggregator.service.assemble_record import assemble_now
from aggregator.service.context import Context
from aggregator.service.review.inputs import stopped_inputs
from aggregator.service.review.standing import standing_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One thing that keeps a lot from its release."""

    what: str  # a Hindrance's value, ``input_stopped`` or ``late_data``
    text: str
    subjects: tuple[str, ...] = ()


async def if_released(context: Context, actor: Actor, gtin: str, lot: str) -> tuple[Missing, ...]:
    """Return all that keeps a lot from being released by ``actor`` at this moment; keep nothing."""
    require(actor, Act.READ_RECORDS)
    key = check_lot_key(gtin, lot)
    async with context.store.read() as tx:
        standing = await standing_of(tx, key)
    disposition = standing.disposition
    happening = Happening(event=Event.RELEASE, by=UserId(actor.name))
    found = [
        Missing(what=each.value, text=sentence(each), subjects=_subjects(each, disposition))
        for each in hindrances(disposition, happening)
    ]
    stopped = await stopped_inputs(context, key)
    if stopped:
        text = "a lot that went into it is held or rejected"
        subjects = tuple(map(str, stopped))
        found.append(Missing(what="input_stopped", text=text, subjects=subjects))
    made = await assemble_now(context, key)
    if content_hash(made.data) != standing.newest.summary.content_hash:
        text = "data or facts have come since the newest version: assemble the record again"
        found.append(Missing(what="late_data", text=text))
    return tuple(found)


def _subjects(hindrance: Hindrance, disposition: Disposition) -> tuple[str, ...]:
    found = _SUBJECTS.get(hindrance)
    return () if found is None else found(disposition)


_SUBJECTS: Final[Mapping[Hindrance, Callable[[Disposition], tuple[str, ...]]]] = {
    Hindrance.UNDECIDED: lambda lot: tuple(sorted(lot.undecided)),
    Hindrance.REFUSED_EXCEPTION: lambda lot: tuple(sorted(lot.refused)),
    Hindrance.UNCHECKED: lambda lot: tuple(sorted(lot.unchecked)),
}
