"""What every use case is given: the store, the indexes over it, the clock and the keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from aggregator.clock import Clock
from aggregator.settings import Settings
from aggregator.store.base import Store
from aggregator.store.genealogy import GenealogyIndex
from aggregator.store.keys import Keys
from aggregator.store.segments import ReadingIndex
from aggregator.store.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything outside that a use case may touch."""

    store: Store
    index: ReadingIndex
    clock: Clock
    settings: Settings
    keys: Keys
    genealogy: GenealogyIndex = field(default_factory=GenealogyIndex)
    workers: Workers = field(default_factory=Workers)
