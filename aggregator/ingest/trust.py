"""Which key was valid when: by epoch and bundle number, never by wall clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aggregator.store.base import Transaction
from aggregator.store.quick_key import QuickKey
from protocols.wire.errors import RevokedKeyError, UnknownKeyError
from protocols.wire.seal import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRule:
    """A key of a gateway, and the first bundle that it opens no more."""

    key: PublicKey
    revoked: tuple[int, int] | None = None  # (ordinal of the epoch, bundle number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """All that the intake trusts; ``version`` tells whether it is still what the store says."""

    version: int
    keys: Mapping[tuple[str, bytes], KeyRule]  # (gateway, kid)
    ordinals: Mapping[tuple[str, bytes], int]  # (gateway, epoch); an unknown epoch is a later one

    def key(self, gateway: str, kid: bytes, epoch: bytes, number: int) -> PublicKey:
        """Return the key that opens this bundle; UnknownKeyError or RevokedKeyError if none."""
        rule = self._rule(gateway, kid)
        if rule.revoked is not None:
            ordinal = self.ordinals.get((gateway, epoch))
            if ordinal is None or (ordinal, number) >= rule.revoked:
                raise RevokedKeyError(
                    f"the key {kid.hex()} of {gateway} was revoked before this bundle"
                )
        return rule.key

    def living_key(self, gateway: str, kid: bytes) -> PublicKey:
        """Return the key if it is in force now; UnknownKeyError or RevokedKeyError if not."""
        rule = self._rule(gateway, kid)
        if rule.revoked is not None:
            raise RevokedKeyError(f"the key {kid.hex()} of {gateway} was revoked")
        return rule.key

    def _rule(self, gateway: str, kid: bytes) -> KeyRule:
        rule = self.keys.get((gateway, kid))
        if rule is None:
            raise UnknownKeyError(
                f"{gateway} has no key {kid.hex()[:32]}",
                hint="register the gateway's seal key: lotproof-aggregator gateway add",
            )
        return rule


async def load_trust(tx: Transaction) -> Trust:
    """Return what the store says now."""
    state = await tx.fetch_one("log.state")
    rules = {}
    for row in await tx.fetch("gateways.keys"):
        revoked = None
        if row["revoked_time"] is not None:
            revoked = (row["revoked_ordinal"], row["revoked_number"])
        rules[row["gateway"], row["kid"]] = KeyRule(
            key=QuickKey.from_text(row["public_key"]), revoked=revoked
        )
    ordinals = {
        (row["gateway"], row["epoch"]): row["ordinal"] for row in await tx.fetch("epochs.all")
    }
    return Trust(
        version=-1 if state is None else state["trust_version"], keys=rules, ordinals=ordinals
    )
