"""A bound on everything that comes from outside, named with its unit.

The figures are part of the wire: a bundle over one of them is refused by every party alike
(docs/specs/bundle.md, section "Limits").
"""

from __future__ import annotations

from typing import Final

MESSAGE_BYTES_MAX: Final = 1_048_576
"""Bytes of one MQTT payload, whatever it claims to be."""

HEADER_BYTES_MAX: Final = 65_536
"""Bytes of a sealed header, gap declarations included."""

BODY_INFLATED_BYTES_MAX: Final = 16_777_216
"""Bytes of a body after inflating; checked while inflating."""

READINGS_PER_BUNDLE_MAX: Final = 100_000
"""Readings in one bundle."""

COLUMNS_PER_BUNDLE_MAX: Final = 10_000
"""Columns (signals) in one bundle."""

GAPS_PER_BUNDLE_MAX: Final = 512
"""Gap declarations in one sealed header."""

SIGNAL_NAME_BYTES_MAX: Final = 256
"""UTF-8 bytes of a signal's name."""

VALUE_BYTES_MAX: Final = 65_535
"""Bytes of one text or byte-string value, and of the raw form that a BAD reading keeps."""

TEXT_BYTES_MAX: Final = 4_096
"""UTF-8 bytes of any other text: a gap's subject, a reason, an identifier."""

CBOR_DEPTH_MAX: Final = 8
"""Nesting of arrays, maps and tags in any item."""

CBOR_ITEMS_MAX: Final = 1_000_000
"""Data items in one decoded message; typed arrays count as one."""

DOCUMENT_BYTES_MAX: Final = 524_288
"""UTF-8 bytes of a document of settings in a command."""

GATEWAY_ID_BYTES_MAX: Final = 64
"""Bytes of a gateway's id: lower-case letters, digits and hyphens."""
