"""One document of every kind of master data, each with what it refers to before it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import DOCUMENTS, EntityKind
from aggregator.service.master.master_data import NO_TIMES, Times, Versioned
from aggregator.service.master.rows import columns
from tests.recorded_plant import ENGINEER, GTIN

Data = dict[str, Any]
LOT: Final[Data] = {"gtin": GTIN, "lot": "L-1"}
PLACE: Final = "demo/press-1"
SIGNAL: Final[Data] = {"gateway": "gw-1", "signal": "a"}
SENSOR: Final = "TT-0017"
INSTALLED: Final = "2026-01-01T00:00:00.000000000Z"

DOCUMENTS_OF: Final[dict[EntityKind, tuple[str, Data]]] = {
    EntityKind.EQUIPMENT: (PLACE, {"path": PLACE}),
    EntityKind.SIGNAL: (
        "gw-1/a",
        {**SIGNAL, "equipment": PLACE, "value_kind": "float64", "unit": "Cel"},
    ),
    EntityKind.PHYSICAL_ASSET: (SENSOR, {"physical_asset": SENSOR, "maker": "=SUM(A1)"}),
    EntityKind.INSTALLATION: (
        f"{SENSOR}@{INSTALLED}",
        {"physical_asset": SENSOR, **SIGNAL, "valid_from": INSTALLED},
    ),
    EntityKind.CALIBRATION: (
        "C-1",
        {
            "certificate": "C-1",
            "physical_asset": SENSOR,
            "performed": "2026-01-01T00:00:00Z",
            "as_found": "not_tested",
            "as_left": "passed",
            "next_due": "2027-01-01T00:00:00Z",
        },
    ),
    EntityKind.MATERIAL: (GTIN, {"gtin": GTIN, "name": "Tray", "tolerance": "0.02"}),
    EntityKind.RECIPE: (
        f"{GTIN}/A",
        {
            "gtin": GTIN,
            "revision": "A",
            "procedure": [
                {
                    "name": "sealing",
                    "operations": [
                        {
                            "name": "seal",
                            "personnel": "qualified",
                            "phases": [{"name": "heat up"}, {"name": "hold"}],
                        }
                    ],
                }
            ],
        },
    ),
    EntityKind.LIMIT: (
        f"{GTIN}/heat",
        {
            "gtin": GTIN,
            "parameter": "heat",
            **SIGNAL,
            "unit": "Cel",
            "alert_low": -5.5,
            "gap_max_s": 1,
            "revision": "A",
            "phase": "hold",
        },
    ),
    EntityKind.LOT: (f"{GTIN}/L-1", {**LOT, "expires": "2031-12-01T00:00:00+08:00"}),
    EntityKind.SUBLOT: (f"{GTIN}/L-1#R1", {**LOT, "part": "R1"}),
    EntityKind.UNIT: (f"(01){GTIN}(21)S-1", {"unit_id": f"(01){GTIN}(21)S-1", **LOT}),
    EntityKind.WORK_ORDER: ("WO-1", {"order": "WO-1", "lots": [LOT]}),
    EntityKind.JOB: (
        "J-1",
        {"job": "J-1", "order": "WO-1", **LOT, "operation": "seal", "equipment": PLACE},
    ),
    EntityKind.PERSON: ("li.wei", {"person": "li.wei", "name": "李伟"}),
    EntityKind.QUALIFICATION: (
        "T-1",
        {
            "qualification": "T-1",
            "person": "li.wei",
            "operation": "seal",
            "valid_from": "2026-01-01T00:00:00Z",
        },
    ),
}
"""By kind: the key and the document."""


async def put(
    context: Context,
    kind: EntityKind,
    data: Data,
    expected: int | None = None,
    times: Times = NO_TIMES,
) -> Versioned:
    """Put a document as an engineer does."""
    document = master_data.parse(kind, data)
    return await master_data.put(
        context, ENGINEER, document, expected_version=expected, why="set up", times=times
    )


async def put_before(context: Context, last: EntityKind | None = None) -> None:
    """Put the document of every kind, up to but without ``last``."""
    for kind in DOCUMENTS:
        if kind is last:
            return
        await put(context, kind, DOCUMENTS_OF[kind][1])


def table_of(kind: EntityKind, *rows: Mapping[str, str]) -> str:
    """Return the table of a kind with the rows; columns that a row has not are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(kind), restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
