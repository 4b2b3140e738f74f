"""The rule that lots are bound by: its version and every figure that it works with."""

from __future__ import annotations

from dataclasses import dataclass, field

from aggregator.model.binding.bind import RULE
from aggregator.model.master.read_point import PresenceRule
from protocols.wire.reading import SECOND, Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Stands in the record, so that a replay works with the same figures."""

    version: str = RULE
    edge_tolerance: Nanoseconds = 30 * SECOND  # sources that differ less about an edge agree
    presence: PresenceRule = field(default_factory=PresenceRule)
    reuse_after: Nanoseconds = 90 * 86_400 * SECOND  # windows of one lot further apart are raised
