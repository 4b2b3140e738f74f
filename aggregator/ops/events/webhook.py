"""Sends an event to a webhook: one signed POST, no redirect followed, no address but a checked one.

The name is resolved here and the connection goes to the very address that was checked, so a name
that changes its mind in between leads nowhere else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from typing import Final

import httpx

from aggregator.clock import Clock
from aggregator.errors import SettingsError
from aggregator.model.integration.event import CONTENT_TYPE
from aggregator.model.integration.webhook import (
    Address,
    check_url,
    may_be_sent_to,
    networks_of,
    signed_headers,
)
from aggregator.settings import EventSettings
from protocols.wire.reading import SECOND


class WebhookClient:
    """Posts to webhooks, each on a connection of its own."""

    def __init__(self, settings: EventSettings, clock: Clock) -> None:
        """Raise SettingsError where the CA or the networks cannot be used."""
        self._timeout = settings.timeout_seconds
        self._networks = networks_of(settings.networks)
        self._clock = clock
        self._http = httpx.AsyncClient(
            verify=_tls(settings),
            follow_redirects=False,
            trust_env=False,
            timeout=settings.timeout_seconds,
            # A connection that is kept belongs to an address, and two names may share one.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.aclose()

    async def post(self, url: str, secret: bytes, sequence: int, body: bytes) -> str:
        """Post ``body`` and return why the receiver did not take it, "" where it did (2xx)."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(url, secret, sequence, body)
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ssl.SSLError) as error:
            return f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS_MAX]

    async def _post(self, url: str, secret: bytes, sequence: int, body: bytes) -> str:
        parts = check_url(url)
        host = parts.hostname or ""
        address = await self._resolved(host, parts.port or _PORTS[parts.scheme])
        if address is None:
            return f"{host} leads to an address that events may not go to"
        seconds = self._clock.now() // SECOND
        request = self._http.build_request(
            "POST",
            httpx.URL(url).copy_with(host=str(address)),
            content=body,
            headers={
                "Host": parts.netloc,
                "Content-Type": f"{CONTENT_TYPE}; charset=utf-8",
                "User-Agent": "lotproof",
                **signed_headers(secret, sequence, seconds, body),
            },
            extensions={"sni_hostname": host},
        )
        answer = await self._http.send(request, stream=True)
        try:
            return "" if answer.is_success else f"answered {answer.status_code}"
        finally:
            await answer.aclose()  # whatever else it says is not read

    async def _resolved(self, host: str, port: int) -> Address | None:
        """Return the address to connect to, None where any that the name has is refused."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(each[4][0]) for each in found]
        allowed = all(may_be_sent_to(host, address, self._networks) for address in addresses)
        return addresses[0] if addresses and allowed else None


_PORTS: Final = {"http": 80, "https": 443}
_ERROR_CHARACTERS_MAX: Final = 500


def _tls(settings: EventSettings) -> ssl.SSLContext:
    try:
        ca_file = None if settings.ca_file is None else str(settings.ca_file)
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"events.ca_file cannot be used: {error}", hint="it must be a PEM file we may read"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
