"""RFID readers over LLRP 1.0.1 and 1.1 (EPCglobal Low Level Reader Protocol)."""

from __future__ import annotations

from typing import Final

from protocols.field.driver import Spec, connector
from protocols.field.llrp.driver import LlrpDriver
from protocols.field.llrp.settings import LlrpSettings

SPEC: Final = Spec(
    name="llrp",
    summary="Tag reads and reader events of one RFID reader over LLRP.",
    settings=LlrpSettings,
    connect=connector(LlrpDriver, LlrpSettings),
    quiet=True,
    exemptions={
        "absent": "a reader has no list of read points to ask for; an antenna that is not there"
        " is refused with the ROSpec, before any reading",
    },
)
