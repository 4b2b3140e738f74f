"""A recorded file as equipment: its rows come as readings, at their own pace or faster.

Two forms of CSV and JSON lines (one object a line), each also compressed as ``.gz``:

- long: columns ``time``, ``signal``, ``value``, and perhaps ``status`` (GOOD, UNCERTAIN, BAD) and
  ``code``;
- wide: a column for each signal beside the time, or no time and a period for each row.

An empty cell is a BAD reading, not nothing; a line that cannot be read is a declared gap. At the
end the driver waits for ever or begins again. Closing and opening go on where it stopped; a new
start of the agent begins at the first row.
"""

from protocols.field.driver import Spec, connector
from protocols.field.replay.driver import ReplayDriver
from protocols.field.replay.settings import ReplaySettings

__all__ = ["SPEC"]

SPEC = Spec(
    name="replay",
    summary="A recorded CSV or JSON-lines file, played as if it were equipment",
    settings=ReplaySettings,
    connect=connector(ReplayDriver, ReplaySettings),
)
