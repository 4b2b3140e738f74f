"""An event loop whose clock is simulated: a week passes in as long as its work takes.

Time stands still while there is work and leaps to the next timer when there is none. What would
run in a thread runs at once, so that nothing happens behind the clock's back.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from edge_agent.clock import Wall
from protocols.wire.reading import SECOND, Nanoseconds

T = TypeVar("T")


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop that begins at zero seconds."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_LeapingSelector(self._leap))

    def time(self) -> float:
        """Return simulated seconds."""
        return self._seconds

    def run_in_executor(  # type: ignore[override] # a future that is done already is one
        self, _executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Do the work now."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 -- it belongs to whoever awaits it
            done.set_exception(error)
        return done

    def _leap(self, seconds: float) -> None:
        self._seconds += seconds


class SimulatedClock:
    """A gateway's clock (``edge_agent.clock.ClockSource``) that shows the loop's time."""

    def __init__(self, loop: SimulatedLoop, *, start: Nanoseconds, boot: bytes) -> None:
        self._loop = loop
        self._start = start
        self._boot = boot

    def boot_id(self) -> bytes:
        return self._boot

    def monotonic(self) -> Nanoseconds:
        return int(self._loop.time() * SECOND)

    def wall(self) -> Wall:
        return Wall(self._start + self.monotonic(), synchronised=True, uncertainty=1_000_000)


def run(main: Callable[[SimulatedLoop], Coroutine[Any, Any, T]]) -> T:
    """Run ``main`` to its end in simulated time."""
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _LeapingSelector(selectors.DefaultSelector):
    """Waits for nothing: instead the clock leaps."""

    def __init__(self, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; where nothing is, let the time pass for which one would wait."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen any more")
            self._leap(max(0.0, timeout))
        return ready
