"""Texts as the page can show them."""

from __future__ import annotations


def displayable(text: str) -> str:
    """Return ``text`` with each character that the fonts lack written as ``⟨0F00⟩``.

    The page never shows a blank where the plant gave a name; the attached record has it as it is.
    """
    return "".join(each if _is_shown(each) else f"⟨{ord(each):04X}⟩" for each in text)


def percent(part: int, whole: int) -> str:
    """Return a share that never rounds up to all."""
    return "–" if not whole else f"{int(part * 10_000 // whole) / 100:.2f} %"


def unit_shown(unit: str) -> str:
    """Return a unit of UCUM as people write it."""
    return {"Cel": "°C", "1": "", "{#}/m3": "1/m³"}.get(unit, unit)


def _is_shown(character: str) -> bool:
    code = ord(character)
    return (
        0x20 <= code <= 0x7E
        or 0xA0 <= code <= 0x17F
        or 0x391 <= code <= 0x3C9
        or 0x410 <= code <= 0x44F
        or 0x3000 <= code <= 0x303F
        or 0x3400 <= code <= 0x4DB5
        or 0x4E00 <= code <= 0x9FD0
        or 0xFF01 <= code <= 0xFF5E
        or character in "–—‘’“”…€−≤≥→⟨⟩"
    ) and code not in (0xAD, 0x3A2)
