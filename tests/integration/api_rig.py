"""The whole application over a store of its own, called as an HTTP client calls it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI

from aggregator.access import tokens
from aggregator.access.roles import Actor, Role
from aggregator.access.tokens import TokenKind
from aggregator.service.context import Context
from aggregator.settings import MasterKind
from aggregator.site import create_app
from tests.rigs.context import running_context


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The application, its context and a client without a token."""

    app: FastAPI
    context: Context
    http: httpx.AsyncClient

    async def token(self, *roles: Role, kind: TokenKind = TokenKind.SERVICE) -> str:
        """Return the text of a token with the roles."""
        holder = Actor(name="-".join(sorted(roles)), roles=frozenset(roles))
        async with self.context.store.write() as tx:
            _, text = await tokens.issue(tx, holder, kind, now=self.context.clock.now())
        return text

    async def as_role(self, *roles: Role) -> dict[str, str]:
        """Return the headers of a caller with the roles."""
        return {"Authorization": f"Bearer {await self.token(*roles)}"}

    async def put_all(self, documents: Iterable[tuple[str, Mapping[str, object]]]) -> None:
        """Put documents as an integration does."""
        headers = await self.as_role(Role.INTEGRATION)
        for path, document in documents:
            answer = await self.http.put(f"/api/v1{path}", json=document, headers=headers)
            assert answer.status_code == 200, answer.text


@contextlib.asynccontextmanager
async def running_api(
    folder: Path, *, timeout_seconds: float = 10.0, approval: tuple[MasterKind, ...] = ()
) -> AsyncIterator[Api]:
    """Yield the application over a fresh SQLite store in ``folder``."""
    rig = running_context(folder, timeout_seconds=timeout_seconds, approval=approval)
    async with rig as context:
        app = create_app(context)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Api(app=app, context=context, http=http)
