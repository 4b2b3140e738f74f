"""Use case: renew the certificate of a gateway that asks for it under its seal."""

from __future__ import annotations

from typing import Final

from aggregator.access.issuing import load_authority
from aggregator.errors import ConflictError
from aggregator.service.context import Context
from aggregator.service.enrolment.admit import keep
from aggregator.service.gateways import tell
from protocols.wire.reading import SECOND

_AGAIN_SECONDS: Final = 3600  # within which the same certificate is given again


async def renew(context: Context, gateway: str, request: bytes) -> str:
    """Return a certificate (PEM) for the key of a request that the gateway's seal vouches for.

    Raises ConflictError where we issued none before: the broker may know another authority alone,
    and the gateway would be locked out by ours. SettingsError and InvalidError as for the first.
    """
    now, chosen = context.clock.now(), context.settings.enrolment
    async with context.store.write() as tx:
        newest = await tx.fetch_one("enrolment.newest_certificate", gateway=gateway)
        if newest is None:
            raise ConflictError(
                f"{gateway} has no certificate of ours", hint="enrol it, or renew it elsewhere"
            )
        if now - newest["issued_time"] < _AGAIN_SECONDS * SECOND and newest["why"] == "renewal":
            return str(newest["pem"])
        issued = load_authority(context.settings).issue(
            request, gateway=gateway, site=chosen.site, days=chosen.certificate_days, now=now
        )
        await keep(tx, gateway, issued, now=now, why="renewal")
        await tell(
            context,
            tx,
            f"gateway {gateway}",
            "renew a certificate",
            gateway,
            why="it asked under its seal before the one it has ends",
            before={"certificate": newest["fingerprint"]},
            after={"certificate": issued.fingerprint, "not_after": issued.not_after},
        )
    return issued.pem
