"""Use cases: invite a gateway, hear it ask, admit it or not, and hand out what it needs.

A token is 128 random bits, kept as its hash, and serves one gateway once. Whoever made it does not
admit the gateway that comes with it; whoever does has compared the fingerprint that the gateway
printed (docs/specs/enrolment.md).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import structlog

from aggregator.access.issuing import Certificate, load_authority, request_key
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import (
    AccessError,
    ConflictError,
    InvalidError,
    NotFoundError,
    SettingsError,
)
from aggregator.service.context import Context
from aggregator.service.gateways import tell
from aggregator.store import registry
from aggregator.store.base import Row, Transaction
from protocols.wire.checkpoint import NoteKey
from protocols.wire.control.enrolment import fingerprint, open_request, token_hash
from protocols.wire.errors import WireError
from protocols.wire.header import check_gateway_id
from protocols.wire.reading import SECOND, Nanoseconds
from protocols.wire.seal import PublicKey

REQUEST_BYTES_MAX: Final = 8192
SHOWN_MAX: Final = 200
_log: Final = structlog.get_logger(__name__)
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_LETTERS: Final = 26  # of 5 bits: 130


class State(StrEnum):
    """What became of a gateway that asked."""

    WAITING = "waiting"
    ADMITTED = "admitted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A gateway that asks to be let in."""

    id: str
    gateway: str
    fingerprint: str


async def invite(
    context: Context, actor: Actor, gateway: str, *, why: str
) -> tuple[str, Nanoseconds]:
    """Return a token for one gateway and when it expires; it is shown this once."""
    require(actor, Act.MANAGE_GATEWAYS)
    try:
        check_gateway_id(gateway)
    except WireError as error:
        raise InvalidError(str(error), hint=error.hint) from None
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
    token = "-".join(letters[at : at + 4] for at in range(0, _LETTERS, 4))
    now = context.clock.now()
    expires = now + context.settings.enrolment.token_hours * 3600 * SECOND
    async with context.store.write() as tx:
        await tx.execute(
            "enrolment.add_token",
            token_hash=token_hash(token),
            gateway=gateway,
            made_by=actor.name,
            made_time=now,
            expires_time=expires,
        )
        await tell(context, tx, actor.name, "invite a gateway", gateway, why=why, after={})
    return token, expires


async def ask(context: Context, token: str, request: str, statement: str) -> Asked:
    """Take in what a gateway asks with; ``request`` and ``statement`` are base64.

    Raises AccessError for a token that does not serve, InvalidError for what is not proved. A
    token that comes again with the very same request gives the same answer: the gateway may have
    missed it. Another request is written into the audit trail, and refused.
    """
    asked = await _taken(context, token, request, statement)
    if asked is None:
        raise AccessError(
            "this token does not serve",
            hint="it was used already: if not by this gateway, refuse what waits under it",
        )
    return asked


async def look(context: Context, enrolment: str, token: str) -> dict[str, Any]:
    """Return what became of a gateway that asked, and all that it needs once it is admitted.

    Raises AccessError for anybody but the one who has the token.
    """
    async with context.store.read() as tx:
        row = await tx.fetch_one("enrolment.one", enrolment=enrolment)
    if row is None or not hmac.compare_digest(bytes(row["token_hash"]), token_hash(token)):
        raise AccessError("nothing was asked for with this token")
    found: dict[str, Any] = {"state": row["state"], "gateway": row["gateway"]}
    if row["state"] != State.ADMITTED:
        return found
    settings, keys = context.settings, context.keys
    chosen, broker = settings.enrolment, settings.broker
    return found | {
        "certificate": row["pem"],
        "broker": {
            "host": chosen.broker_host or broker.host,
            "port": chosen.broker_port or broker.port,
            "ca": _read(broker.ca_file),
        },
        "aggregator": {
            "seal_key": keys.seal.public.to_text(),
            "log_key": NoteKey(name=settings.log.origin, key=keys.log.public).to_text(),
        },
    }


async def every(context: Context, actor: Actor) -> list[Row]:
    """Return who asked to be let in, the latest first (``enrolment.newest``)."""
    require(actor, Act.MANAGE_GATEWAYS)
    async with context.store.read() as tx:
        return await tx.fetch("enrolment.newest", count=SHOWN_MAX)


async def admit(
    context: Context, actor: Actor, enrolment: str, compared: str, *, why: str
) -> Certificate:
    """Let a gateway in whose fingerprint was compared; return the certificate that it gets.

    Raises ConflictError for another fingerprint, for the one who invited it, and where it was
    decided already.
    """
    require(actor, Act.MANAGE_GATEWAYS)
    authority = load_authority(context.settings)
    now = context.clock.now()
    async with context.store.write() as tx:
        row = await _waiting(tx, actor, enrolment)
        if compared.replace("-", "").strip().upper() != row["fingerprint"].replace("-", ""):
            raise ConflictError(
                "that is not the fingerprint of what came here",
                hint="somebody else may have used the token; refuse it, and invite anew",
            )
        gateway = row["gateway"]
        chosen = context.settings.enrolment
        certificate = authority.issue(
            bytes(row["request"]),
            gateway=gateway,
            site=chosen.site,
            days=chosen.certificate_days,
            now=now,
        )
        key = PublicKey.from_text(row["seal_key"])
        known = await tx.fetch_one("gateways.one", gateway=gateway) is not None
        take = registry.add_key if known else registry.add_gateway
        await take(tx, gateway, key, by=actor.name, now=now)
        await keep(tx, gateway, certificate, now=now, why="enrolment")
        await _decide(tx, row, State.ADMITTED, by=actor, now=now, serial=certificate.serial)
        after = {
            "enrolment": enrolment,
            "key": row["seal_key"],
            "certificate": certificate.fingerprint,
            "invited_by": row["made_by"],
        }
        await tell(context, tx, actor.name, "admit a gateway", gateway, why=why, after=after)
    return certificate


async def refuse(context: Context, actor: Actor, enrolment: str, *, why: str) -> None:
    """Do not let a gateway in; ConflictError where it was decided already."""
    require(actor, Act.MANAGE_GATEWAYS)
    async with context.store.write() as tx:
        row = await _waiting(tx, None, enrolment)
        await _decide(tx, row, State.REFUSED, by=actor, now=context.clock.now(), serial=None)
        after = {"enrolment": enrolment, "fingerprint": row["fingerprint"]}
        gateway = row["gateway"]
        await tell(context, tx, actor.name, "refuse a gateway", gateway, why=why, after=after)


async def keep(
    tx: Transaction, gateway: str, certificate: Certificate, *, now: Nanoseconds, why: str
) -> None:
    """Remember a certificate that was issued."""
    await tx.execute(
        "enrolment.add_certificate",
        serial=certificate.serial,
        gateway=gateway,
        fingerprint=certificate.fingerprint,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        issued_time=now,
        why=why,
        pem=certificate.pem,
    )


async def _taken(context: Context, token: str, request: str, statement: str) -> Asked | None:
    csr, said = _bytes(request), _bytes(statement)
    try:
        key = open_request(said, token, csr)
    except WireError as error:
        raise InvalidError(f"the seal key is not proved: {error}") from None
    request_key(csr)
    now, hashed = context.clock.now(), token_hash(token)
    shown = fingerprint(csr, key)
    async with context.store.write() as tx:
        row = await tx.fetch_one("enrolment.token", token_hash=hashed)
        if row is None or row["expires_time"] <= now:
            raise AccessError("this token does not serve", hint="ask for a new one")
        gateway = row["gateway"]
        if not await tx.execute("enrolment.use_token", token_hash=hashed, used_time=now):
            before = await _same(tx, hashed, shown)
            if before is None:
                await _alert(context, tx, gateway, shown)
            return before
        asked = Asked(id=secrets.token_hex(16), gateway=gateway, fingerprint=shown)
        await tx.execute(
            "enrolment.add",
            enrolment=asked.id,
            gateway=gateway,
            token_hash=hashed,
            request=csr,
            seal_key=key.to_text(),
            fingerprint=shown,
            asked_time=now,
        )
        after = {"enrolment": asked.id, "fingerprint": shown, "seal_key": key.to_text()}
        why = "it came with a token"
        who = f"gateway {gateway}"
        await tell(context, tx, who, "ask for enrolment", gateway, why=why, after=after)
    return asked


async def _same(tx: Transaction, hashed: bytes, shown: str) -> Asked | None:
    """Return what was asked before by the same gateway with the same token."""
    row = await tx.fetch_one("enrolment.of_token", token_hash=hashed)
    if row is None or row["fingerprint"] != shown:
        return None
    return Asked(id=row["enrolment"], gateway=row["gateway"], fingerprint=shown)


async def _alert(context: Context, tx: Transaction, gateway: str, shown: str) -> None:
    """Tell that somebody else came with a token that has served."""
    _log.error("a token for an enrolment was used twice", gateway=gateway, fingerprint=shown)
    after = {"fingerprint": shown}
    why = "the token has served"
    await tell(context, tx, "unknown", "use a token twice", gateway, why=why, after=after)


async def _waiting(tx: Transaction, by: Actor | None, enrolment: str) -> Row:
    row = await tx.fetch_one("enrolment.one", enrolment=enrolment)
    if row is None:
        raise NotFoundError(f"no gateway asked as {enrolment[:40]!r}")
    if row["state"] != State.WAITING:
        raise ConflictError(f"it is {row['state']} by {row['decided_by']} already")
    if by is not None and by.name == row["made_by"]:
        raise ConflictError(
            "it takes another person than the one who invited the gateway",
            hint="let another person compare the fingerprint and admit it",
        )
    return row


async def _decide(
    tx: Transaction, row: Row, state: State, *, by: Actor, now: Nanoseconds, serial: str | None
) -> None:
    await tx.execute(
        "enrolment.decide",
        enrolment=row["enrolment"],
        state=state.value,
        decided_by=by.name,
        decided_time=now,
        serial=serial,
    )


def _bytes(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError("that is not base64") from None
    if len(found) > REQUEST_BYTES_MAX:
        raise InvalidError(f"it is over {REQUEST_BYTES_MAX} bytes")
    return found


def _read(path: Path | None) -> str:
    if path is None:
        raise SettingsError(
            "broker.ca_file is not set: a gateway could not know the broker",
            hint="name the authority of the broker's certificate",
        )
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
