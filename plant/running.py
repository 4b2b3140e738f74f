"""What runs for the length of an ``async with``, and is over at its end whatever happened in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Running(ABC):
    """A part of the plant as a context: begun where it is entered, ended where it is left."""

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    @abstractmethod
    async def _begin(self) -> None:
        """Bring it up; what it raises leaves nothing running."""

    @abstractmethod
    async def _end(self) -> None:
        """Bring it down; may be called where it is down already."""
