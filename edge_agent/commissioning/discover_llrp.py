"""``lotproof-agent discover llrp``: where the reader is, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import ValidationError

from edge_agent.errors import SettingsFileError
from edge_agent.settings_file import problems
from protocols.field.llrp.discover import Reader
from protocols.field.llrp.settings import LlrpSettings

COLUMNS: Final = ("name", "reads", "antenna")
"""What is written of each signal."""


def line_settings(target: str, options: Mapping[str, object]) -> LlrpSettings:
    """Return settings for ``host`` or ``host:port``; SettingsFileError names what cannot work."""
    host, _, port = target.rpartition(":") if target.count(":") == 1 else (target, "", "")
    where = {"host": host} | ({"port": port} if port else {})
    try:
        return LlrpSettings.model_validate({**where, **options})
    except ValidationError as error:
        wrong = tuple(problems("discover llrp", error, LlrpSettings))
        raise SettingsFileError(wrong, hint="--help names the options") from error


def reader_lines(reader: Reader) -> Iterator[str]:
    """Yield a line a fact."""
    connected = "the reader does not say which have an antenna"
    if reader.connected is not None:
        connected = f"with an antenna: {', '.join(map(str, reader.connected)) or 'none'}"
    yield f"made by   {reader.made_by}, model {reader.model}, firmware {reader.firmware}"
    yield f"LLRP      {reader.llrp}"
    yield f"antennas  {reader.antennas} ports; {connected}"
    yield f"GPIO      {reader.inputs} inputs, {reader.outputs} outputs"
    yield f"clock     {'UTC' if reader.has_utc_clock else 'only the time since its start'}"
    kept = "kept for us" if reader.holds_reports else "lost, and declared as a gap"
    yield f"reports   while we are away: {kept}"
