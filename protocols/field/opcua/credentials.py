"""The certificates of one source's lines: ours, its renewal, the server's; and when they end.

While a server does not trust the renewed certificate yet, the one before it is shown again: a
renewal locks nobody out.
"""

from __future__ import annotations

import contextlib

import structlog

from protocols.field.driver import FieldClock, SettingsError
from protocols.field.opcua.refusal import CERTIFICATE_REFUSED, RefusedError
from protocols.field.opcua.security.own_certificate import RENEW_DAYS, days_left, ends_at, kept
from protocols.field.opcua.security.trust import Identity, load_identity
from protocols.field.opcua.session import Session
from protocols.field.opcua.settings import OpcuaSettings
from protocols.wire.reading import Nanoseconds

_log = structlog.get_logger(__name__)


class Credentials:
    """Who we are to a source's servers, and who they are to us."""

    def __init__(self, source: str, settings: OpcuaSettings, clock: FieldClock) -> None:
        self.ends: dict[str, Nanoseconds] = {}
        """When the certificates in use end: the ``gateway``'s, and the ``server``'s."""
        self._source = source
        self._settings = settings
        self._clock = clock
        self._identities: tuple[Identity, ...] = ()  # the present one, the one before a renewal

    def load(self) -> None:
        """Read our certificates anew; SettingsError where they cannot be used."""
        certificate, key = self._settings.certificate, self._settings.private_key
        trusted, uri = self._settings.trusted, self._settings.application_uri
        if certificate is None or key is None or trusted is None:
            return
        identities = [load_identity(certificate, key, trusted=trusted, application_uri=uri)]
        with contextlib.suppress(SettingsError):  # most were never renewed
            old = kept(certificate), kept(key)
            identities.append(load_identity(*old, trusted=trusted, application_uri=uri))
        self._identities = tuple(identities)
        self.ends["gateway"] = ends_at(identities[0].certificate)

    async def connect(self, at: OpcuaSettings) -> Session:
        """Make a session, with the certificate before a renewal while the new one is refused.

        Raises DriverError.
        """
        now = self._clock.gateway_time() if self._clock.skew_max() is not None else None
        new, *old = self._identities or (None,)
        try:
            session = await Session.connect(at, new, now)
        except RefusedError as refusal:
            if not old or refusal.code not in CERTIFICATE_REFUSED:
                raise
            session = await Session.connect(at, old[0], now)
            _log.warning(
                "the server does not trust the renewed certificate; the old one is used yet",
                source=self._source,
                endpoint=at.endpoint,
                hint=refusal.hint,
            )
            self.ends["gateway"] = ends_at(old[0].certificate)
        if session.server_certificate:
            self.ends["server"] = ends_at(session.server_certificate)
        return session

    def look_again(self) -> None:
        """Take note of a renewal, and say how long our certificate lasts where that is not long."""
        with contextlib.suppress(SettingsError):  # a pair that is just being replaced
            self.load()
        self.warn_of_age()

    def warn_of_age(self) -> None:
        """Say how long our certificate lasts, when that is not long any more."""
        if not self._identities:
            return
        left = days_left(self._identities[0].certificate, self._clock.gateway_time())
        if left < RENEW_DAYS:
            _log.warning(
                "the gateway's OPC UA certificate ends soon",
                source=self._source,
                days_left=left,
                hint="lotproof-agent opcua-certificate --renew, and have the server trust it",
            )
