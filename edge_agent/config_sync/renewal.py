"""Renews the gateway's certificate before it ends, on the connection that it still has.

The key stays, so that one file is replaced and no moment has half of a pair. What comes is taken
where it is for this key and this gateway, of the same authority, and ends later: whatever the
broker trusted before it trusts then. The old one stays beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from edge_agent.clock import GatewayClock
from edge_agent.errors import KeyFileError
from edge_agent.keys import CertificateFacts, certificate_facts, certificate_request, write_private
from edge_agent.settings import UplinkSettings
from protocols.wire.control.renewal import Renewal, Renewed, open_renewed, seal_renewal
from protocols.wire.errors import WireError
from protocols.wire.header import GatewayId
from protocols.wire.reading import SECOND
from protocols.wire.seal import PublicKey, SealKey

_log = structlog.get_logger("certificate")
_LOOK_S: Final = 60.0
_ASK_S: Final = 600.0  # between two requests
_DAY_S: Final = 86_400


class CertificateKeeper:
    """Looks after the certificate that the uplink shows."""

    def __init__(
        self,
        *,
        gateway: GatewayId,
        aggregator: PublicKey,
        clock: GatewayClock,
        key: SealKey,
        settings: Callable[[], UplinkSettings],
        send: Callable[[bytes], bool],
        renewed: Callable[[], None],
    ) -> None:
        """``send`` gives a request to the broker; ``renewed`` is called for a new certificate."""
        self.alert = ""  # what a person must look at; empty where nothing
        self._gateway = gateway
        self._aggregator = aggregator
        self._clock = clock
        self._key = key
        self._settings = settings
        self._send = send
        self._renewed = renewed

    async def run(self) -> None:
        """Ask for a certificate when it is time, again and again, until cancelled."""
        asked = -_ASK_S
        loop = asyncio.get_running_loop()
        while True:
            due = await asyncio.to_thread(self._is_due)
            if due and loop.time() - asked >= _ASK_S:
                try:
                    request = await asyncio.to_thread(certificate_request, self._settings().key)
                    now = self._clock.gateway_time()
                    sealed = seal_renewal(Renewal(self._gateway, request, now), self._key)
                    if self._send(sealed):
                        asked = loop.time()
                        _log.info("a new certificate is asked for", days_left=self.days_left())
                except KeyFileError as error:
                    self._warn(str(error))
            await asyncio.sleep(min(_LOOK_S, _ASK_S))

    def days_left(self) -> float | None:
        """Return for how many days the certificate is valid; None where it cannot be read."""
        facts = self._facts()
        if facts is None:
            return None
        return round(facts.not_after / _DAY_S - self._clock.gateway_time() / SECOND / _DAY_S, 2)

    def take(self, sealed: bytes) -> bool:
        """Take what is a certificate under the aggregator's seal; tell whether it was one."""
        try:
            said = open_renewed(sealed, self._aggregator)
        except WireError:
            return False
        settings = self._settings()
        why = self._fault(said, settings.certificate)
        if why:
            self._warn(f"a new certificate was not taken: {why}")
            return True
        try:
            before = settings.certificate.read_bytes()
            write_private(settings.certificate.with_suffix(".before.pem"), before)
            write_private(settings.certificate, said.pem.encode())
        except (OSError, KeyFileError) as error:
            self._warn(f"the new certificate cannot be kept: {error}")
            return True
        self.alert = ""
        _log.info("the certificate is renewed", days_left=self.days_left())
        self._renewed()
        return True

    def _fault(self, said: Renewed, path: Path) -> str:
        """Return what speaks against a certificate; empty where nothing does."""
        present = self._facts()
        try:
            fresh = certificate_facts(said.pem.encode())
        except KeyFileError as error:
            return str(error)
        if present is None:
            return f"{path} cannot be read to compare it"
        checks = (
            (said.gateway == self._gateway == fresh.name, "it is another gateway's"),
            (fresh.public_key == present.public_key, "it is for another key"),
            (fresh.issuer == present.issuer, "it is of another authority; enrol anew"),
            (fresh.not_after > present.not_after, "it does not end later"),
        )
        return next((why for holds, why in checks if not holds), "")

    def _is_due(self) -> bool:
        days = self._settings().renew_days
        left = self.days_left()
        return left is not None and days > 0 and left < days

    def _facts(self) -> CertificateFacts | None:
        try:
            return certificate_facts(self._settings().certificate.read_bytes())
        except (OSError, KeyFileError):
            return None

    def _warn(self, text: str) -> None:
        if text != self.alert:
            _log.error("certificate", error=text)
        self.alert = text
