"""Whom this verifier believes: keys that the auditor got from the site's QA, never with a dossier.

aggregator = ["ED25519:3b6a..."]                     # seal keys of the aggregator
log = "lotproof.example/plant-1+1b8f4c2a+AR..."      # verifier key of its log
witnesses = []                                       # verifier keys of the log's witnesses
witnesses_required = 0                               # so many of them must have cosigned

[gateways]                                           # optional: seal keys of known gateways
gw-07 = ["ED25519:9f2c..."]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.wire.checkpoint import NoteKey
from protocols.wire.errors import WireError
from protocols.wire.header import GatewayId, check_gateway_id
from protocols.wire.seal import PublicKey
from verifier.errors import PolicyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The keys that are believed."""

    aggregator: tuple[PublicKey, ...]
    log: NoteKey
    witnesses: tuple[NoteKey, ...] = ()
    witnesses_required: int = 0
    gateways: Mapping[GatewayId, tuple[PublicKey, ...]]


def read_policy(data: bytes) -> Policy:
    """Return the policy that a TOML file states; PolicyError names what cannot be used."""
    try:
        fields = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"the policy is not TOML: {error}", hint=_HINT) from None
    if unknown := sorted(fields.keys() - _FIELDS):
        raise PolicyError(f"the policy has an unknown field {unknown[0]!r}", hint=_HINT)
    if not isinstance(log := fields.get("log"), str):
        raise PolicyError("the policy names no log", hint=_HINT)
    gateways = fields.get("gateways", {})
    if not isinstance(gateways, dict):
        raise PolicyError("gateways is not a table of gateway ids", hint=_HINT)
    try:
        policy = Policy(
            aggregator=tuple(map(PublicKey.from_text, _texts(fields, "aggregator"))),
            log=NoteKey.from_text(log),
            witnesses=tuple(map(NoteKey.from_text, _texts(fields, "witnesses"))),
            witnesses_required=fields.get("witnesses_required", 0),
            gateways={
                check_gateway_id(name): tuple(map(PublicKey.from_text, _texts(gateways, name)))
                for name in gateways
            },
        )
    except WireError as error:
        raise PolicyError(f"the policy cannot be used: {error}", hint=error.hint or _HINT) from None
    if not policy.aggregator:
        raise PolicyError("the policy names no key of the aggregator", hint=_HINT)
    required = policy.witnesses_required
    if type(required) is not int or not 0 <= required <= len(policy.witnesses):
        raise PolicyError("witnesses_required is no number of the witnesses named", hint=_HINT)
    return policy


_FIELDS: Final = frozenset({"aggregator", "log", "witnesses", "witnesses_required", "gateways"})
_HINT: Final = "see docs/howto/verify-a-dossier.md, and get the keys from the site's QA"


def _texts(fields: Mapping[str, object], name: str) -> list[str]:
    value = fields.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise PolicyError(f"{name} is not a list of texts", hint=_HINT)
    return value
