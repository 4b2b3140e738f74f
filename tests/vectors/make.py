"""Make the frozen vectors of the wire from fixed keys and seeds: ``python -m tests.vectors.make``.

The files are the specification's examples (docs/specs/bundle.md). They change only with the
format, which then gets a new version: ``tests/unit/test_wire_vectors.py`` refuses any difference.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from protocols.wire.bundle import open_body, peek_header, split_bundle
from protocols.wire.column import encode_column
from protocols.wire.header import FIRST_PREVIOUS, OpeningReason
from protocols.wire.life import (
    LifeKind,
    SettingsReport,
    SettingsState,
    UpkeepReport,
    open_life,
    seal_life,
)
from protocols.wire.reading import Gap, GapReason, Kind, Reading, SignalName, Status, TagRead
from protocols.wire.receipt import EpochState, Receipt, seal_receipt
from protocols.wire.seal import PublicKey, Purpose, SealKey, SoftwareSealKey, seal
from protocols.wire.tlog import leaf_hash
from tests.sealed import START, SealedGateway, key_named
from tests.vectors import control

FOLDER: Final = Path(__file__).parent / "wire"
Vector = dict[str, Any]


def vectors() -> dict[str, list[Vector]]:
    """Return the vectors by the name of their file."""
    return {
        "seal": list(_seals()),
        "column": [_column(name, readings) for name, readings in _columns().items()],
        "bundle": _bundles(),
        "receipt": _receipts(),
        "life": _lives(),
        "control": [
            *({**each, "says": plain(control.opened(each))} for each in control.taken()),
            *control.refused(_said_in_full()),
        ],
    }


class RepeatableKey:
    """An ESP256 key whose signatures are the same each time (RFC 6979), for vectors alone."""

    def __init__(self, secret: int) -> None:
        self._private = ec.derive_private_key(secret, ec.SECP256R1())
        self.public: PublicKey = SoftwareSealKey(self._private).public

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte COSE signature."""
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self._private.sign(message, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    for name, found in vectors().items():
        (FOLDER / f"{name}.json").write_text(text_of(found), encoding="utf-8")


def text_of(found: list[Vector]) -> str:
    """Return the text of a file of vectors."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _seals() -> list[Vector]:
    purpose = Purpose("application/lotproof-bundle+cbor", b"lotproof-bundle-v1")
    keys: dict[str, SealKey] = {
        "ed25519": key_named("vector"),
        "esp256": RepeatableKey(0x1234567890ABCDEF),
    }
    return [
        {
            "name": name,
            "public_key": key.public.to_text(),
            "kid": key.public.kid.hex(),
            "content_type": purpose.content_type,
            "external_aad": purpose.aad.decode(),
            "payload": b"lotproof".hex(),
            "sealed": seal(b"lotproof", key, purpose).hex(),
        }
        for name, key in keys.items()
    ]


def _reading(kind: Kind, value: Any, at: int = 0, **changes: Any) -> Reading:
    reading = Reading(
        signal=SignalName("press-1/plate-temperature"),
        kind=kind,
        value=value,
        gateway_time=START + at * 1_000_000_000 + 2_000_000,
        source_time=START + at * 1_000_000_000,
    )
    return reading._replace(**changes)


_MOST: Final = 9007199.254740991  # 2^53 - 1 over 10^9


def _several(kind: Kind, *values: Any) -> list[Reading]:
    return [_reading(kind, value, at) for at, value in enumerate(values)]


def _single(value: float) -> float:
    """Return the float of 32 bits that is nearest."""
    return array("f", [value])[0]


def _columns() -> dict[str, list[Reading]]:
    read = TagRead(
        epc=bytes.fromhex("30340789000c0e42dfdc1c35"),
        epc_bits=96,
        antenna=2,
        rssi=-5150,
        first_seen=START,
        last_seen=START + 250_000_000,
        count=7,
    )
    return {
        "bool": [_reading(Kind.BOOL, at % 2 == 0, at) for at in range(3)],
        "int": [_reading(Kind.INT, value, at) for at, value in enumerate((-1, 0, 2**40))],
        "uint": [_reading(Kind.UINT, value, at) for at, value in enumerate((0, 2**64 - 1))],
        "uint, a counter": _several(Kind.UINT, 2**40, 2**40 + 1, 2**40 + 1, 2**40 + 9),
        "int, from end to end": _several(Kind.INT, -(2**63), 2**63 - 1),
        "float32": _several(Kind.FLOAT32, 0.5, -0.0),
        "float32, decimals": _several(Kind.FLOAT32, *map(_single, (6.012, 5.998, 6.1, 0.0, -0.25))),
        "float64": _several(Kind.FLOAT64, 0.1 + 0.2, 5e-324, -1.7976931348623157e308),
        "float64, decimals": [_reading(Kind.FLOAT64, (1281 + at) / 10, at) for at in range(5)],
        "float64, the most digits": _several(Kind.FLOAT64, *(_MOST - at / 1e9 for at in range(4))),
        "text": [_reading(Kind.TEXT, value) for value in ("", "批号 L-1")],
        "bytes": [_reading(Kind.BYTES, b"\x00\xff")],
        "tag read": [_reading(Kind.TAG_READ, read), _reading(Kind.TAG_READ, read, 1)],
        "no source time": [_reading(Kind.INT, 7, source_time=None)],
        "bad, with its bits kept": [
            _reading(Kind.FLOAT64, 130.0),
            _reading(
                Kind.FLOAT64,
                None,
                1,
                status=Status.BAD,
                code=-1,
                raw=bytes.fromhex("7ff8000000000000"),
            ),
            _reading(Kind.FLOAT64, 131.0, 2, status=Status.UNCERTAIN, code=0x40920000),
        ],
    }


def _column(name: str, readings: Sequence[Reading]) -> Vector:
    return {
        "name": name,
        "readings": [plain(reading) for reading in readings],
        "column": encode_column(readings).hex(),
    }


def plain(value: Any) -> Any:
    """Return a reading, header or tag read as JSON can hold it; bytes in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, PublicKey):
        return value.to_text()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return value


def _bundles() -> list[Vector]:
    gateway = SealedGateway("gw-07", seed=7, key=key_named("vector"))
    gap = Gap(
        subject="press-1",
        start=START,
        end=START + 5_000_000_000,
        reason=GapReason.SOURCE_DOWN,
        count=None,
    )
    backfilled = replace(gap, end=START + 4_000_000_000, reason=GapReason.BACKFILLED, count=1)
    everything = [reading for several in _columns().values() for reading in several]
    everything = [
        reading._replace(signal=SignalName(f"press-1/{reading.kind.name.lower()}"))
        for reading in everything
    ]
    again = SealedGateway(
        "gw-07", seed=8, key=key_named("vector"), reason=OpeningReason.BUFFER_LOST
    )
    return [
        _bundle("the first of an epoch", gateway, gateway.seal(gateway.readings(2, 3))),
        _bundle("a heartbeat: nothing came", gateway, gateway.seal()),
        _bundle("a gap is declared", gateway, gateway.seal(gateway.readings(1), gaps=(gap,))),
        _bundle("every kind of value", gateway, gateway.seal(everything)),
        _bundle(
            "what was declared missing came later",
            gateway,
            gateway.seal(gateway.readings(1), gaps=(backfilled,)),
        ),
        _bundle("the buffer was lost", again, again.seal(again.readings(1))),
    ]


def _bundle(name: str, gateway: SealedGateway, data: bytes) -> Vector:
    bundle = split_bundle(data)
    _, header = peek_header(bundle.sealed_header)
    body = open_body(header, bundle.body)
    return {
        "name": name,
        "public_key": gateway.key.public.to_text(),
        "header": plain(header),
        "leaf": leaf_hash(bundle.sealed_header).hex(),
        "seed": body.seed.hex(),
        "columns": [column.hex() for column in body.columns],
        "sealed_header": bundle.sealed_header.hex(),
        "body": bundle.body.hex(),
        "bundle": data.hex(),
    }


def _receipts() -> list[Vector]:
    gateway = SealedGateway("gw-07", seed=7)
    key = key_named("aggregator")
    stored = Receipt(
        gateway=gateway.name,
        epoch=gateway.epoch,
        number=41,
        leaf=leaf_hash(b"the sealed header of bundle 41"),
        position=1041,
        checkpoint="",
        record_time=START,
    )
    none = replace(stored, number=-1, leaf=FIRST_PREVIOUS, position=-1, state=EpochState.UNAPPROVED)
    return [
        {
            "name": name,
            "public_key": key.public.to_text(),
            "receipt": plain(receipt),
            "sealed": seal_receipt(receipt, key).hex(),
        }
        for name, receipt in {"stored up to 41": stored, "nothing is stored": none}.items()
    ]


def _lives() -> list[Vector]:
    gateway = SealedGateway("gw-07", seed=7, key=key_named("vector"))
    found = {kind.name.lower(): gateway.life(kind, connection=3) for kind in LifeKind}
    found["heartbeat, with settings and upkeep"] = _said_in_full()
    return [
        {"name": name, "public_key": gateway.key.public.to_text(), "sealed": sealed.hex()}
        for name, sealed in found.items()
    ]


def _said_in_full() -> bytes:
    """Return a statement of life with the keys that may be absent."""
    gateway = SealedGateway("gw-07", seed=7, key=key_named("vector"))
    said = open_life(gateway.life(LifeKind.HEARTBEAT, connection=3), gateway.key.public)
    settings = SettingsReport(
        hash=bytes(range(32)),
        version=2,
        state=SettingsState.ROLLED_BACK,
        offered=3,
        why="press did not come up: no answer",
    )
    upkeep = UpkeepReport(
        bytes_per_day=1_300_000_000,
        seal_age=2_000_000_000,
        disk_days_left=None,
        certificate_days_left=-1,
    )
    return seal_life(replace(said, settings=settings, upkeep=upkeep), gateway.key)


if __name__ == "__main__":
    main()
