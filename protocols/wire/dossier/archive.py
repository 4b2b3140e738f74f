"""A ZIP file in one form only: members stored, sorted, dated 1980-01-01, nothing else.

Every unzip program opens it (APPNOTE 6.3.10), yet the same members are always the same bytes, so
nothing can hide between them: whoever reads an archive may write its members again and compare.
Nothing is compressed, so nothing can inflate. Names are short lower-case paths that cannot leave
the folder they are unpacked in.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from typing import Final

from protocols.wire.errors import LimitError, MalformedError

ARCHIVE_BYTES_MAX: Final = 2**31
"""Bytes of one archive."""

MEMBERS_MAX: Final = 10_000
"""Members of one archive."""


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """Return the archive of ``members``; LimitError past the bounds, MalformedError for a name."""
    if len(members) > MEMBERS_MAX or sum(map(len, members.values())) > ARCHIVE_BYTES_MAX:
        raise LimitError("the archive is too large", hint="cut the lot's window")
    out, directory = bytearray(), bytearray()
    for name in sorted(members):
        data, path = members[name], _check_name(name).encode()
        fields = (0, 0, 0, _DATE, zlib.crc32(data), len(data), len(data), len(path), 0)
        directory += _CENTRAL.pack(b"PK\1\2", _UNIX, _VERSION, *fields, 0, 0, 0, _MODE, len(out))
        directory += path
        out += _LOCAL.pack(b"PK\3\4", _VERSION, *fields) + path + data
    end = _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(out), 0)
    return bytes(out + directory + end)


def read_archive(data: bytes) -> dict[str, bytes]:
    """Return the members of an archive by walking them from the start.

    The caller decides what differing check sums and directories mean, by comparing ``data`` with
    ``write_archive`` of what is returned. Raises MalformedError or LimitError where there is
    nothing to walk.
    """
    if len(data) > ARCHIVE_BYTES_MAX:
        raise LimitError(f"the archive is over {ARCHIVE_BYTES_MAX} bytes")
    members: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\3\4":
        if len(members) == MEMBERS_MAX:
            raise LimitError(f"the archive has over {MEMBERS_MAX} members")
        start = at + _LOCAL.size
        if start > len(data):
            raise MalformedError("the archive ends early")
        _, _, flags, method, _, _, _, stored, size, name_length, extra = _LOCAL.unpack(
            data[at:start]
        )
        if flags or method or extra or stored != size:
            raise MalformedError("a member is compressed, encrypted or otherwise not of this form")
        body = start + name_length
        at = body + size
        if at > len(data):
            raise MalformedError("the archive ends early")
        name = _check_name(data[start:body].decode("latin-1"))
        if name in members:
            raise MalformedError(f"the archive has two members {name}")
        members[name] = data[body:at]
    if not members or data[at : at + 4] != b"PK\1\2":
        raise MalformedError("this is not an archive of this form")
    return members


_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")  # local file header, APPNOTE section 4.3.7
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")  # directory header, section 4.3.12
_END: Final = struct.Struct("<4sHHHHIIH")  # end of central directory, section 4.3.16
_VERSION: Final = 20
_UNIX: Final = 3 << 8 | _VERSION
_DATE: Final = 0x21  # 1980-01-01, the first that the format knows
_MODE: Final = 0o100644 << 16  # an ordinary file that its owner may write
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}(/[a-z0-9][a-z0-9._-]{0,99}){0,3}")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise MalformedError(f"{name[:100]!r} is not a name that an archive may hold")
    return name
