"""When work that nobody has ended must have ended: a proposal, for a person to sign.

The system never ends a job by itself: it says what the evidence is (record rule 14).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.binding.occupancy import ONE_AT_A_TIME
from aggregator.model.master.equipment import EquipmentPath, Occupancy
from protocols.wire.reading import Nanoseconds


class Evidence(StrEnum):
    """What shows that the work had ended."""

    NEXT = "next"  # another lot, or none, was said to be there since
    IDLE = "idle"  # the equipment has done nothing since, as its gateway's seals prove


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What equipment did last, and up to when its gateway's seals prove that it did no more."""

    last: Nanoseconds
    through: Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """An end that is proposed for a fact that has none."""

    fact: Fact
    end: Nanoseconds
    uncertainty: Nanoseconds  # of the end
    clock: str  # that stamped it; empty: none of ours
    evidence: Evidence
    by: str  # who or what says so


def closings(
    facts: Sequence[Fact],
    occupancy: Mapping[EquipmentPath, Occupancy],
    activity: Mapping[EquipmentPath, Activity],
    *,
    idle: Nanoseconds,
) -> tuple[Closing, ...]:
    """Return the ends that the evidence proposes, in order of when the work began.

    ``facts`` are those in force, derived ones included. Of equipment that several lots share,
    another lot ends nothing. Idle is what has done nothing for ``idle``.
    """
    found = []
    for fact in sorted(_unended(facts), key=lambda fact: (fact.start, fact.id)):
        place = EquipmentPath(fact.equipment or "")
        following = None
        if occupancy.get(place, Occupancy.EXCLUSIVE) in ONE_AT_A_TIME:
            following = _following(fact, facts)
        did = activity.get(place)
        if following is not None:
            found.append(
                Closing(
                    fact=fact,
                    end=following.start,
                    uncertainty=following.uncertainty,
                    clock=following.clock,
                    evidence=Evidence.NEXT,
                    by=following.source,
                )
            )
        elif did is not None and did.last >= fact.start and did.through - did.last >= idle:
            found.append(
                Closing(
                    fact=fact,
                    end=did.last + 1,
                    uncertainty=0,
                    clock="",
                    evidence=Evidence.IDLE,
                    by=place,
                )
            )
    return tuple(found)


def _unended(facts: Iterable[Fact]) -> Iterable[Fact]:
    """Return what a person or a plan has begun and not ended; readings end by themselves."""
    return (
        fact
        for fact in facts
        if fact.kind is FactKind.OCCUPANCY
        and fact.end is None
        and fact.lot is not None
        and fact.authority >= Authority.OPERATOR
    )


def _following(fact: Fact, facts: Iterable[Fact]) -> Fact | None:
    """Return the first word, no weaker than the fact's, of anything else at its place since."""
    others = (
        each
        for each in facts
        if each.equipment == fact.equipment
        and each.kind in (FactKind.OCCUPANCY, FactKind.CONTEXT)
        and each.lot != fact.lot
        and each.authority <= fact.authority
        and each.start > fact.start
    )
    return min(others, key=lambda each: (each.start, each.authority, each.id), default=None)
