"""Settings for gateways: offered by one person, approved by another, followed until in force."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from aggregator.api.accounts import ReasonRequest
from aggregator.api.approvals import CHANGED
from aggregator.api.reasons import Reason
from aggregator.caller import Caller, ContextOf, Person
from aggregator.service.approval import approvals
from aggregator.service.approval.sensitive import ApplySettings
from aggregator.service.rollout import offer
from aggregator.service.rollout.offer import HOLD_SECONDS_MAX
from aggregator.service.rollout.rows import Rollout
from aggregator.store.base import Row
from protocols.wire.control.command import TRIAL_SECONDS_MAX

routes = APIRouter(prefix="/gateways", tags=["gateways"])

_KEPT_OUT = ("command", "settings_hash", "document")


class OfferRequest(BaseModel):
    """Settings for gateways."""

    model_config = ConfigDict(extra="forbid")

    document: Annotated[dict[str, Any], Field(description="Tables seal, uplink and source.")]
    gateways: Annotated[list[str], Field(min_length=1, max_length=1000)]
    canary: Annotated[list[str], Field(description="Those that go first; none: all at once.")] = []
    hold_seconds: Annotated[
        int, Field(ge=0, le=HOLD_SECONDS_MAX, description="How long those must stay well.")
    ] = 600
    trial_seconds: Annotated[
        int,
        Field(ge=1, le=TRIAL_SECONDS_MAX, description="How long sources may take to come up."),
    ] = 60
    reason: Reason


@routes.post("/settings", status_code=201, responses=CHANGED, summary="Offer settings")
async def offer_settings(context: ContextOf, person: Person, asked: OfferRequest) -> dict[str, Any]:
    """Have gateways check settings, and ask another person to approve them."""
    wanted = offer.Wanted(
        document=asked.document,
        gateways=asked.gateways,
        canary=asked.canary,
        hold_seconds=asked.hold_seconds,
        trial_seconds=asked.trial_seconds,
    )
    rollout = await offer.offer(context, person.actor, wanted, why=asked.reason)
    act = ApplySettings(
        kind="apply_settings",
        rollout=rollout.id,
        document=rollout.hash,
        gateways=tuple(each.gateway for each in rollout.versions),
        canary=tuple(each.gateway for each in rollout.versions if each.is_canary),
    )
    approval = await approvals.ask(context, person, act, why=asked.reason)
    return shown(rollout) | {"approval": {"id": approval.id, "shown": approval.hash}}


@routes.get("/settings", summary="List the settings that were offered")
async def read_offered(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return what was offered, the latest first, without the documents."""
    return {"items": [dict(row) for row in await offer.every(context, actor)]}


@routes.get("/settings/{rollout}", summary="Read settings that were offered")
async def read_rollout(context: ContextOf, actor: Caller, rollout: str) -> dict[str, Any]:
    """Return the document, and how far it is on each gateway."""
    return shown(await offer.read(context, actor, rollout))


@routes.post("/settings/{rollout}/halt", responses=CHANGED, summary="Stop settings on their way")
async def halt_settings(
    context: ContextOf, person: Person, rollout: str, asked: ReasonRequest
) -> dict[str, Any]:
    """Let them go to no further gateway; those that have them keep them."""
    return shown(await offer.halt(context, person.actor, rollout, why=asked.reason))


@routes.get("/{gateway}/settings", summary="List the versions of a gateway's settings")
async def read_versions(context: ContextOf, actor: Caller, gateway: str) -> dict[str, Any]:
    """Return the document in force and every version that was offered, the latest first."""
    versions = await offer.of_gateway(context, actor, gateway)
    return {
        "in_force": offer.in_force(versions),
        "items": [version_shown(row) for row in versions],
    }


def shown(rollout: Rollout) -> dict[str, Any]:
    """Return settings that were offered as the API and the command line show them."""
    versions = [
        asdict(each)
        | {
            "state": each.state.value,
            "settings_hash": None if each.settings_hash is None else each.settings_hash.hex(),
        }
        for each in rollout.versions
    ]
    return asdict(rollout) | {
        "document": json.loads(rollout.document),
        "state": rollout.state.value,
        "versions": versions,
    }


def version_shown(row: Row) -> dict[str, Any]:
    """Return a version of a gateway's settings, without its document."""
    in_force = row["settings_hash"]
    return {name: value for name, value in row.items() if name not in _KEPT_OUT} | {
        "canary": bool(row["canary"]),
        "settings_hash": None if in_force is None else bytes(in_force).hex(),
    }
