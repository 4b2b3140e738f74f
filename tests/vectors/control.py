"""The vectors of control: commands, enrolment, certificates, keys; taken and refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from protocols.wire import cbor
from protocols.wire.control import command, handover, renewal
from protocols.wire.control.command import CommandKind, SettingsCommand, seal_command
from protocols.wire.control.enrolment import open_request, seal_request
from protocols.wire.control.renewal import Renewal, Renewed, seal_renewal, seal_renewed
from protocols.wire.errors import WireError
from protocols.wire.header import GatewayId
from protocols.wire.life import PURPOSE as LIFE
from protocols.wire.life import open_life
from protocols.wire.seal import PublicKey, Purpose, SealKey, peek, seal
from tests.sealed import START, key_named

Vector = dict[str, Any]
OPEN: Final[dict[str, Callable[[bytes, PublicKey], object]]] = {
    "command": command.open_command,
    "renewal": renewal.open_renewal,
    "certificate": renewal.open_renewed,
    "handover": handover.open_handover,
    "life": open_life,
}
"""How a message is opened under a key; an enrolment names its key itself."""

_GATEWAY: Final = GatewayId("gw-07")
_TOKEN: Final = "7F3K-9QRD-0H5T-V2WX-YZ01-23AB-CD"
_REQUEST: Final = b"a certificate request in DER, of which the bytes alone count here"
_OURS, _NEXT, _THEIRS = key_named("vector"), key_named("next"), key_named("aggregator")


def opened(vector: Vector) -> object:
    """Return what a vector's message says; WireError where it is to be refused."""
    sealed = bytes.fromhex(vector["sealed"])
    if vector["message"] == "enrolment":
        return open_request(sealed, vector["token"], bytes.fromhex(vector["request"]))
    return OPEN[vector["message"]](sealed, PublicKey.from_text(vector["public_key"]))


def taken() -> Iterator[Vector]:
    """Yield messages that are taken."""
    apply = seal_command(_COMMAND, _THEIRS)
    check = replace(_COMMAND, kind=CommandKind.CHECK, persons=("li.wei",))
    yield _vector("command", "settings to be applied", apply, _THEIRS)
    yield _vector("command", "settings to be checked", seal_command(check, _THEIRS), _THEIRS)
    yield _enrolment("both keys of a gateway", _TOKEN)
    yield _vector("renewal", "a certificate is asked for", _RENEWAL, _OURS)
    given = seal_renewed(Renewed(_GATEWAY, "-----BEGIN CERTIFICATE-----\n"), _THEIRS)
    yield _vector("certificate", "a certificate is given", given, _THEIRS)
    yield _vector("handover", "a key gives its place to the next", _HANDOVER, _OURS)


def refused(life: bytes) -> Iterator[Vector]:
    """Yield messages that are refused, each with why; ``life`` is a statement with all its keys."""
    apply = seal_command(_COMMAND, _THEIRS)
    commands: dict[str, dict[int, Any]] = {
        "applied for one person alone": {7: ["li.wei"]},
        "applied for the same person twice": {7: ["li.wei", "li.wei"]},
        "version 0": {2: 0},
        "a trial of more than an hour": {6: 3601},
        "an unknown kind": {3: 2},
        "a key that is not of the format": {8: ""},
    }
    for name, changes in commands.items():
        yield _refusal("command", name, _changed(apply, _THEIRS, command.PURPOSE, changes), _THEIRS)
    other = _changed(apply, _THEIRS, renewal.ANSWER, {})
    yield _refusal("command", "sealed for another purpose", other, _THEIRS)
    yield _refusal("command", "sealed by another key", seal_command(_COMMAND, _NEXT), _THEIRS)
    yield _enrolment("of another token", "X") | {"token": _TOKEN, "refused": "malformed"}
    early = _changed(_RENEWAL, _OURS, renewal.REQUEST, {3: -1})
    yield _refusal("renewal", "a time before 1970", early, _OURS)
    large = _changed(_RENEWAL, _OURS, renewal.REQUEST, {2: bytes(8193)})
    yield _refusal("renewal", "a request of 8,193 bytes", large, _OURS)
    lives: dict[str, dict[int, Any]] = {
        "settings in force without their hash": {13: [b"", 3, 0, 3, ""]},
        "settings in an unknown state": {13: [bytes(32), 3, 5, 3, ""]},
        "an upkeep of three": {14: [None, 1, None]},
        "a seal age below nothing": {14: [None, -1, None, None]},
        "a key that is not of the format": {15: 0},
    }
    for name, changes in lives.items():
        yield _refusal("life", name, _changed(life, _OURS, LIFE, changes), _OURS)
    yield from _refused_handovers()


def _refused_handovers() -> Iterator[Vector]:
    agreed = peek(_HANDOVER).payload
    cases: tuple[tuple[str, dict[int, Any], SealKey], ...] = (
        ("the next key has not agreed", {}, _OURS),
        ("a key to itself", {3: _OURS.public.to_text()}, _OURS),
        ("in the place of another key", {2: _THEIRS.public.to_text()}, _NEXT),
    )
    for name, changes, by in cases:
        inner = _changed(agreed, by, handover.AGREED, changes)
        yield _refusal("handover", name, seal(inner, _OURS, handover.PURPOSE), _OURS)
    yield _refusal("handover", "not sealed by the key in force", _HANDOVER, _NEXT)


def _changed(sealed: bytes, key: SealKey, purpose: Purpose, changes: dict[int, Any]) -> bytes:
    """Return a message with other fields, sealed as if they were right."""
    fields = cbor.decode(peek(sealed).payload)
    assert isinstance(fields, dict)
    return seal(cbor.encode({**fields, **changes}), key, purpose)


def _vector(message: str, name: str, sealed: bytes, key: SealKey) -> Vector:
    return {
        "message": message,
        "name": name,
        "public_key": key.public.to_text(),
        "sealed": sealed.hex(),
    }


def _refusal(message: str, name: str, sealed: bytes, key: SealKey) -> Vector:
    vector = _vector(message, name, sealed, key)
    try:
        opened(vector)
    except WireError as error:
        return vector | {"refused": error.reason}
    raise AssertionError(f"{message}, {name}: was taken")


def _enrolment(name: str, token: str) -> Vector:
    sealed = seal_request(token, _REQUEST, _OURS)
    return _vector("enrolment", name, sealed, _OURS) | {"token": token, "request": _REQUEST.hex()}


_COMMAND: Final = SettingsCommand(
    gateway=_GATEWAY,
    version=3,
    kind=CommandKind.APPLY,
    document='{"seal":{"age_max_s":2.0}}',
    record_time=START,
    trial_seconds=60,
    persons=("li.wei", "chen.jie"),
)
_RENEWAL: Final = seal_renewal(Renewal(_GATEWAY, _REQUEST, START), _OURS)
_HANDOVER: Final = handover.seal_handover(_GATEWAY, _OURS, _NEXT, START)
