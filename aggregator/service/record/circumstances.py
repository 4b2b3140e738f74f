"""Gather what a lot's making rested on besides readings and facts, as it was at the time.

Each thing is looked up at the lot's time, and named with its version, so that an old record keeps
what it was judged by (21 CFR 11.10(k)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aggregator.model.binding.fact import FOREVER, Authority, Fact
from aggregator.model.completeness import ChainSpan
from aggregator.model.genealogy.edge import Edge
from aggregator.model.genealogy.item import lot_item, lot_of
from aggregator.model.master.equipment import SignalSpec
from aggregator.model.master.lot import Lot, LotKey, Material
from aggregator.model.master.person import Qualification
from aggregator.model.master.physical_asset import (
    Calibration,
    Installation,
)
from aggregator.model.master.recipe import Recipe, recipe_at
from aggregator.model.master.validity import Validity
from aggregator.model.record.circumstances import Circumstances, RevokedKey, Stock, UnitChange
from aggregator.model.record.entry import Entry
from aggregator.model.series import SignalKey
from aggregator.model.signature import Meaning, decode_signature
from aggregator.service.genealogy.edges import edge_of
from aggregator.service.master.document import EntityKind, lot_key
from aggregator.service.master.versions import (
    Versioned,
    statements_about,
    version_at,
    versioned,
    versions_at,
)
from aggregator.service.record.master import Cited, M, model_of
from aggregator.store.base import Transaction
from protocols.wire.header import Epoch
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The circumstances, and the version of everything that may decide in them, by its name."""

    circumstances: Circumstances
    cited: dict[str, int] = field(default_factory=dict)


async def circumstances_of(
    tx: Transaction,
    key: LotKey,
    start: Nanoseconds,
    end: Nanoseconds,
    *,
    signals: Sequence[SignalSpec],
    chains: Sequence[ChainSpan],
    facts: Iterable[Fact],
    entries: Iterable[Entry],
) -> Found:
    """Return what the making of a lot over ``[start, end)``, of some length, rested on.

    ``signals`` observed it, by their versions in force at the start.
    """
    cited: Cited = {}
    material = await version_at(tx, EntityKind.MATERIAL, key.gtin, start)
    people = {fact.source for fact in facts if fact.authority is Authority.OPERATOR}
    people |= {entry.by for entry in entries}
    item = lot_item(key)
    makings = await tx.fetch("genealogy.makings", kind=item.kind.value, key=item.key)
    flows = [edge_of(row) for row in makings]
    lasted, measured = Validity(start=start, end=end), {each.key for each in signals}
    installations = await _about(
        tx, Installation, measured, lambda each: each.validity.overlaps(lasted), cited
    )
    subjects: set[SignalKey | str] = {*measured, *(each.physical_asset for each in installations)}
    return Found(
        circumstances=Circumstances(
            recipe=await _recipe(tx, key, start, cited),
            material=None if material is None else model_of(Material, material, cited),
            installations=installations,
            # Later ones too: they may find that one had failed.
            calibrations=await _about(tx, Calibration, subjects, lambda _: True, cited),
            qualifications=await _about(
                tx, Qualification, people, lambda each: each.validity.overlaps(lasted), cited
            ),
            flows=tuple(flows),
            stock=await _stock(tx, key, flows, cited),
            revoked=await _revoked(tx, chains),
            unit_changes=await _unit_changes(tx, signals, start, end, cited),
        ),
        cited=cited,
    )


async def _recipe(tx: Transaction, key: LotKey, at: Nanoseconds, cited: Cited) -> Recipe | None:
    found: dict[str, tuple[Recipe, Versioned]] = {}
    async for each in versions_at(tx, EntityKind.RECIPE, at, prefix=f"{key.gtin}/"):
        model = model_of(Recipe, each)
        found[model.revision] = (model, each)
    chosen = recipe_at([model for model, _ in found.values()], key.gtin, at)
    if chosen is not None:
        model_of(Recipe, found[chosen.revision][1], cited)
    return chosen


async def _about(
    tx: Transaction,
    model: type[M],
    subjects: Iterable[SignalKey | str],
    wanted: Callable[[M], bool],
    cited: Cited,
) -> tuple[M, ...]:
    """Return what is said of some things and is wanted; it has its own times in it."""
    said = await statements_about(tx, _STATEMENTS[model], subjects)
    return tuple(model_of(model, each, cited) for each in said if wanted(model_of(model, each)))


_STATEMENTS: Final[Mapping[type, EntityKind]] = {
    Installation: EntityKind.INSTALLATION,
    Calibration: EntityKind.CALIBRATION,
    Qualification: EntityKind.QUALIFICATION,
}


async def _stock(
    tx: Transaction, key: LotKey, flows: Iterable[Edge], cited: Cited
) -> dict[LotKey, Stock]:
    """Return what is known of the lots that went in."""
    named = {lot_of(part.item) for edge in flows for part in edge.inputs} - {None, key}
    found: dict[LotKey, Stock] = {}
    for lot in sorted(each for each in named if each is not None):
        version = await version_at(tx, EntityKind.LOT, lot_key(lot), FOREVER)
        if version is not None:
            model = model_of(Lot, version, cited)
            found[lot] = Stock(lot=model, stopped=await _stopped(tx, lot))
    return found


async def _stopped(tx: Transaction, lot: LotKey) -> tuple[Validity, ...]:
    """Return when a lot was held or rejected, as its signatures say."""
    rows = await tx.fetch("review.signatures", gtin=lot.gtin, lot=lot.lot)
    since: Nanoseconds | None = None
    found = []
    for signature in (decode_signature(bytes(row["data"])) for row in rows):
        if signature.meaning in (Meaning.HELD, Meaning.REJECTED):
            since = signature.time if since is None else since
        elif signature.meaning is Meaning.HOLD_LIFTED and since is not None:
            found.append(Validity(start=since, end=max(signature.time, since + 1)))
            since = None
    return tuple(found if since is None else [*found, Validity(start=since)])


async def _revoked(tx: Transaction, chains: Sequence[ChainSpan]) -> tuple[RevokedKey, ...]:
    """Return the keys that sealed bundles of the chains, and were revoked before their last one.

    A revocation is counted in epochs and bundles: it may lie between two chains of the window.
    """
    revoked = [row for row in await tx.fetch("gateways.keys") if row["revoked_time"] is not None]
    found: list[RevokedKey] = []
    for gateway in sorted({span.gateway for span in chains} & {row["gateway"] for row in revoked}):
        rows = await tx.fetch("epochs.of_gateway", gateway=gateway)
        epochs = {row["ordinal"]: Epoch(bytes(row["epoch"])) for row in rows}
        ordinals = {epoch: ordinal for ordinal, epoch in epochs.items()}
        sealed, reach = set(), (0, 0)
        for span in (each for each in chains if each.gateway == gateway):
            last = span.last if span.after is None else span.after
            reach = max(reach, (ordinals[span.epoch], last))
            kids = await tx.fetch(
                "genealogy.kids", gateway=gateway, epoch=span.epoch, first=span.first, last=last
            )
            sealed |= {bytes(row["kid"]) for row in kids}
        found += [
            RevokedKey(
                gateway=gateway,
                kid=bytes(row["kid"]).hex(),
                epoch=epochs[row["revoked_ordinal"]],
                number=row["revoked_number"],
                reason=row["revoked_reason"],
            )
            for row in revoked
            if row["gateway"] == gateway
            and bytes(row["kid"]) in sealed
            and (row["revoked_ordinal"], row["revoked_number"]) <= reach
        ]
    return tuple(found)


async def _unit_changes(
    tx: Transaction,
    signals: Sequence[SignalSpec],
    start: Nanoseconds,
    end: Nanoseconds,
    cited: Cited,
) -> tuple[UnitChange, ...]:
    """Return when the master data gave a signal another unit while the lot was made."""
    found = []
    kind = EntityKind.SIGNAL.value
    rows = await tx.fetch("master.came_into_force", kind=kind, start=start, stop=end)
    changes = [versioned(row) for row in rows]
    for spec in signals if changes else ():
        key = f"{spec.key.gateway}/{spec.key.signal}"
        later = [each for each in changes if each.key == key]
        unit = spec.unit
        for each in later:
            changed = model_of(SignalSpec, each).unit
            if changed != unit:
                model_of(SignalSpec, each, cited)
                time = each.effective_from or 0
                found.append(UnitChange(signal=spec.key, time=time, before=unit, after=changed))
            unit = changed
    return tuple(found)
