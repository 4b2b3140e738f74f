"""The plant's press with an encrypted line, which can be given another certificate."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from plant.ca import Credentials, PlantCA
from plant.clock import utc_now
from plant.equipment.press import APPLICATION_URI, Press
from protocols.field.driver import DriverSettings
from protocols.field.opcua import SPEC
from protocols.field.opcua.security.trust import put_trust
from protocols.field.opcua.settings import OpcuaSettings
from tests.cases.equipment.equipment import Act, Equipment

__all__ = ["KeyedPress"]


class KeyedPress(Equipment):
    """A press that takes known clients; the gateway trusts its certificate alone, by name."""

    spec = SPEC
    polled = False

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="keyed-press-")
        folder = Path(self._folder.name)
        self._ca = PlantCA(folder / "ca", now=utc_now())
        self._gateway = self._ca.issue_opcua("gateway", application_uri="urn:lotproof:test:gateway")
        self._trusted = folder / "trusted by the gateway"
        self._own = self._issue("press")
        self._trust_own()
        known = folder / "trusted by the press"
        known.mkdir()
        (known / "plant.pem").write_bytes(self._ca.root.read_bytes())
        self._known = known
        self._press = self._made()

    async def _begin(self) -> None:
        await self._press.__aenter__()

    async def _end(self) -> None:
        await self._press.__aexit__()
        self._folder.cleanup()

    def settings(self, given: Mapping[str, Any]) -> DriverSettings:
        usual = {
            "endpoint": self._press.endpoint,
            "security": "Basic256Sha256",
            "certificate": self._gateway.certificate,
            "private_key": self._gateway.key,
            "trusted": self._trusted,
            "user": "gateway",
            "password": "press-fit",
            "publishing_s": 0.05,
            "history_lag_s": 0.0,
        }
        return OpcuaSettings.model_validate({**usual, **given})

    def acts(self) -> Mapping[str, Act]:
        return {
            "start lot": self._start_lot,
            "end lot": self._press.end_lot,
            "restart with a new certificate": self._renew,
            "trust the certificate": self._trust,
        }

    def _issue(self, name: str) -> Credentials:
        return self._ca.issue_opcua(name, application_uri=APPLICATION_URI)

    def _made(self) -> Press:
        return Press(
            update_seconds=0.05,
            certificate=self._own.certificate,
            private_key=self._own.key,
            trusted=self._known,
            user="gateway",
            password="press-fit",
        )

    async def _start_lot(self, lot: str) -> None:
        await self._press.start_lot(lot, "WO-1")

    async def _renew(self) -> None:
        self._own = self._issue("press-renewed")
        await self._press.stop()
        self._press.renew(self._own.certificate, self._own.key)
        await self._press.start()

    async def _trust(self) -> None:
        self._trust_own()

    def _trust_own(self) -> None:
        certificate = x509.load_pem_x509_certificate(self._own.certificate.read_bytes())
        put_trust(certificate.public_bytes(Encoding.DER), self._trusted)
