"""Scans out of a stream of octets: where one ends, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from protocols.field.barcode.settings import Suffix
from protocols.wire.limits import VALUE_BYTES_MAX

__all__ = ["Framer", "Scan", "ScanCode", "code_name"]


class ScanCode(IntEnum):
    """Why a scan is doubted."""

    NO_SUFFIX = 1  # it stopped, and did not end
    TOO_LONG = 2  # the rest was not kept
    NOT_TEXT = 3  # no UTF-8
    NOT_GS1 = 4  # against the rules of the GS1 General Specifications
    KEYS_LOST = 5  # the kernel dropped key strokes within it


class Scan(NamedTuple):
    """What was scanned, without suffix."""

    data: bytes
    flaw: ScanCode | None = None


class Framer:
    """Cuts one stream; holds at most one scan of the longest value that the wire takes."""

    def __init__(self, suffix: Suffix) -> None:
        self._suffix = suffix
        self._end = _ENDS[suffix]
        self._rest = bytearray()
        self._flaw: ScanCode | None = None

    @property
    def pending(self) -> bool:
        """Whether a scan has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[Scan]:
        """Yield every scan that ends within ``data``."""
        *ended, rest = self._end.split(data) if self._end is not None else (data,)
        for part in ended:
            self._add(part)
            yield from self._scan()
        self._add(rest)

    def pause(self) -> Iterator[Scan]:
        """Yield what came before a silence: a scan where nothing else ends one, else a torn one."""
        if self._rest and self._suffix is not Suffix.NONE:
            self.spoil(ScanCode.NO_SUFFIX)
        yield from self._scan()

    def spoil(self, flaw: ScanCode) -> None:
        """Take note that something is wrong with the scan that has begun."""
        self._flaw = self._flaw or flaw

    def _add(self, part: bytes) -> None:
        room = VALUE_BYTES_MAX - len(self._rest)
        self._rest += part[:room]
        if len(part) > room:
            self.spoil(ScanCode.TOO_LONG)

    def _scan(self) -> Iterator[Scan]:
        """Yield what is held; between CR and LF there is nothing, and nothing is no scan."""
        data, flaw = bytes(self._rest), self._flaw
        self._rest.clear()
        self._flaw = None
        if self._suffix is Suffix.ETX:
            data = data.removeprefix(_STX)
        if data:
            yield Scan(data, flaw)


def code_name(code: int) -> str:
    """Return the name of a code as a person looks it up."""
    return {each.value: each.name for each in ScanCode}.get(code) or str(code)


_STX: Final = b"\x02"
_ENDS: Final = {
    Suffix.LINE: re.compile(rb"[\r\n]"),
    Suffix.TAB: re.compile(rb"\t"),
    Suffix.ETX: re.compile(rb"\x03[\r\n]*"),
    Suffix.NONE: None,
}
