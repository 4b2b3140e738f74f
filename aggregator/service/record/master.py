"""The master data that a lot's record is judged by, each by its version in force at the lot's time.

So a record that is assembled again years later has its old limits, whatever was approved since
(21 CFR 11.10(k)).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aggregator.errors import NotFoundError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.binding.occupancy import Window
from aggregator.model.master.equipment import SignalSpec
from aggregator.model.master.lot import Lot, LotKey, Unit, UnitId
from aggregator.model.master.order import Job, WorkOrder
from aggregator.model.master.recipe import ParameterSpec
from aggregator.service.master.document import EntityKind, Model, lot_key
from aggregator.service.master.versions import Versioned, version_at, versioned, versions_at
from aggregator.store.base import Transaction
from protocols.wire.reading import Nanoseconds

M = TypeVar("M", bound=Model)
Cited = dict[str, int]
"""The version of each entity, by the name that the record gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """A lot, what it was ordered by, and its jobs: statements that hold for all time."""

    lot: Lot
    units: tuple[UnitId, ...]
    order: WorkOrder | None
    jobs: tuple[Job, ...]
    cited: Cited


async def ordered(tx: Transaction, key: LotKey) -> Ordered:
    """Return what is said of a lot; NotFoundError for one that is not known."""
    cited: Cited = {}
    row = await version_at(tx, EntityKind.LOT, lot_key(key), FOREVER)
    if row is None:
        raise NotFoundError(f"there is no lot {key}", hint="put the lot first")
    lot = model_of(Lot, row, cited)
    orders = [
        model_of(WorkOrder, each, cited)
        for each in await _mentioning(tx, EntityKind.WORK_ORDER, key)
        if key in model_of(WorkOrder, each).lots
    ]
    jobs = [
        model_of(Job, each, cited)
        for each in await _mentioning(tx, EntityKind.JOB, key)
        if model_of(Job, each).lot == key
    ]
    units = await _units(tx, key)
    return Ordered(
        lot=lot, units=units, order=orders[0] if orders else None, jobs=tuple(jobs), cited=cited
    )


async def _units(tx: Transaction, key: LotKey) -> tuple[UnitId, ...]:
    """Return the units that are of a lot, which may be very many."""
    rows = await tx.fetch("lot_index.units", lot=lot_key(key))
    units = [model_of(Unit, versioned(row)) for row in rows]
    return tuple(unit.id for unit in units if unit.lot == key)


async def _mentioning(tx: Transaction, kind: EntityKind, key: LotKey) -> list[Versioned]:
    """Return the documents of a kind that have ever named a lot, as they are now."""
    rows = await tx.fetch("lot_index.mentioning", lot=lot_key(key), kind=kind.value)
    found = [await version_at(tx, kind, row["key"], FOREVER) for row in rows]
    return [each for each in found if each is not None]


async def limits_at(
    tx: Transaction, key: LotKey, at: Nanoseconds, cited: Cited
) -> tuple[ParameterSpec, ...]:
    """Return what the parameters of a lot begun at ``at`` must be."""
    return tuple(
        [
            model_of(ParameterSpec, each, cited)
            async for each in versions_at(tx, EntityKind.LIMIT, at, prefix=f"{key.gtin}/")
        ]
    )


async def places_at(
    tx: Transaction,
    windows: Sequence[Window],
    signals: Iterable[SignalSpec],
    at: Nanoseconds,
    cited: Cited,
) -> None:
    """Name the versions of the equipment that a lot was at, and of the signals that saw it."""
    paths = {window.equipment for window in windows}
    signals = tuple(signals)
    paths |= {spec.equipment for spec in signals}
    for path in sorted(paths):
        found = await version_at(tx, EntityKind.EQUIPMENT, path, at)
        if found is not None:
            cited[found.name] = found.version
    saw = {f"{spec.key.gateway}/{spec.key.signal}" for spec in signals}
    for gateway in sorted({spec.key.gateway for spec in signals}):
        async for each in versions_at(tx, EntityKind.SIGNAL, at, prefix=f"{gateway}/"):
            if each.key in saw:
                cited[each.name] = each.version


def model_of(kind: type[M], found: Versioned, cited: Cited | None = None) -> M:
    """Return the model of a version, whose kind decides which it is; name it in ``cited``."""
    model = found.document.model()
    if not isinstance(model, kind):
        raise TypeError(found.name)
    if cited is not None:
        cited[found.name] = found.version
    return model
