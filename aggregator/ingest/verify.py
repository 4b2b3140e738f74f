"""The numbered checks that a message passes before it is evidence (docs/specs/intake.md).

Here stand the checks that need nothing but the message and the keys; the last two, which need what
is stored, stand in ``place``. A verdict is a value: what fails is kept, with its check and reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import structlog

from aggregator.ingest.trust import Trust
from protocols.wire.bundle import (
    PURPOSE,
    check_body_hash,
    inflate_body,
    read_body,
    split_bundle,
)
from protocols.wire.errors import IdentityError, LimitError, WireError
from protocols.wire.header import Header, decode_header
from protocols.wire.life import Life, open_life
from protocols.wire.limits import MESSAGE_BYTES_MAX
from protocols.wire.seal import open_sealed, peek
from protocols.wire.tlog import leaf_hash
from protocols.wire.topics import Channel, parse_topic


class Check(IntEnum):
    """The checks in their order; the numbers are those of docs/specs/intake.md."""

    SIZE = 1  # not more bytes than a message may have
    OUTER_FORM = 2  # [sealed header, body], in the one form that CBOR has for it
    TOPIC = 3  # a topic on which gateways speak to the aggregator
    SEAL_FORM = 4  # the sealed header is a COSE_Sign1 of our form
    HEADER_FORM = 5  # its payload is a header that does not contradict itself
    IDENTITY = 6  # topic, header and key name one gateway, and the key is valid for this bundle
    SEAL = 7  # the key sealed this header as a bundle's
    BODY_HASH = 8  # the body is the one that the header vouches for
    BODY_SIZE = 9  # it is one zlib stream that inflates within its bound
    BODY_FORM = 10  # it is [seed, columns], with columns just where readings are counted
    EPOCH = 11  # the epoch goes on, and opens as an epoch may
    CHAIN = 12  # the bundle follows from what is stored
    COLUMNS = 13  # behind the intake: the columns have the root, count and times of the header
    STORE = 14  # the store takes the bundle


class Message(NamedTuple):
    """What came: nothing in it is proved."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A bundle that passed all that can be checked without the store."""

    message: Message
    header: Header
    leaf: bytes  # leaf hash of the sealed header
    kid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLife:
    """A gateway's word about itself."""

    message: Message
    life: Life


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that fails a check."""

    message: Message
    check: Check
    reason: str  # stable word, for counters
    text: str  # for a person


Verdict = Verified | VerifiedLife | Refused


def verify_all(messages: Sequence[Message], trust: Trust) -> list[Verdict]:
    """Return the verdict on each message, in order."""
    return [verify(message, trust) for message in messages]


def verify(message: Message, trust: Trust) -> Verdict:
    """Return the verdict on a message; no message raises."""
    checked = _Checked()
    try:
        return _verify(message, trust, checked)
    except WireError as error:
        return Refused(message=message, check=checked.at, reason=error.reason, text=str(error))
    # No message may stop the others, whatever flaw of ours it finds.
    except Exception as error:  # noqa: BLE001 # reported with its traceback, and quarantined
        _log.exception("a message broke the intake's code", check=checked.at, topic=message.topic)
        return Refused(
            message=message, check=checked.at, reason="internal", text=type(error).__name__
        )


class _Checked:
    """Which check is under way."""

    at = Check.SIZE


_log: Final = structlog.get_logger(__name__)
_BUNDLES: Final = (Channel.BUNDLE, Channel.BACKLOG)


def _verify(message: Message, trust: Trust, checked: _Checked) -> Verdict:
    if len(message.payload) > MESSAGE_BYTES_MAX:
        raise LimitError(f"a message of {len(message.payload)} bytes is over {MESSAGE_BYTES_MAX}")
    if message.topic.endswith(_LIFE):
        return _verify_life(message, trust, checked)
    checked.at = Check.OUTER_FORM
    bundle = split_bundle(message.payload)
    checked.at = Check.TOPIC
    gateway, channel = parse_topic(message.topic)
    if channel not in _BUNDLES:
        raise IdentityError(f"nothing is taken from {message.topic[:80]!r}")
    checked.at = Check.SEAL_FORM
    sealed = peek(bundle.sealed_header)
    checked.at = Check.HEADER_FORM
    header = decode_header(sealed.payload)
    checked.at = Check.IDENTITY
    if header.gateway != gateway:
        raise IdentityError(f"a bundle of {header.gateway} came on a topic of {gateway}")
    key = trust.key(header.gateway, sealed.kid, header.epoch, header.number)
    checked.at = Check.SEAL
    open_sealed(sealed, key, PURPOSE)
    checked.at = Check.BODY_HASH
    check_body_hash(header, bundle.body)
    checked.at = Check.BODY_SIZE
    inflated = inflate_body(bundle.body)
    checked.at = Check.BODY_FORM
    read_body(header, inflated)
    return Verified(
        message=message, header=header, leaf=leaf_hash(bundle.sealed_header), kid=sealed.kid
    )


_LIFE: Final = f"/{Channel.LIFE.value}"


def _verify_life(message: Message, trust: Trust, checked: _Checked) -> VerifiedLife:
    checked.at = Check.TOPIC
    gateway, _ = parse_topic(message.topic)
    checked.at = Check.SEAL_FORM
    sealed = peek(message.payload)
    checked.at = Check.IDENTITY
    key = trust.living_key(gateway, sealed.kid)
    checked.at = Check.SEAL
    life = open_life(message.payload, key)
    checked.at = Check.IDENTITY
    if life.gateway != gateway:
        raise IdentityError(f"the life of {life.gateway} came on a topic of {gateway}")
    return VerifiedLife(message=message, life=life)
