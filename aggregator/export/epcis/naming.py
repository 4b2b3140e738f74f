"""How things of the plant are named in EPCIS: by their GS1 keys, else below the site's address."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from protocols.identifiers import gs1
from protocols.identifiers.epc import decode
from protocols.identifiers.errors import EpcError, IdentifierError
from protocols.identifiers.gs1.digital_link import to_digital_link
from protocols.identifiers.gs1.elements import element_string
from protocols.wire.dossier.instant import format_time, parse_time
from protocols.wire.reading import Nanoseconds

Json = dict[str, Any]
EXTENSION_MAX: Final = 20
"""Characters of AI (254), GLN extension component (GS1 General Specifications section 3.5.10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How what has no GS1 key is named: as addresses below the site's own."""

    site: str  # "lotproof.local/plant", as the transparency log is named
    glns: Mapping[str, str] = field(default_factory=dict)  # equipment path -> GLN

    def address(self, kind: str, name: str) -> str:
        """Return the URI of something of the plant."""
        return f"https://{self.site}/{kind}/{quote(name, safe='/')}"

    def place(self, path: str) -> str:
        """Return the URI of equipment: by its GLN, or as an extension of the one that it is below.

        Below a GLN the rest of the path is the extension of an SGLN (CBV 2.0 section 8.3), where it
        is no longer than one can be.
        """
        above = path
        while above not in self.glns:
            above, _, name = above.rpartition("/")
            if not above or not name:
                return self.address("equipment", path)
        extension = path[len(above) + 1 :]
        keys = [("414", self.glns[above]), *([("254", extension)] if extension else [])]
        if len(extension) > EXTENSION_MAX:
            return self.address("equipment", path)
        try:
            return to_digital_link(element_string(keys))
        except IdentifierError:  # the path has characters that AI (254) has not
            return self.address("equipment", path)

    def carrier(self, name: str) -> str:
        """Return the URI of an EPC or a label; an EPC of no scheme is named by its bits."""
        if name.startswith("("):
            return to_digital_link(gs1.parse(name))
        data = bytes.fromhex(name)
        try:
            return decode(data, len(data) * 8).uri or self.address("carrier", name)
        except EpcError:
            return self.address("carrier", name)


def lot_class(gtin: str, lot: str) -> str:
    """Return a lot's GS1 Digital Link."""
    return to_digital_link(element_string([("01", gtin), ("10", lot)]))


def ni(digest: str) -> str:
    """Return a SHA-256 as a URI (RFC 6920 section 3)."""
    text = base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()
    return f"ni:///sha-256;{text}"


def above(path: str) -> str:
    """Return the place that a place is in; the site's own is in itself."""
    return path.rpartition("/")[0] or path


def times(text: str) -> Json:
    """Return when something happened, in UTC."""
    return {"eventTime": moment(parse_time(text)), "eventTimeZoneOffset": "+00:00"}


def moment(time: Nanoseconds) -> str:
    """Return a time to the millisecond, as EPCIS keeps it; half of one rounds up."""
    return format_time((time + 500_000) // 1_000_000 * 1_000_000)[:23] + "Z"
