"""An encrypted line to an OPC UA server: which policy, and whose certificate."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties

from protocols.field.driver import DriverError
from protocols.field.opcua.security.trust import Identity, check_server
from protocols.field.opcua.settings import OpcuaSettings, Security
from protocols.wire.reading import Nanoseconds


def application_uri_of(settings: OpcuaSettings, identity: Identity | None) -> str:
    """Return what this application calls itself."""
    if identity is not None:
        return identity.application_uri
    return settings.application_uri or "urn:lotproof:gateway"


async def offered_endpoint(client: Client, settings: OpcuaSettings) -> ua.EndpointDescription:
    """Return the server's endpoint with the policy that is set; its address is not used."""
    mode = ua.MessageSecurityMode.SignAndEncrypt
    if settings.security is Security.NONE:
        mode = ua.MessageSecurityMode.None_
    offered = await client.connect_and_get_server_endpoints()
    for endpoint in offered:
        if (endpoint.SecurityMode, endpoint.SecurityPolicyUri) == (mode, _policy(settings).URI):
            return endpoint
    kinds = {f"{e.SecurityPolicyUri.rpartition('#')[2]} {e.SecurityMode.name}" for e in offered}
    raise DriverError(
        f"the server does not offer {settings.security} {mode.name}",
        hint=f"it offers: {', '.join(sorted(kinds)) or 'nothing'}; set security accordingly",
    )


async def secure(
    client: Client,
    settings: OpcuaSettings,
    endpoint: ua.EndpointDescription,
    identity: Identity,
    now_ns: Nanoseconds | None,
) -> bytes:
    """Check the endpoint's certificate, and only then speak with our own key; return it (DER)."""
    chain = bytes(endpoint.ServerCertificate or b"")
    # A server may send its issuers after its own certificate: a DER SEQUENCE tells its length.
    leaf = chain[: 4 + int.from_bytes(chain[2:4])]
    check_server(
        leaf,
        trusted=identity.trusted,
        host=urlsplit(settings.endpoint).hostname or "",
        application_uri=endpoint.Server.ApplicationUri,
        now_ns=now_ns,
    )
    await client.set_security(
        _policy(settings),
        CertProperties(identity.certificate, "der"),
        CertProperties(identity.private_key, "der"),
        server_certificate=CertProperties(leaf, "der"),
        mode=ua.MessageSecurityMode.SignAndEncrypt,
    )
    return leaf


_POLICIES: Final[dict[Security, type[Any]]] = {
    Security.NONE: security_policies.SecurityPolicyNone,
    Security.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    Security.AES256_SHA256_RSAPSS: security_policies.SecurityPolicyAes256Sha256RsaPss,
}


def _policy(settings: OpcuaSettings) -> type[Any]:
    return _POLICIES[settings.security]
