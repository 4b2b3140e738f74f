"""What a case needs of equipment: settings that reach it, and what it can be made to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from plant.running import Running
from protocols.field.driver import DriverSettings, Spec

__all__ = ["Act", "Equipment"]

Act = Callable[..., Awaitable[object]]
"""What a step does, with the rest of the step as its arguments."""


class Equipment(Running, ABC):
    """Equipment of one kind, real and on loopback, as a context."""

    spec: Spec
    polled: bool  # asked in turns, so that one value comes many times

    @abstractmethod
    def settings(self, given: Mapping[str, Any]) -> DriverSettings:
        """Return the case's settings, with where the equipment is and what is usual in tests."""

    @abstractmethod
    def acts(self) -> Mapping[str, Act]:
        """Return what it can do, by the word of a step."""

    async def as_new(self) -> bool:
        """Become as it was at its start, for another case; False where starting again is better."""
        return False

    def counters(self) -> Mapping[str, int]:
        """Return what the equipment itself counted."""
        return {}
