"""Which records a new version of master data is about: those that it judges otherwise, if any.

A version is about the time from when it comes into force up to when the next one does, and about
what it says something of: a material's lots, what a signal measured, whoever a training is of.
More may be found than it changes, for a record that is assembled again and is the same stays the
version that it was; never less (record rules 13 and 15).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import Edge
from aggregator.model.genealogy.item import Item, ItemKind, lot_item, lot_of
from aggregator.model.master.equipment import Equipment, EquipmentPath, SignalSpec, is_at
from aggregator.model.master.lot import Gtin, Lot, LotKey, SubLot, Unit, check_lot_key
from aggregator.model.master.order import Job, WorkOrder
from aggregator.model.master.person import Qualification
from aggregator.model.master.physical_asset import Calibration, Installation, doubted
from aggregator.model.master.recipe import Recipe
from aggregator.model.master.validity import Validity
from aggregator.model.series import SignalKey
from aggregator.service.genealogy.edges import edges_with
from aggregator.service.master.documents import EntityKind, Model
from aggregator.service.master.versions import (
    Versioned,
    VersionState,
    models,
    statements_about,
    versioned,
)
from aggregator.store.base import Row, Transaction

EDGES_MAX = 100_000
"""Uses of one thing that are looked at, at most."""


async def remastered(tx: Transaction, row: Row) -> set[LotKey]:
    """Return the lots that a version which came into force may be about.

    What records rested on must have been taken in before (``genealogy.uses.refresh``).
    """
    rows = await tx.fetch("master.history", kind=row["kind"], key=row["key"])
    history = [each for each in map(versioned, rows) if each.state is VersionState.APPROVED]
    now = next((each for each in history if each.version == row["version"]), None)
    if now is None:
        return set()
    before = [each for each in history if each.version < now.version][:1]
    force = _in_force(now, history)
    found: set[LotKey] = set()
    for each in (now, *before):
        found |= await _about(tx, each, force)
    return found


def _in_force(now: Versioned, history: Sequence[Versioned]) -> Validity:
    """Return when it is for this version to say, be it that nothing holds."""
    start = now.effective_from or 0
    later = (each.effective_from for each in history if (each.effective_from or 0) > start)
    return Validity(start=start, end=min((each for each in later if each), default=None))


async def _about(tx: Transaction, version: Versioned, force: Validity) -> set[LotKey]:
    """Return the lots that a version is about while it is in force."""
    model = version.document.model()
    if version.document.kind in _OF_A_MATERIAL:
        gtin = Gtin(version.key.partition("/")[0])
        return await _begun(tx, gtin, model.validity if isinstance(model, Recipe) else force)
    items, times = await _rested_on(tx, model, force)
    named = _named(model)
    for lot in list(named) if isinstance(model, Lot) else ():
        named |= await _made_of(tx, lot)
    return named | await _users(tx, items, times)


def _named(model: Model) -> set[LotKey]:
    """Return the lots that a document speaks of itself."""
    match model:
        case Lot(key=key):
            return {key}
        case SubLot(key=part):
            return {part.lot}
        case Unit(lot=lot):
            return set() if lot is None else {lot}
        case Job(lot=lot):
            return {lot}
        case WorkOrder(lots=lots):
            return set(lots)
        case _:
            return set()


async def _rested_on(
    tx: Transaction, model: Model, force: Validity
) -> tuple[list[Item], list[Validity]]:
    """Return what a lot's making rested on if a document is about it, and when."""
    match model:
        case Equipment(path=path):
            return await _places(tx, path), [force]
        case SignalSpec(key=key, equipment=path):
            return [_signal(key), *await _places(tx, path)], [force]
        case Installation(role=SignalKey() as role, validity=validity):
            return [_signal(role)], [validity]
        case Calibration():
            return await _measured(tx, model)
        case Qualification(person=person, validity=validity):
            return [Item(ItemKind.OPERATOR, person)], [validity]
        case _:
            return [], []


async def _begun(tx: Transaction, gtin: Gtin, when: Validity) -> set[LotKey]:
    """Return the lots of a material that were begun within a time."""
    stop = FOREVER if when.end is None else when.end
    rows = await tx.fetch("rebinding.begun", gtin=gtin, start=when.start, stop=stop)
    return {check_lot_key(row["gtin"], row["lot"]) for row in rows}


async def _made_of(tx: Transaction, key: LotKey) -> set[LotKey]:
    """Return the lots that a lot went into: they show whether it had expired."""
    item = lot_item(key)
    edges = await edges_with(tx, item, EDGES_MAX)
    into = [edge for edge in edges if any(part.item == item for part in edge.inputs)]
    return {lot for edge in into for lot in _lots(edge)}


async def _measured(tx: Transaction, calibration: Calibration) -> tuple[list[Item], list[Validity]]:
    """Return the signals that a calibration is about, and when it speaks for or against them."""
    subject = calibration.subject
    said = await statements_about(tx, EntityKind.CALIBRATION, [subject])
    every = [each for one in said if isinstance(each := one.document.model(), Calibration)]
    own = calibration.certificate
    times = [time for time, failed in doubted(every) if failed.certificate == own]
    later = [each.performed for each in every if each.performed > calibration.performed]
    times.append(Validity(start=calibration.performed, end=min(later, default=None)))
    fitted = await statements_about(tx, EntityKind.INSTALLATION, [subject])
    roles = {subject} if isinstance(subject, SignalKey) else set()
    for one in fitted if not roles else ():
        found = one.document.model()
        if isinstance(found, Installation) and isinstance(found.role, SignalKey):
            roles.add(found.role)
    return [_signal(role) for role in sorted(roles)], times


async def _users(tx: Transaction, items: Iterable[Item], times: Sequence[Validity]) -> set[LotKey]:
    """Return the lots whose making rested on one of the items at one of the times."""
    found: set[LotKey] = set()
    for item in items:
        for edge in await edges_with(tx, item, EDGES_MAX):
            lasted = Validity(start=edge.start, end=max(edge.start + 1, edge.end or 0))
            if any(lasted.overlaps(each) for each in times):
                found |= _lots(edge)
    return found


async def _places(tx: Transaction, path: EquipmentPath) -> list[Item]:
    """Return equipment, and all that stands below it, where a lot may have been."""
    return [
        Item(ItemKind.EQUIPMENT, each.path)
        for each in await models(tx, EntityKind.EQUIPMENT)
        if isinstance(each, Equipment) and is_at(each.path, path)
    ]


def _signal(key: SignalKey) -> Item:
    return Item(ItemKind.SIGNAL, f"{key.gateway}/{key.signal}")


def _lots(edge: Edge) -> set[LotKey]:
    return {lot for part in edge.outputs if (lot := lot_of(part.item)) is not None}


_OF_A_MATERIAL: Final = frozenset({EntityKind.MATERIAL, EntityKind.RECIPE, EntityKind.LIMIT})
"""Kinds whose keys begin with the GTIN of what is made."""
