"""The web application: the API, its description, the metrics and the pages."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.base import RequestResponseEndpoint

from aggregator.access.roles import Act, require
from aggregator.api import (
    accounts,
    approvals,
    audit,
    bindings,
    facts,
    gateways,
    genealogy,
    problems,
    readings,
    recalls,
    records,
    reviews,
    tokens,
    trace,
)
from aggregator.api.gateway import enrolment
from aggregator.api.gateway import settings as gateway_settings
from aggregator.api.integration import events, idempotency, imports, receivers
from aggregator.api.master import dictionary, entities, tables, versions
from aggregator.api.record import doubts, entries
from aggregator.caller import Caller
from aggregator.errors import AggregatorError
from aggregator.model.integration.catalogue import asyncapi
from aggregator.service.context import Context
from aggregator.web import access, account, login, misfits, pages, proposals, review
from aggregator.web import bindings as binding_pages
from aggregator.web import receivers as receiver_pages
from aggregator.web import trace as trace_pages

STATIC: Final = Path(__file__).resolve().parent / "web" / "static"
_CSP: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_API: Final = (
    versions.routes,
    tables.routes,
    dictionary.routes,
    facts.routes,
    entries.routes,
    doubts.routes,
    records.routes,
    readings.routes,
    gateways.routes,
    gateway_settings.routes,
    enrolment.routes,
    audit.routes,
    tokens.routes,
    accounts.routes,
    approvals.routes,
    reviews.routes,
    genealogy.routes,
    trace.routes,
    recalls.routes,
    events.routes,
    receivers.routes,
    imports.routes,
)
_PAGES: Final = (
    *(pages.routes, login.routes, account.routes, access.routes),
    *(review.routes, trace_pages.routes, proposals.routes, binding_pages.routes),
    *(misfits.routes, receiver_pages.routes),
)
_BEARER: Final = HTTPBearer(
    scheme_name="token", description="A token of the API: `lp_...`", auto_error=False
)


def create_app(context: Context) -> FastAPI:
    """Return the application over ``context``; nothing in it is reached without a token.

    But these: /healthz, the login and the change of one's password, the enrolment of gateways
    (which takes a token of its own), the descriptions of API and events, and the files of the
    pages.
    """
    app = _Application(
        title="Lotproof",
        summary="From a PLC's register to a batch record that proves itself.",
        version=importlib.metadata.version("lotproof"),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.context = context
    app.state.news = pages.news_of(context)
    problems.install(app)
    app.add_exception_handler(AggregatorError, _problem)
    app.add_middleware(idempotency.IdempotentCalls, context=context)
    app.middleware("http")(_hardened)
    api = APIRouter(
        prefix="/api/v1",
        responses=problems.RESPONSES,
        dependencies=[Depends(_BEARER)],  # it describes; ``caller.actor_of`` decides
    )
    for routes in (bindings.routes, entities.router(), *_API):
        api.include_router(routes)
    app.include_router(api)
    app.state.attempts = enrolment.Attempts(
        context.clock, context.settings.enrolment.attempts_per_minute
    )
    app.include_router(enrolment.open_routes)
    for shown in _PAGES:
        app.include_router(shown)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_api_route("/docs", _docs, include_in_schema=False)
    app.add_api_route("/asyncapi.yaml", _asyncapi, include_in_schema=False)
    app.add_api_route("/healthz", _healthz, include_in_schema=False)
    app.add_api_route("/metrics", _metrics, include_in_schema=False)
    return app


class _Application(FastAPI):
    """The application, whose description names what stands before every operation too."""

    def openapi(self) -> dict[str, Any]:
        """Return the API's description."""
        document = super().openapi()
        idempotency.describe(document)
        return document


async def _hardened(request: Request, proceed: RequestResponseEndpoint) -> Response:
    response = await proceed(request)
    response.headers.setdefault("Content-Security-Policy", _CSP)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    # A form of our own pages then says where it comes from (``Origin``); nobody else hears it.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if not request.url.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _problem(request: Request, error: Exception) -> Response:
    """Tell a program by a problem document, and a person in front of a browser by a page."""
    answer = await problems.ours(request, error)
    browses = "text/html" in request.headers.get("Accept", "") and "/api/" not in request.url.path
    if browses and isinstance(error, AggregatorError):
        return await pages.problem(request, error, answer.status_code)
    return answer


async def _docs() -> HTMLResponse:
    """Show the API's description with files of our own: a plant has no way to a CDN."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Lotproof API",
        swagger_js_url="/static/vendor/swagger-ui-5.35.0.js",
        swagger_css_url="/static/vendor/swagger-ui-5.35.0.css",
        swagger_favicon_url="/static/icon.svg",
    )
    # The page starts itself by a script in its text, which the policy of the others forbids.
    page.headers["Content-Security-Policy"] = _CSP.replace(
        "img-src", "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src"
    )
    return page


async def _asyncapi() -> JSONResponse:
    """Describe the events; JSON is YAML."""
    said = asyncapi(importlib.metadata.version("lotproof"))
    return JSONResponse(said, media_type="application/vnd.aai.asyncapi+json")


async def _healthz() -> dict[str, str]:
    return {"status": "ok"}


async def _metrics(actor: Caller) -> Response:
    require(actor, Act.READ_GATEWAYS)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
