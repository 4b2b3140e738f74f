"""Master data by kind: list, read and put equipment, signals, materials, lots and all others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Response

from aggregator.api.reasons import ReasonHeader
from aggregator.caller import Caller, ContextOf
from aggregator.errors import InvalidError
from aggregator.service.master import master_data
from aggregator.service.master.document import EFFECTIVE_DATED
from aggregator.service.master.documents import DOCUMENTS, Document, EntityKind
from aggregator.service.master.master_data import NO_TIMES, PAGE_MAX, Times, Versioned

PATHS: Final = {
    EntityKind.EQUIPMENT: "equipment",
    EntityKind.SIGNAL: "signals",
    EntityKind.PHYSICAL_ASSET: "physical-assets",
    EntityKind.INSTALLATION: "installations",
    EntityKind.CALIBRATION: "calibrations",
    EntityKind.MATERIAL: "materials",
    EntityKind.RECIPE: "recipes",
    EntityKind.LIMIT: "limits",
    EntityKind.LOT: "lots",
    EntityKind.SUBLOT: "sublots",
    EntityKind.UNIT: "units",
    EntityKind.WORK_ORDER: "work-orders",
    EntityKind.JOB: "jobs",
    EntityKind.PERSON: "people",
    EntityKind.QUALIFICATION: "qualifications",
}

IfMatch = Annotated[str | None, Header(description="ETag of the newest version, which is changed.")]


def router() -> APIRouter:
    """Return the routes of all kinds of master data."""
    routes = APIRouter()
    for kind, path in PATHS.items():
        _add(routes, kind, path)
    return routes


def entity(found: Versioned) -> dict[str, Any]:
    """Return one version of an entity as the API shows it."""
    return {
        "key": found.key,
        "version": found.version,
        "recorded_at": found.recorded_at,
        "recorded_by": found.recorded_by,
        "state": found.state.value,
        "effective_from": found.effective_from,
        "effective_to": found.effective_to,
        "decided_at": found.decided_at,
        "decided_by": found.decided_by,
        "in_place_of": found.in_place_of,
        "document": found.document.model_dump(mode="json"),
    }


def _add(routes: APIRouter, kind: EntityKind, path: str) -> None:
    word = kind.value.replace("_", " ")
    routes.add_api_route(
        f"/{path}", _lister(kind), tags=[path], summary=f"List every {word}", methods=["GET"]
    )
    routes.add_api_route(
        f"/{path}/{{key:path}}",
        _getter(kind),
        tags=[path],
        summary=f"Read one {word}, or an old version of it",
        methods=["GET"],
    )
    routes.add_api_route(
        f"/{path}/{{key:path}}",
        _putter(kind),
        tags=[path],
        summary=f"Create or change one {word}",
        methods=["PUT"],
        responses={
            409: {"description": "Another version is the newest than If-Match says, or one waits"}
        },
    )


def _lister(kind: EntityKind) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def read_page(
        context: ContextOf,
        actor: Caller,
        after: Annotated[str, Query(description="Key after which the page starts.")] = "",
        count: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    ) -> dict[str, Any]:
        found = await master_data.page(context, actor, kind, after=after, count=count)
        following = found[-1].key if len(found) == count else None
        return {"items": [entity(each) for each in found], "after": following}

    return read_page


def _getter(kind: EntityKind) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def read_one(
        context: ContextOf,
        actor: Caller,
        response: Response,
        key: str,
        version: Annotated[int | None, Query(ge=1)] = None,
    ) -> dict[str, Any]:
        found = await master_data.get(context, actor, kind, key, version=version)
        response.headers["ETag"] = f'"{found.version}"'
        return entity(found)

    return read_one


def _putter(kind: EntityKind) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def put_one(
        context: ContextOf,
        actor: Caller,
        response: Response,
        *,
        key: str,
        document: Document,
        times: Times,
        if_match: IfMatch = None,
        reason: ReasonHeader = "",
    ) -> dict[str, Any]:
        if document.key != key:
            raise InvalidError(
                f"the document is of {document.key!r}, the address of {key!r}",
                hint="make the two agree",
            )
        expected = _version(if_match)
        put = await master_data.put(
            context, actor, document, expected_version=expected, why=reason, times=times
        )
        response.headers["ETag"] = f'"{put.version}"'
        return entity(put)

    # FastAPI reads the form of a request from the annotations: each kind has its own.
    asked = _asked_times if kind in EFFECTIVE_DATED else _no_times
    put_one.__annotations__["document"] = DOCUMENTS[kind]
    put_one.__annotations__["times"] = Annotated[Times, Depends(asked)]
    return put_one


def _asked_times(
    effective_from: Annotated[
        int | None, Query(ge=0, description="Nanoseconds; without it now, or with the approval.")
    ] = None,
    effective_to: Annotated[
        int | None, Query(ge=1, description="Nanoseconds; from then on none is in force.")
    ] = None,
) -> Times:
    return Times(start=effective_from, end=effective_to)


def _no_times() -> Times:
    return NO_TIMES


def _version(etag: str | None) -> int | None:
    if etag is None:
        return None
    try:
        return int(etag.strip().removeprefix("W/").strip('"'))
    except ValueError:
        raise InvalidError(
            f"If-Match {etag!r} is no ETag of this API", hint='it looks like "3"'
        ) from None
