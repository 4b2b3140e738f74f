"""Every error of the API is a problem document: application/problem+json (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from aggregator.errors import (
    AccessError,
    AggregatorError,
    ConflictError,
    DeniedError,
    InvalidError,
    NotFoundError,
)

_STATUS: Final[dict[type[AggregatorError], HTTPStatus]] = {
    AccessError: HTTPStatus.UNAUTHORIZED,
    DeniedError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    AggregatorError: HTTPStatus.SERVICE_UNAVAILABLE,
}


_FORM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Kind of problem; stable."},
        "title": {"type": "string", "description": "Name of the status."},
        "status": {"type": "integer", "description": "Status of the answer."},
        "detail": {"type": "string", "description": "What is wrong, for a person."},
        "hint": {"type": "string", "description": "What a person can do."},
        "errors": {
            "type": "array",
            "description": "Each field of the request that is not as described.",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_CONTENT: Final = {"application/problem+json": {"schema": _FORM}}

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "The request cannot be served as it is.", "content": _CONTENT},
    "5XX": {"description": "The same request may be served later.", "content": _CONTENT},
}
"""How every operation's problems are described."""


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem document."""
    app.add_exception_handler(AggregatorError, ours)
    app.add_exception_handler(RequestValidationError, _request)
    app.add_exception_handler(HTTPException, _http)


def problem(status: int, *, detail: str, kind: str = "about:blank", **extra: Any) -> JSONResponse:
    """Return a problem document; ``kind`` is a stable URI reference of the kind of error."""
    members = {
        "type": kind,
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(
        members | {name: value for name, value in extra.items() if value},
        status_code=int(status),
        media_type="application/problem+json",
        headers=headers,
    )


async def ours(_: Request, error: Exception) -> JSONResponse:
    """Return the problem document of an error of this package."""
    if not isinstance(error, AggregatorError):
        raise error
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    name = type(error).__name__.removesuffix("Error").lower()
    return problem(status, detail=str(error), kind=f"/problems/{name}", hint=error.hint)


async def _request(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        {"pointer": "/" + "/".join(map(str, each["loc"])), "detail": each["msg"]}
        for each in error.errors()
    ]
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        detail="the request is not as the API describes it",
        kind="/problems/invalid",
        hint="see /docs for the form of this request",
        errors=errors,
    )


async def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, detail=str(error.detail))
