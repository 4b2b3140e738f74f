"""The data dictionary, as it is in use."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from aggregator.access.roles import Act, require
from aggregator.caller import Caller, ContextOf
from aggregator.service.master.dictionary import load_dictionary

routes = APIRouter(tags=["master"])


@routes.get("/dictionary", summary="Read what every field of every document means")
async def read_dictionary(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return each field with its type, unit, rule, class, and name in other systems."""
    require(actor, Act.READ_MASTER)
    return load_dictionary(context.settings.master.dictionary).to_json()
