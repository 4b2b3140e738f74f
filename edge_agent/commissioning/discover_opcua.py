"""``lotproof-agent discover opcua``: which line to take, whom to trust, and what is there."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.errors import CommissioningError, SettingsFileError
from edge_agent.settings_file import problems
from protocols.field.opcua.discover import Browsed, Limits, Offer, browse
from protocols.field.opcua.security.trust import describe, fingerprint, is_trusted, put_trust
from protocols.field.opcua.settings import OpcuaSettings, OpcuaSignal, Security
from protocols.wire.reading import Kind

COLUMNS = ("name", "unit", "kind", "address")
"""What is written of each signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a person gave to get at a server."""

    endpoint: str
    security: str | None  # None: the best that can be spoken with what is given
    certificate: Path | None
    private_key: Path | None
    trusted: Path | None
    user: str | None
    password_file: Path | None
    timeout_s: float


def line_settings(access: Access, offers: Sequence[Offer]) -> OpcuaSettings:
    """Return settings with which the server can be browsed; SettingsFileError says what lacks."""
    spoken = [offer.security for offer in offers if offer.security is not None]
    chosen = access.security
    if chosen is None:
        by_strength = (Security.AES256_SHA256_RSAPSS, Security.BASIC256SHA256)
        encrypted = [each for each in by_strength if each in spoken]
        chosen = Security.NONE
        if encrypted and (access.certificate is not None or Security.NONE not in spoken):
            chosen = encrypted[0]
    try:
        # A source has signals; before any is known, the state that every server shows stands in.
        state = OpcuaSignal(name="server-state", address="i=2259", kind=Kind.INT)
        return OpcuaSettings.model_validate(
            {
                "endpoint": access.endpoint,
                "security": chosen,
                "certificate": access.certificate,
                "private_key": access.private_key,
                "trusted": access.trusted,
                "user": access.user,
                "password": _password(access.password_file),
                "timeout_s": access.timeout_s,
                "signals": (state,),
            }
        )
    except ValidationError as error:
        raise SettingsFileError(
            tuple(problems("discover opcua", error, OpcuaSettings)),
            hint="give --certificate, --private-key and --trusted; --help names the options",
        ) from error


def settle_trust(
    settings: OpcuaSettings,
    offers: Sequence[Offer],
    *,
    expected: str | None,
    ask: Callable[[str], bool],
) -> str:
    """Have a person decide on a certificate that is not trusted yet; return what was done.

    ``expected`` is a fingerprint that was compared beforehand, instead of ``ask``. Raises
    CommissioningError where the certificate stays without trust.
    """
    chosen = [offer for offer in offers if offer.security is settings.security]
    if settings.trusted is None or not chosen or not chosen[0].certificate:
        return ""  # no certificate plays a part, or the server will be refused for what it offers
    der = chosen[0].certificate
    if settings.trusted.is_dir() and is_trusted(der, settings.trusted):
        return ""
    shown = fingerprint(der)
    if expected is not None:
        if not hmac.compare_digest(_bare(expected), _bare(shown)):
            raise CommissioningError(
                f"the server's certificate has another fingerprint: SHA-256 {shown}",
                hint="somebody else may answer; compare with the server's own display",
            )
    elif not ask(
        f"The server shows a certificate that is not trusted yet:\n\n{describe(der)}\n\n"
        "Compare the fingerprint with what the server itself displays. Is it the same?"
    ):
        raise CommissioningError(
            "the server's certificate is not trusted",
            hint=f"put it, or its authority's, into {settings.trusted}",
        )
    return f"trusted from now on: {put_trust(der, settings.trusted)}"


def browsed(settings: OpcuaSettings, match: Sequence[str], prefix: str, limits: Limits) -> Browsed:
    """Return what the server holds; certificates are judged in time where the clock is right."""
    clock = GatewayClock(KernelClock())
    now = clock.gateway_time() if clock.skew_max() is not None else None
    return asyncio.run(browse(settings, now, match=match, prefix=prefix, limits=limits))


def signals_of(browsed: Browsed) -> list[OpcuaSignal]:
    """Return the variables that can be signals."""
    return [each.signal for each in browsed.found if each.signal is not None]


def offer_lines(offers: Sequence[Offer]) -> Iterator[str]:
    """Yield a line an endpoint, then one a certificate."""
    for offer in offers:
        spoken = "" if offer.security is not None else "   (not spoken by this agent)"
        users = ", ".join(offer.users)
        yield f"  {offer.policy:24} {offer.mode:15} {users}{spoken}"
    for der in dict.fromkeys(offer.certificate for offer in offers if offer.certificate):
        yield f"  certificate SHA-256 {fingerprint(der)}"


def found_lines(browsed: Browsed) -> Iterator[str]:
    """Yield two lines a variable, what stopped the browsing, and a sum."""
    for each in browsed.found:
        signal = each.signal
        kind = signal.kind.name.lower() if signal is not None else "-"
        unit = "" if signal is None or signal.unit == "1" else signal.unit
        mark = "✓" if signal is not None else "-"
        yield f"{mark} {each.path}  {kind}  {each.value} {unit}".rstrip()
        yield f"    {each.address}"
        if each.note:
            yield f"    ! {each.note}"
    for note in browsed.notes:
        yield f"! {note}"
    yield (
        f"{browsed.nodes} nodes, {len(browsed.found)} variables that match, "
        f"{len(signals_of(browsed))} of them can be signals"
    )


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CommissioningError(
            f"{path} cannot be read: {error}", hint="put the password into a file of one line"
        ) from error


def _bare(print_: str) -> str:
    return "".join(print_.replace(":", "").split()).upper()
