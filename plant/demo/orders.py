"""What the demo makes: one work order, two lots of sealed trays, and what they must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from plant.equipment import cleanroom, press
from plant.line import TAG_READS
from plant.site import GATEWAY
from protocols.wire.reading import Kind

GTIN: Final = "09506000134352"
ORDER: Final = "WO-2026-0042"
LOTS: Final = ("L-0042", "L-0043")
CARRIERS: Final = ("3034257bf7194e4000001a85", "3034257bf7194e4000001a86")
AREA: Final = "demo/suzhou/cleanroom-1"
PRESS: Final = f"{AREA}/press-1"
PORTAL: Final = f"{AREA}/portal-1"

Put = tuple[str, dict[str, Any]]


def master_data(patience: float) -> Iterator[Put]:
    """Yield (path, document) of everything that must be known before the first lot.

    ``patience`` multiplies the longest time between two readings, for a machine that stalls.
    """
    yield _equipment(AREA, "Clean room", occupancy="ambient")
    yield _equipment(PRESS, "Sealing press")
    yield _equipment(PORTAL, "RFID portal of the press")
    for row in press.SIGNALS:
        role = "lot_id" if row["name"] == "lot-id" else "variable"
        yield _signal(f"press-1/{row['name']}", PRESS, row["kind"], row["unit"], role)
    for row in cleanroom.SIGNALS:
        name = row["name"]
        role = "counter" if name.startswith("particles") else "variable"
        yield _signal(
            f"cleanroom-1/{name}", AREA, _CLEANROOM_KINDS[name], row.get("unit", ""), role
        )
    yield _signal(TAG_READS, PORTAL, Kind.TAG_READ, "", "tag_reads")
    yield f"/materials/{GTIN}", {"gtin": GTIN, "name": "Sterile tray, size 2"}
    for limit in _LIMITS:
        gap_max = limit["gap_max_s"] * patience
        document = {"gtin": GTIN, "gateway": GATEWAY, **limit, "gap_max_s": gap_max}
        yield f"/limits/{GTIN}/{limit['parameter']}", document


def lots() -> Iterator[Put]:
    """Yield the lots, their order and their jobs."""
    for lot in LOTS:
        yield (
            f"/lots/{GTIN}/{lot}",
            {"gtin": GTIN, "lot": lot, "material": "Sterile tray, size 2", "quantity": "12 trays"},
        )
    yield (
        f"/work-orders/{ORDER}",
        {"order": ORDER, "lots": [{"gtin": GTIN, "lot": lot} for lot in LOTS]},
    )
    for lot in LOTS:
        job = f"{ORDER}-{lot}-seal"
        yield (
            f"/jobs/{job}",
            {
                "job": job,
                "order": ORDER,
                "gtin": GTIN,
                "lot": lot,
                "operation": "seal",
                "equipment": PRESS,
            },
        )


_CLEANROOM_KINDS: Final = {
    "temperature": Kind.FLOAT64,
    "humidity": Kind.FLOAT64,
    "pressure": Kind.FLOAT32,
    "particles-05": Kind.UINT,
    "particles-5": Kind.UINT,
    "door": Kind.BOOL,
}
_LIMITS: Final[tuple[dict[str, Any], ...]] = (
    {
        "parameter": "plate temperature",
        "signal": "press-1/plate-temperature",
        "unit": "Cel",
        "target": 135.0,
        "alert_low": 131.0,
        "alert_high": 139.0,
        "action_low": 129.0,
        "action_high": 141.0,
        "gap_max_s": 1.5,
        "period_s": 0.2,
    },
    {
        "parameter": "seal pressure",
        "signal": "press-1/seal-pressure",
        "unit": "bar",
        "action_high": 7.0,
        "gap_max_s": 1.5,
        "period_s": 0.2,
    },
    {
        "parameter": "room pressure",
        "signal": "cleanroom-1/pressure",
        "unit": "Pa",
        "target": 15.0,
        "action_low": 5.0,
        "gap_max_s": 2.5,
        "period_s": 0.5,
    },
    {
        "parameter": "room temperature",
        "signal": "cleanroom-1/temperature",
        "unit": "Cel",
        "target": 21.0,
        "alert_low": 18.0,
        "alert_high": 24.0,
        "gap_max_s": 2.5,
        "period_s": 0.5,
        "criticality": "key",
    },
)


def _equipment(path: str, name: str, occupancy: str = "exclusive") -> Put:
    return f"/equipment/{path}", {"path": path, "name": name, "occupancy": occupancy}


def _signal(signal: str, equipment: str, kind: Kind, unit: str, role: str) -> Put:
    return (
        f"/signals/{GATEWAY}/{signal}",
        {
            "gateway": GATEWAY,
            "signal": signal,
            "equipment": equipment,
            "value_kind": kind.name.lower(),
            "unit": unit,
            "role": role,
        },
    )
