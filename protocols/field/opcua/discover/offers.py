"""The endpoints of a server, which it says to anybody who asks (OPC 10000-4 section 5.5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asyncua import Client

from protocols.field.opcua.refusal import told
from protocols.field.opcua.settings import Security


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One endpoint (EndpointDescription, OPC 10000-4 section 7.14)."""

    policy: str  # the security policy's name, for example ``Basic256Sha256``
    mode: str  # None, Sign or SignAndEncrypt
    certificate: bytes  # the server's own, DER; empty where the endpoint shows none
    users: tuple[str, ...]  # how a user may be named: Anonymous, UserName, Certificate, ...

    @property
    def security(self) -> Security | None:
        """The setting that chooses this endpoint; None where the driver cannot speak it."""
        mode = "None" if self.policy == Security.NONE else "SignAndEncrypt"
        spoken = self.policy in list(Security) and self.mode == mode
        return Security(self.policy) if spoken else None


async def offers(endpoint: str, timeout_s: float) -> tuple[Offer, ...]:
    """Return the endpoints of the server at an address; raise DriverError where it gives none."""
    client = Client(endpoint, timeout=timeout_s)
    with told("asking for the endpoints"):
        offered = await client.connect_and_get_server_endpoints()
    return tuple(map(_offer, offered))


def _offer(endpoint: Any) -> Offer:
    chain = bytes(endpoint.ServerCertificate or b"")
    return Offer(
        policy=(endpoint.SecurityPolicyUri or "").rpartition("#")[2],
        mode=endpoint.SecurityMode.name.rstrip("_"),
        # A server may send its issuers after its own certificate: a DER SEQUENCE tells its length.
        certificate=chain[: 4 + int.from_bytes(chain[2:4])],
        users=tuple(dict.fromkeys(token.TokenType.name for token in endpoint.UserIdentityTokens)),
    )
