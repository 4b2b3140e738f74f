"""Readings by signal: the index over the bundles, and what of them it does not cover yet."""

from __future__ import annotations

from typing import NamedTuple

from protocols.wire.header import GatewayId
from protocols.wire.reading import Kind, SignalName


class SignalRow(NamedTuple):
    """A signal that has been seen in a bundle."""

    gateway: GatewayId
    signal: SignalName
    kind: Kind


class ReadingIndex:
    """Reads series; what it returns is the same whether or not a segment was built."""
