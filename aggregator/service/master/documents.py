"""Every kind of master data by its document: what the API and CSV take and give."""

from __future__ import annotations

from typing import Final

from aggregator.service.master.document import (
    Document,
    EntityKind,
    LotReference,
    Model,
    Reference,
    lot_key,
)
from aggregator.service.master.places import (
    CalibrationDocument,
    EquipmentDocument,
    InstallationDocument,
    PhysicalAssetDocument,
    SignalDocument,
)
from aggregator.service.master.products import (
    LimitDocument,
    LotDocument,
    MaterialDocument,
    RecipeDocument,
    SubLotDocument,
    UnitDocument,
)
from aggregator.service.master.work import (
    JobDocument,
    PersonDocument,
    QualificationDocument,
    WorkOrderDocument,
)

__all__ = ["DOCUMENTS", "Document", "EntityKind", "LotReference", "Model", "Reference", "lot_key"]

DOCUMENTS: Final[dict[EntityKind, type[Document]]] = {
    document.kind: document
    for document in (
        EquipmentDocument,
        SignalDocument,
        PhysicalAssetDocument,
        InstallationDocument,
        CalibrationDocument,
        MaterialDocument,
        RecipeDocument,
        LimitDocument,
        LotDocument,
        SubLotDocument,
        UnitDocument,
        WorkOrderDocument,
        JobDocument,
        PersonDocument,
        QualificationDocument,
    )
}
"""In an order in which each comes after all that it refers to."""
