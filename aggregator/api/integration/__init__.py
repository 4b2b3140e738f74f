"""The interface for other systems: events, receivers, imports and what did not fit."""
