"""Gateways: how they are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from aggregator.caller import Caller, ContextOf
from aggregator.ops import gateways
from aggregator.ops.gateways import GatewayHealth

routes = APIRouter(tags=["gateways"])


@routes.get("/gateways", summary="List every gateway, worst first")
async def read_gateways(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return how every gateway and its sources are, worst first."""
    return {"items": [shown(each) for each in await gateways.health(context, actor)]}


def shown(gateway: GatewayHealth) -> dict[str, Any]:
    """Return a gateway's health as the API shows it, with words for states."""
    sources = [asdict(source) | {"state": source.state.name.lower()} for source in gateway.sources]
    words: dict[str, Any] = {
        "state": gateway.state.name.lower(),
        "sources": sources,
        "settings": None,
    }
    if (said := gateway.settings) is not None:
        words["settings"] = asdict(said) | {
            "hash": said.hash.hex(),
            "state": said.state.name.lower(),
        }
    return asdict(gateway) | words
