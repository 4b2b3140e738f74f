"""Webhooks: where they may go, how they are signed, and when one that failed is sent again.

Signed as Standard Webhooks 1.0 has it, so a receiver may check with any of its libraries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from aggregator.errors import InvalidError, SettingsError

URL_CHARACTERS_MAX: Final = 2_000
SECRET_BYTES: Final = 32
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 # what a secret begins with
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def signed_headers(secret: bytes, sequence: int, seconds: int, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver knows who sent ``body``, when, and whether again.

    ``webhook-id`` is the same for every attempt; ``seconds`` since 1970 is the attempt's own.
    """
    message = f"event-{sequence}"
    signed = f"{message}.{seconds}.".encode() + body
    code = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{code}",
    }


def secret_text(secret: bytes) -> str:
    """Return the secret as it is shown, once, and as the libraries of receivers take it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def secret_of(text: str) -> bytes:
    """Return the secret that ``secret_text`` wrote; InvalidError for any other text."""
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError("this is no secret of a webhook") from None


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that events may be sent to; InvalidError for any other.

    Without TLS events go to this very computer alone.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidError(f"{url[:80]!r} is no address") from None
    host = parts.hostname or ""
    if len(url) > URL_CHARACTERS_MAX or not host or port == 0 or not url.isprintable():
        raise InvalidError(f"{url[:80]!r} is no address", hint="write https://host/path")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidError(
            "the address carries a user, a password or a fragment",
            hint="the receiver knows us by the signature; leave them out",
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidError(
            "events leave this computer over TLS alone", hint="write https:// instead of http://"
        )
    if parts.scheme not in {"http", "https"}:
        raise InvalidError(f"{parts.scheme}:// is not spoken here", hint="write https://host/path")
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address says that it is this computer."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks that texts like ``10.0.0.0/8`` name; SettingsError for any other."""
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise SettingsError(
            f"events.networks: {error}", hint="write networks like 10.0.0.0/8"
        ) from None


def may_be_sent_to(host: str, address: Address, networks: Sequence[Network]) -> bool:
    """Tell whether what ``host`` resolved to may be spoken to.

    A name that turns out to be this computer, a link-local address (where clouds keep
    credentials) or a group is refused whatever the settings say.
    """
    plain = getattr(address, "ipv4_mapped", None) or address
    if plain.is_loopback:
        return is_loopback(host)
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified or plain.is_reserved:
        return False
    return not networks or any(plain in network for network in networks)


def retry_wait_seconds(failures: int, *, first: float, longest: float, chance: float) -> float:
    """Return how long to wait after so many failures in a row, from 1.

    It doubles up to ``longest``; ``chance`` in [0, 1) takes up to half of it off, so that receivers
    that failed together are not tried together.
    """
    wait = min(first * 2.0 ** min(failures - 1, 30), longest)
    return wait * (1 - chance / 2)
