"""A gateway's certificate is renewed on the line that it has: asked for and given under seals.

The request goes out on the topic ``reply``, the certificate comes on ``command``, not retained. Who
asks is known by the seal key; the certificate is for the TLS key that signed the request.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from protocols.wire import cbor
from protocols.wire.errors import MalformedError
from protocols.wire.header import GatewayId, check_gateway_id
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import PublicKey, Purpose, SealKey, open_seal, seal

REQUEST: Final = Purpose("application/lotproof-renewal+cbor", b"lotproof-renewal-v1")
ANSWER: Final = Purpose("application/lotproof-certificate+cbor", b"lotproof-certificate-v1")
REQUEST_BYTES_MAX: Final = 8192
PEM_BYTES_MAX: Final = 32_768


class Renewal(NamedTuple):
    """A gateway asks for a certificate."""

    gateway: GatewayId
    request: bytes  # certificate request, DER
    time: Nanoseconds  # gateway time


class Renewed(NamedTuple):
    """The certificate that it gets."""

    gateway: GatewayId
    pem: str


def seal_renewal(renewal: Renewal, key: SealKey) -> bytes:
    """Return the request under the gateway's seal."""
    fields: dict[int, cbor.Item] = {1: renewal.gateway, 2: renewal.request, 3: renewal.time}
    return seal(cbor.encode(fields), key, REQUEST)


def open_renewal(data: bytes, key: PublicKey) -> Renewal:
    """Return the request if ``key`` sealed it; SealError or MalformedError if not."""
    match cbor.decode(open_seal(data, key, REQUEST), items_max=16, booleans=False):
        case {1: str(gateway), 2: bytes(request), 3: int(time), **rest} if (
            not rest and len(request) <= REQUEST_BYTES_MAX and time >= 0
        ):
            return Renewal(check_gateway_id(gateway), request, time)
    raise MalformedError("a request for a certificate has not exactly its fields")


def seal_renewed(renewed: Renewed, key: SealKey) -> bytes:
    """Return the certificate under the aggregator's seal."""
    fields: dict[int, cbor.Item] = {1: renewed.gateway, 2: renewed.pem}
    return seal(cbor.encode(fields), key, ANSWER)


def open_renewed(data: bytes, key: PublicKey) -> Renewed:
    """Return the certificate if ``key`` sealed it; SealError or MalformedError if not."""
    match cbor.decode(open_seal(data, key, ANSWER), items_max=16, booleans=False):
        case {1: str(gateway), 2: str(pem), **rest} if not rest and len(pem) <= PEM_BYTES_MAX:
            return Renewed(check_gateway_id(gateway), pem)
    raise MalformedError("a renewed certificate has not exactly its fields")
