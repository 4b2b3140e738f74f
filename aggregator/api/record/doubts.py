"""Lots that a failed calibration puts in doubt: find them, and open their records again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from aggregator.caller import Caller, ContextOf
from aggregator.service.review import doubts
from aggregator.service.review.doubts import Doubted

routes = APIRouter(prefix="/doubts/{certificate}", tags=["records"])


@routes.get("", summary="List the lots that a calibration puts in doubt")
async def read_doubts(context: ContextOf, actor: Caller, certificate: str) -> dict[str, Any]:
    """Return the lots measured since the last good calibration; none where no fault was found."""
    return {"items": _shown(await doubts.lots_in_doubt(context, actor, certificate))}


@routes.post("", status_code=201, summary="Open the records of lots in doubt again")
async def reopen(context: ContextOf, actor: Caller, certificate: str) -> dict[str, Any]:
    """Assemble the record of each such lot again, so that it tells of the doubt."""
    return {"items": _shown(await doubts.reopen(context, actor, certificate))}


def _shown(found: tuple[Doubted, ...]) -> list[dict[str, Any]]:
    return [
        {"gtin": each.lot.gtin, "lot": each.lot.lot, "version": each.version, "told": each.told}
        for each in found
    ]
