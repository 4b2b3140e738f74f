"""Barcode scanners: on a serial port, over TCP, or as a keyboard of the gateway.

A scan is one reading of text, sealed at once, for it cannot be had twice. Scans that must be GS1
element strings are read by the strict rules of ``protocols/identifiers`` before they count.
"""

from protocols.field.barcode.driver import BarcodeDriver
from protocols.field.barcode.framing import code_name
from protocols.field.barcode.settings import BarcodeSettings
from protocols.field.driver import Spec, connector

__all__ = ["SPEC"]

SPEC = Spec(
    name="barcode",
    summary="barcode scanners on a serial port, over TCP or as a keyboard",
    settings=BarcodeSettings,
    connect=connector(BarcodeDriver, BarcodeSettings),
    quiet=True,
    code_name=code_name,
)
