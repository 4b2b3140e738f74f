"""What the gateway remembers of the aggregator's settings, so that a version never goes back.

    data_dir/settings.json   newest version ever tried, the command in force, the one on trial

Commands are kept as they were sealed and opened anew at each start: nothing in the file is taken
at its word but the numbers; whoever may write there has the rest of the gateway, too.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from edge_agent.errors import SettingsFileError, StorageFailedError

FILE: Final = "settings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that is remembered."""

    newest: int = 0  # version that was tried last, whatever became of it
    in_force: str = ""  # sealed command in base64; empty: the gateway's own file alone
    trial: str = ""  # the command that is being tried
    rolled_back: int = 0  # the version that was taken back last; 0 where none was since
    why: str = ""


class SettingsBook:
    """The file, read once and written durably."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; SettingsFileError where it is not what we wrote."""
        self._path = folder / FILE
        try:
            self.page = Page(**json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            self.page = Page()
        except (OSError, ValueError, TypeError) as error:
            raise SettingsFileError(
                (f"{self._path}: cannot be read: {error}",),
                hint="move it away to start from the gateway's own file; the aggregator must then "
                "send a newer version",
            ) from error

    @property
    def in_force(self) -> bytes | None:
        """The sealed command in force."""
        return base64.b64decode(self.page.in_force) if self.page.in_force else None

    def begin(self, version: int, command: bytes) -> None:
        """Remember that a command is tried; its version is spent from here on."""
        sealed = base64.b64encode(command).decode()
        self._write(replace(self.page, newest=version, trial=sealed))

    def spend(self, version: int) -> None:
        """Remember that a version was refused: it is not tried again."""
        self._write(replace(self.page, newest=version))

    def keep(self) -> None:
        """Remember that what was tried is in force."""
        page = self.page
        self._write(replace(page, in_force=page.trial, trial="", rolled_back=0, why=""))

    def take_back(self, why: str) -> None:
        """Remember that what was tried is not in force, and why."""
        page = self.page
        self._write(replace(page, trial="", rolled_back=page.newest, why=why))

    def _write(self, page: Page) -> None:
        draft = self._path.with_suffix(".new")
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump(asdict(page), file)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StorageFailedError(
                f"{self._path} cannot be written: {error.strerror}", hint="look at the disk"
            ) from error
        self.page = page
