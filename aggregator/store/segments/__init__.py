"""The index over the bundles: readings by signal, in segments of an hour or so."""

from aggregator.store.segments.index import ReadingIndex, SignalRow

__all__ = ["ReadingIndex", "SignalRow"]
