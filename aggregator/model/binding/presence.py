"""Facts that readers give: where carriers stayed, inferred from reads that come and fail to come.

A reader sees through walls and misses what stands before it. A carrier was there where it was read
often enough, without too long a silence, and better than at any other place; where that does not
decide, it is in both, and a person is told (record rule 10).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations, pairwise
from typing import NamedTuple

from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.binding.named import source_of
from aggregator.model.master.carrier import called
from aggregator.model.master.equipment import EquipmentPath, SignalSpec, is_at
from aggregator.model.master.read_point import PresenceRule
from aggregator.model.series import Series
from protocols.wire.reading import Doubt, Nanoseconds, TagRead


class Dwell(NamedTuple):
    """A carrier was seen over ``[start, end)``; ``end`` is None while it may still be there."""

    carrier: str  # EPC in hexadecimal
    start: Nanoseconds
    end: Nanoseconds | None
    reads: int


class WhyDoubted(StrEnum):
    """What makes the whereabouts of a carrier doubtful."""

    TWO_PLACES = "two_places"  # read at both, at neither much better
    TOO_FAST = "too_fast"  # there before it can have come from where it was


class DoubtedCarrier(NamedTuple):
    """A carrier whose place over ``[start, end]`` is not certain."""

    why: WhyDoubted
    carrier: str
    start: Nanoseconds
    end: Nanoseconds
    places: tuple[EquipmentPath, EquipmentPath]


class Presence(NamedTuple):
    """What all readers say together."""

    dwells: Mapping[SignalSpec, tuple[Dwell, ...]]  # in order of start
    doubted: tuple[DoubtedCarrier, ...]  # in order of start


def dwells(series: Series, rule: PresenceRule, known_through: Nanoseconds) -> tuple[Dwell, ...]:
    """Return the stays of each carrier at one read point, in order of start.

    ``known_through`` is the time up to which the reader's silence is proved: a carrier that has not
    been silent for long enough by then has not left yet.
    """
    return tuple(_dwell(stay, rule, known_through) for stay in _stays(series, rule))


def presence(
    seen: Mapping[SignalSpec, Series],
    rule: PresenceRule,
    known_through: Mapping[SignalSpec, Nanoseconds],
) -> Presence:
    """Return where each carrier stayed, held against all other read points.

    A read point's own ``presence`` counts before ``rule``.
    """
    rules = {spec: spec.presence or rule for spec in seen}
    stays = {spec: _stays(series, rules[spec]) for spec, series in seen.items()}
    by_carrier: dict[str, list[_At]] = {}
    for spec in sorted(stays, key=lambda spec: spec.key):
        for stay in stays[spec]:
            by_carrier.setdefault(stay.carrier, []).append(_At(spec, stay))
    found: dict[SignalSpec, list[Dwell]] = {spec: [] for spec in seen}
    doubted: list[DoubtedCarrier] = []
    for carrier in sorted(by_carrier):
        settled, doubts = _settled(by_carrier[carrier], rules)
        doubted += doubts
        doubted += _too_fast(settled, rules)
        for spec, stay in settled:
            gone = stay.gone or _seen_elsewhere(spec, stay, settled)
            dwell = _dwell(replace(stay, gone=gone), rules[spec], known_through[spec])
            found[spec].append(dwell)
    return Presence(
        {spec: tuple(sorted(own, key=_order)) for spec, own in found.items()},
        tuple(sorted(doubted, key=lambda each: (each.start, each.carrier, each.places))),
    )


def carrier_occupancy(
    seen: Sequence[Dwell], spec: SignalSpec, facts: Sequence[Fact], uncertainty: Nanoseconds
) -> tuple[tuple[Fact, ...], tuple[Dwell, ...]]:
    """Return the occupancy that dwells give through associations, and dwells of unknown carriers.

    A carrier is reused: it stands for a lot only while the association lasts, which may name it by
    its EPC or by its label.
    """
    derived: list[Fact] = []
    unknown: list[Dwell] = []
    by_name: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.kind is FactKind.ASSOCIATION and fact.carrier is not None:
            by_name.setdefault(called(fact.carrier), []).append(fact)
    for dwell in seen:
        held = [
            fact
            for fact in by_name.get(called(dwell.carrier), [])
            if fact.until > dwell.start and (dwell.end is None or fact.start < dwell.end)
        ]
        if not held:
            unknown.append(dwell)
        stay = Fact(
            kind=FactKind.OCCUPANCY,
            start=dwell.start,
            end=dwell.end,
            authority=Authority.RFID,
            source=source_of(spec),
            equipment=spec.equipment,
            carrier=dwell.carrier,
            uncertainty=uncertainty,
            clock=spec.clock_id,
        )
        for fact in held:
            ends = [end for end in (dwell.end, fact.end) if end is not None]
            derived.append(
                replace(
                    stay,
                    start=max(dwell.start, fact.start),
                    end=min(ends) if ends else None,
                    lot=fact.lot,
                )
            )
    return tuple(derived), tuple(unknown)


class _Sighting(NamedTuple):
    """One tag read, by the time that windows are cut on."""

    start: Nanoseconds
    end: Nanoseconds
    epc: bytes
    rssi: int
    reads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stay:
    """Sightings of one carrier at one place, none of them long after the one before."""

    carrier: str
    sightings: tuple[_Sighting, ...]
    gone: bool = False  # it is known to be elsewhere since

    @property
    def start(self) -> Nanoseconds:
        return self.sightings[0].start

    @property
    def end(self) -> Nanoseconds:
        return max(each.end for each in self.sightings)

    @property
    def reads(self) -> int:
        return sum(each.reads for each in self.sightings)


class _At(NamedTuple):
    """A stay and its read point."""

    spec: SignalSpec
    stay: _Stay


def _stays(series: Series, rule: PresenceRule) -> list[_Stay]:
    """Return the stays at one read point that have reads enough."""
    open_: dict[str, list[_Sighting]] = {}
    patience: dict[str, _Patience] = {}
    stays: list[_Stay] = []
    for each in _sightings(series):
        carrier = each.epc.hex()
        known = patience.get(carrier)
        if known is None or each.start - known.end > known.timeout(rule):
            if carrier in open_:
                stays.append(_Stay(carrier=carrier, sightings=tuple(open_[carrier])))
            open_[carrier], patience[carrier] = [], _Patience(each.start, each.end, 0)
        open_[carrier].append(each)
        patience[carrier] = patience[carrier].after(each)
    stays += [_Stay(carrier=carrier, sightings=tuple(own)) for carrier, own in open_.items()]
    enough = [stay for stay in stays if stay.reads >= rule.reads_min]
    return sorted(enough, key=lambda stay: (stay.start, stay.end, stay.carrier))


class _Patience(NamedTuple):
    """How often a carrier was read in this stay so far."""

    start: Nanoseconds
    end: Nanoseconds
    reads: int

    def after(self, sighting: _Sighting) -> _Patience:
        return _Patience(self.start, max(self.end, sighting.end), self.reads + sighting.reads)

    def timeout(self, rule: PresenceRule) -> Nanoseconds:
        """Return the silence after which the carrier has left."""
        mean = (self.end - self.start) // (self.reads - 1) if self.reads > 1 else 0
        return min(max(rule.exit_timeout, rule.missed_reads * mean), rule.exit_timeout_max)


def _settled(
    several: Sequence[_At], rules: Mapping[SignalSpec, PresenceRule]
) -> tuple[list[_At], list[DoubtedCarrier]]:
    """Give each stretch in which two places read one carrier to the one that read it better."""
    lost: dict[int, list[tuple[int, int]]] = {}
    doubted = []
    for (one_at, one), (other_at, other) in combinations(enumerate(several), 2):
        low, high = max(one.stay.start, other.stay.start), min(one.stay.end, other.stay.end)
        if low > high or not _apart(one.spec, other.spec):
            continue
        margin = max(rules[one.spec].rssi_margin, rules[other.spec].rssi_margin)
        loser = _loser(one.stay, other.stay, low, high, margin)
        if loser is None:
            places = (one.spec.equipment, other.spec.equipment)
            doubted.append(
                DoubtedCarrier(WhyDoubted.TWO_PLACES, one.stay.carrier, low, high, places)
            )
        else:
            lost.setdefault(one_at if loser is one.stay else other_at, []).append((low, high))
    settled = [
        _At(spec, piece)
        for at, (spec, stay) in enumerate(several)
        for piece in _pieces(stay, lost.get(at, []), rules[spec])
    ]
    return sorted(settled, key=lambda each: (each.stay.start, each.spec.key)), doubted


def _loser(one: _Stay, other: _Stay, low: int, high: int, margin: int) -> _Stay | None:
    """Return the stay that does not have the carrier from ``low`` to ``high``; None in doubt.

    A place that was silent meanwhile, where the other read the tag no worse than it had, lost it.
    """
    (level, silent), (other_level, other_silent) = (
        _level(stay, low, high) for stay in (one, other)
    )
    if abs(level - other_level) >= margin > 0:
        return one if level < other_level else other
    if silent is other_silent:
        return None
    return one if silent else other


def _level(stay: _Stay, low: int, high: int) -> tuple[int, bool]:
    """Return how well a stay's tag was read over a stretch, or nearest to it, and if it was not."""
    within = [each for each in stay.sightings if each.end >= low and each.start <= high]
    if within:
        return _mean_rssi(within), False
    before = [each for each in stay.sightings if each.end < low][-1:]
    behind = [each for each in stay.sightings if each.start > high][:1]
    return _mean_rssi([*before, *behind]), True


def _mean_rssi(sightings: Sequence[_Sighting]) -> int:
    reads = sum(each.reads for each in sightings)
    return sum(each.rssi * each.reads for each in sightings) // max(reads, 1)


def _pieces(stay: _Stay, lost: Sequence[tuple[int, int]], rule: PresenceRule) -> Iterator[_Stay]:
    """Yield what is left of a stay without the stretches that it lost."""
    piece: list[_Sighting] = []
    for each in stay.sightings:
        if any(each.end >= low and each.start <= high for low, high in lost):
            continue
        if piece and any(piece[-1].end < low and high < each.start for low, high in lost):
            yield from _whole(stay.carrier, piece, rule, gone=True)
            piece = []
        piece.append(each)
    cut = bool(lost) and bool(piece) and max(high for _, high in lost) > piece[-1].end
    yield from _whole(stay.carrier, piece, rule, gone=cut)


def _whole(
    carrier: str, piece: Sequence[_Sighting], rule: PresenceRule, *, gone: bool
) -> Iterator[_Stay]:
    if sum(each.reads for each in piece) >= rule.reads_min:
        yield _Stay(carrier=carrier, sightings=tuple(piece), gone=gone)


def _too_fast(
    settled: Sequence[_At], rules: Mapping[SignalSpec, PresenceRule]
) -> Iterator[DoubtedCarrier]:
    """Yield moves of a carrier that took less time than the way takes."""
    for (spec, stay), (later_spec, later) in pairwise(settled):
        took = later.start - stay.end
        if _apart(spec, later_spec) and 0 <= took < rules[later_spec].least_from(spec.equipment):
            places = (spec.equipment, later_spec.equipment)
            yield DoubtedCarrier(WhyDoubted.TOO_FAST, stay.carrier, stay.end, later.start, places)


def _seen_elsewhere(spec: SignalSpec, stay: _Stay, settled: Sequence[_At]) -> bool:
    """Tell whether the carrier began a stay at another place since it was last read here."""
    return any(other.start > stay.end and _apart(spec, other_spec) for other_spec, other in settled)


def _apart(one: SignalSpec, other: SignalSpec) -> bool:
    """Tell whether a carrier cannot be at both: neither place is within the other."""
    return not is_at(one.equipment, other.equipment) and not is_at(other.equipment, one.equipment)


def _dwell(stay: _Stay, rule: PresenceRule, known_through: Nanoseconds) -> Dwell:
    counted = _Patience(stay.start, stay.end, stay.reads)
    gone = stay.gone or stay.end + counted.timeout(rule) < known_through
    return Dwell(stay.carrier, stay.start, stay.end if gone else None, stay.reads)


def _order(dwell: Dwell) -> tuple[Nanoseconds, str]:
    return dwell.start, dwell.carrier


def _sightings(series: Series) -> Iterable[_Sighting]:
    """Return the tag reads in order, by the time that windows are cut on.

    That time is when the carrier was last seen; the reader's own clock gives only for how long. A
    read whose time cannot be believed says nothing of when; and one that the reader sent again, to
    a gateway that had forgotten it, is the same read.
    """
    found: list[_Sighting] = []
    known: set[tuple[bytes, int, Nanoseconds, Nanoseconds]] = set()
    for row in range(len(series)):
        read = series.values[row]
        if not series.present[row] or not isinstance(read, TagRead):
            continue
        same = (read.epc, read.antenna, read.first_seen, read.last_seen)
        if series.codes[row] == Doubt.IMPOSSIBLE_TIME or same in known:
            continue
        known.add(same)
        end = int(series.times[row])
        start = end - max(read.last_seen - read.first_seen, 0)
        found.append(_Sighting(start, end, read.epc, read.rssi, read.count))
    return sorted(found)
