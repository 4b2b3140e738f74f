"""Key strokes of a scanner that calls itself a keyboard, as the octets it was set to type.

Events are those of the kernel's evdev (``linux/input.h``, 64 bits), keys those of a keyboard with
US layout, which scanners are delivered with. Control characters come as Ctrl with a key (GS is
Ctrl+]) or as Alt with a number on the keypad.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["EVENT_BYTES", "Keyboard"]

_EVENT: Final = struct.Struct("@llHHi")  # seconds, microseconds, type, code, value
EVENT_BYTES: Final = _EVENT.size

_SYN, _KEY = 0, 1
_DROPPED: Final = 3
_SHIFTS: Final = frozenset((42, 54))
_CONTROLS: Final = frozenset((29, 97))
_ALTS: Final = frozenset((56, 100))
_ROWS: Final = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (15, "\t", "\t"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (28, "\r", "\r"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (55, "*", "*"),
    (57, " ", " "),
    (71, "789-456+1230.", "789-456+1230."),
    (96, "\r", "\r"),
    (98, "/", "/"),
)
_PLAIN: Final = {first + at: key for first, keys, _ in _ROWS for at, key in enumerate(keys)}
_SHIFTED: Final = {first + at: key for first, _, keys in _ROWS for at, key in enumerate(keys)}


class Keyboard:
    """Turns events into octets; remembers which modifiers are held."""

    def __init__(self) -> None:
        self.lost = False  # the kernel dropped events; whoever reads this resets it
        self._held: set[int] = set()
        self._typed_with_alt = ""

    def type(self, events: bytes) -> bytes:
        """Return what whole events type; octets after the last whole one are not looked at."""
        typed = bytearray()
        whole = len(events) // EVENT_BYTES * EVENT_BYTES
        for _, _, kind, code, value in _EVENT.iter_unpack(events[:whole]):
            if kind == _SYN and code == _DROPPED:
                self.lost = True
                self._held.clear()
                self._typed_with_alt = ""
            elif kind == _KEY and value == 1:
                typed += self._pressed(code)
            elif kind == _KEY and value == 0:
                typed += self._released(code)
        return bytes(typed)

    def _pressed(self, code: int) -> bytes:
        if code in _SHIFTS | _CONTROLS | _ALTS:
            self._held.add(code)
            return b""
        key = (_SHIFTED if self._held & _SHIFTS else _PLAIN).get(code, "")
        if self._held & _ALTS and key.isdigit():
            self._typed_with_alt += key
            return b""
        if self._held & _CONTROLS and key:
            return bytes((ord(key) & 0x1F,))
        return key.encode()

    def _released(self, code: int) -> bytes:
        self._held.discard(code)
        number, self._typed_with_alt = (
            self._typed_with_alt,
            (self._typed_with_alt if self._held & _ALTS else ""),
        )
        if code in _ALTS and number and int(number[:9]) < 256:
            return chr(int(number)).encode()
        return b""
