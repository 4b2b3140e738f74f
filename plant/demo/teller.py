"""What the demo tells on the screen: a tick and a time a step."""

from __future__ import annotations

import os
import sys
from typing import Final

from plant.clock import monotonic

_GREEN: Final = "32"
_RED: Final = "31"
_DIM: Final = "2"


class Teller:
    """Tells steps with the seconds since ``begin``; without colour where none is wanted."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def begin(self) -> None:
        """Count seconds from here."""
        self._began = monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since ``begin``."""
        return monotonic() - self._began

    def tick(self, text: str) -> None:
        """Tell a step that held."""
        self._tell("✓", _GREEN, text)

    def cross(self, text: str) -> None:
        """Tell a step that did not."""
        self._tell("✗", _RED, text)

    def say(self, text: str = "") -> None:
        """Tell something beside the steps."""
        print(text, flush=True)

    def _tell(self, sign: str, colour: str, text: str) -> None:
        time = f"{self.seconds:6.1f} s"
        if self._colour:
            sign, time = f"\x1b[{colour}m{sign}\x1b[0m", f"\x1b[{_DIM}m{time}\x1b[0m"
        print(f" {sign} {time}  {text}", flush=True)
