"""A program of the plant that calls the aggregator's API, as an MES would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from plant.clock import monotonic

T = TypeVar("T")


class Client:
    """Calls /api/v1 with one token."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.token = ""
        self._http = httpx.AsyncClient(base_url=base, timeout=30.0, trust_env=False)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def get(self, path: str, **params: Any) -> Any:
        """Return the JSON at ``/api/v1`` + path."""
        return (await self._call("GET", path, params=params)).json()

    async def fetch(self, path: str) -> bytes:
        """Return the bytes at ``/api/v1`` + path."""
        return (await self._call("GET", path)).content

    async def put(self, path: str, document: dict[str, Any], *, reason: str) -> Any:
        """Put a document and return what the API made of it."""
        headers = {"X-Reason": reason}
        return (await self._call("PUT", path, json=document, headers=headers)).json()

    async def post(self, path: str, document: dict[str, Any] | None = None) -> Any:
        """Post a document and return the answer."""
        return (await self._call("POST", path, json=document)).json()

    async def until(
        self, path: str, holds: Callable[[Any], T | None], *, timeout_s: float, **params: Any
    ) -> T:
        """Ask again and again until ``holds`` makes something of the answer, and return that.

        Raises TimeoutError with the last answer; a server that is not up yet is asked again.
        """
        deadline = monotonic() + timeout_s
        last: object = None
        while monotonic() < deadline:
            try:
                last = await self.get(path, **params)
                found = holds(last)
                if found:
                    return found
            except httpx.HTTPError as error:
                last = error
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{path}: still {str(last)[:1000]} after {timeout_s} s")

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        response = await self._http.request(method, f"/api/v1{path}", headers=headers, **options)
        if response.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path}: {response.status_code} {response.text[:1000]}",
                request=response.request,
                response=response,
            )
        return response
