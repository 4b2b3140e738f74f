"""Which notification messages of a subscription have come (OPC 10000-4 section 5.14.1).

A server numbers its notification messages from 1 to 2**32 - 1 and on from 1 again; a keep-alive
carries the number that the next one will have.
"""

from __future__ import annotations

from typing import Final

NUMBERS: Final = 2**32 - 1
"""How many sequence numbers there are; 0 is none of them."""


class Sequence:
    """The number that must come next, moved on by what comes."""

    def __init__(self) -> None:
        self.expected = 1

    def ahead(self, number: int) -> int:
        """Return how many messages lie between the last one and ``number``; negative: it came."""
        distance = (number - self.expected) % NUMBERS
        return distance if distance < NUMBERS // 2 else distance - NUMBERS

    def take(self, number: int) -> None:
        """Go on after ``number``, whatever lies between."""
        self.expected = number % NUMBERS + 1
