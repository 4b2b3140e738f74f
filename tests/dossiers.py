"""Makes real dossiers: sealed bundles of two gateways, a log, a record and its series."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Final

from protocols.wire.bundle import Body, open_body, open_header, pack_body, seal_bundle, split_bundle
from protocols.wire.checkpoint import Checkpoint, NoteKey, sign_checkpoint
from protocols.wire.column import decode_column, encode_columns
from protocols.wire.dossier.file import Dossier, canonical_json, write_dossier
from protocols.wire.dossier.holding import Held, Place, disclose
from protocols.wire.dossier.instant import format_time
from protocols.wire.dossier.manifest import ChainStatement, KeyRange, Statement
from protocols.wire.dossier.placement import Stamp, placements
from protocols.wire.dossier.series import (
    Interval,
    Part,
    Series,
    cut,
    encode_series,
    read_runs,
)
from protocols.wire.header import (
    FIRST_PREVIOUS,
    Clock,
    ClockState,
    Counters,
    Epoch,
    GatewayId,
    Header,
    Opening,
    OpeningReason,
)
from protocols.wire.reading import SECOND, Gap, GapReason, Kind, Reading, SignalName, Status
from protocols.wire.seal import Algorithm, SealKey, SoftwareSealKey
from protocols.wire.tlog import inclusion_path, leaf_hash, root
from verifier.policy import Policy

AGGREGATOR: Final = SoftwareSealKey.generate()
LOG: Final = SoftwareSealKey.generate()
STRANGER: Final = SoftwareSealKey.generate()
LOG_KEY: Final = NoteKey(name="lotproof.example/plant-1", key=LOG.public)

START: Final = 1_795_334_400 * SECOND  # 2026-11-22T08:00:00Z
TEMPERATURE: Final = SignalName("press-1/plate-temperature")
FORCE: Final = SignalName("press-1/force")
HUMIDITY: Final = SignalName("room-1/humidity")
BUNDLE: Final = 10 * SECOND
"""So long a bundle lasts; a reading of every signal comes each second."""

HIGH: Final = 125.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway and the chain that it sealed."""

    id: GatewayId
    key: SoftwareSealKey
    epoch: Epoch
    bundles: tuple[bytes, ...]

    @property
    def leaves(self) -> tuple[bytes, ...]:
        """The leaf hash of each bundle."""
        return tuple(leaf_hash(split_bundle(data).sealed_header) for data in self.bundles)


PRESS_KEY: Final = SoftwareSealKey.generate(Algorithm.ESP256)
ROOM_KEY: Final = SoftwareSealKey.generate()


def temperature(second: int) -> float:
    """Give a plate that is too hot for three seconds."""
    return 126.0 + second % 3 if 24 <= second < 27 else 118.0 + second % 5 / 4


def readings_of(gateway: str, number: int) -> list[Reading]:
    """Give what a gateway read while its bundle ``number`` was open; bundle 3 of a room none.

    The one that found the time with bundle ``EXACT`` is an hour behind before, and stamps the
    temperature itself.
    """
    readings = []
    late = gateway == "gw-late"
    shown = HOUR if late and number < EXACT else 0
    for second in range(number * 10, number * 10 + 10):
        time = START + (second - 10) * SECOND  # bundle 1 is the lot's first
        if gateway == "gw-room":
            if number != 3:
                readings.append(_reading(HUMIDITY, Kind.INT, 40 + second % 7, time))
            continue
        hot = _reading(TEMPERATURE, Kind.FLOAT32, temperature(second), time, shown=time - shown)
        readings.append(hot._replace(source_time=None) if late else hot)
        status = Status.BAD if second == 31 else Status.GOOD
        force = None if status is Status.BAD else 1.5 * second
        readings.append(
            _reading(FORCE, Kind.FLOAT64, force, time, shown=time - shown, status=status)
        )
    return readings


def make_gateway(name: str, key: SealKey, *, count: int = 6) -> tuple[Epoch, tuple[bytes, ...]]:
    """Seal a chain of ``count`` bundles, from the opening of its epoch on."""
    epoch = Epoch(hashlib.sha256(name.encode()).digest()[:16])
    bundles: list[bytes] = []
    previous, first_reading = FIRST_PREVIOUS, 0
    for number in range(count):
        readings = readings_of(name, number)
        body = Body(hashlib.sha256(bytes([number])).digest()[:16], encode_columns(readings))
        packed = pack_body(body)
        in_doubt = name == "gw-late" and number < EXACT
        time = START + (number - 1) * BUNDLE - (HOUR if in_doubt else 0)
        header = Header(
            gateway=GatewayId(name),
            epoch=epoch,
            number=number,
            previous=previous,
            first_reading=first_reading,
            count=len(readings),
            first_time=time,
            last_time=time + 9 * SECOND if readings else time,
            boot=bytes(16),
            sealed_time=time + BUNDLE,
            sealed_monotonic=number * BUNDLE,
            clock=Clock(
                state=ClockState.UNSET if in_doubt else ClockState.SYNCHRONISED,
                uncertainty=0 if in_doubt else 1_000_000,
                floor=START - HOUR if in_doubt else START,
            ),
            settings_hash=bytes(32),
            dictionary_hash=bytes(32),
            body_hash=hashlib.sha256(packed).digest(),
            columns_root=body.root(),
            gaps=_gaps(time) if not readings else (),
            counters=Counters(read=first_reading, sealed=first_reading),
            opening=None if number else Opening(reason=OpeningReason.NEW),
        )
        bundle = seal_bundle(header, packed, key)
        bundles.append(bundle.encode())
        previous, first_reading = leaf_hash(bundle.sealed_header), header.end_reading
    return epoch, tuple(bundles)


def _gateway(name: str, key: SoftwareSealKey, count: int = 6) -> Gateway:
    epoch, bundles = make_gateway(name, key, count=count)
    return Gateway(id=GatewayId(name), key=key, epoch=epoch, bundles=bundles)


def policy(*, pinned: bool = False) -> Policy:
    """Give the policy that believes the right keys."""
    every = (PRESS, ROOM, LATE)
    gateways = {each.id: (each.key.public,) for each in every} if pinned else {}
    return Policy(aggregator=(AGGREGATOR.public,), log=LOG_KEY, gateways=gateways)


def dossier(*, disclosed: bool = False, late: bool = False) -> Dossier:
    """Give a dossier that verifies; ``disclosed`` shows the temperature alone of the press.

    With ``late``, the press's gateway had no time before its bundle ``EXACT``, its time anchor.
    """
    press, rule = (LATE, "window/3") if late else (PRESS, "window/1")
    signals = [(press, TEMPERATURE), (ROOM, HUMIDITY)] + ([] if disclosed else [(press, FORCE)])
    series = {f"{at:03}": encode_series(series_of(*each)) for at, each in enumerate(signals)}
    record = {
        "lot": {"gtin": "04012345123456", "lot": "L-0042"},
        "rule": rule,
        "window": interval_text(WINDOW),
        "parameters": [
            parameter(gateway, signal, f"{at:03}", series[f"{at:03}"])
            for at, (gateway, signal) in enumerate(signals)
        ],
    }
    data = canonical_json(record)
    leaves = log_of(data, press)
    head = Checkpoint(origin=LOG_KEY.name, size=len(leaves), root=root(leaves))
    return Dossier(
        statement=Statement(
            gtin="04012345123456",
            lot="L-0042",
            window=WINDOW,
            rule=rule,
            sealed_time=START + 600 * SECOND,
            chains=tuple(statement(each) for each in (press, ROOM)),
            keys=tuple(
                KeyRange(gateway=each.id, epoch=each.epoch, first=0, last=None, key=each.key.public)
                for each in (press, ROOM)
            ),
        ),
        chains=(hold(press, disclosed=disclosed), hold(ROOM, disclosed=False)),
        places=tuple(
            Place(at, inclusion_path(leaves, at))
            for gateway in (press, ROOM)
            for at in map(leaves.index, (gateway.leaves[n] for n in statement(gateway).numbers))
        ),
        checkpoint=sign_checkpoint(head, LOG),
        record=data,
        audit=b"[]",
        series=series,
        attachments={
            "note.txt": b"printed by the line's own paper",
            "signatures.json": signatures(signed_of(data), leaves, earlier=[EARLIER]),
        },
    )


def log_of(record: bytes, press: Gateway | None = None) -> list[bytes]:
    """Give the leaves of a log: every bundle, and what was signed of this record and another."""
    leaves = [leaf_hash(b"something before")]
    for pair in zip_longest((press or PRESS).leaves, ROOM.leaves):
        leaves += filter(None, pair)
    return [*leaves, *map(leaf_hash, [EARLIER, *signed_of(record), sign(OTHER_RECORD)])]


def signed_of(record: bytes) -> list[bytes]:
    """Give the signatures of a record: the reviewer's, and that of who released the lot."""
    return [sign(record, "reviewed"), sign(record, by="Chen Jie")]


def sign(
    record: bytes, meaning: str = "released", *, by: str = "Li Wei", version: int = 2
) -> bytes:
    """Give the bytes of a signature about a version of a record."""
    lot = json.loads(record)["lot"]
    said = {
        "format": "lotproof-signature-v1",
        "signer": by.lower().replace(" ", "."),
        "printed_name": by,
        "time": format_time(START + 700 * SECOND),
        "offset_minutes": 480,
        "meaning": meaning,
        "reason": "looked at every exception",
        "record": {**lot, "version": version, "hash": hashlib.sha256(record).hexdigest()},
        "subjects": [],
        "deviation": "",
        "shown": hashlib.sha256(b"what was shown").hexdigest(),
        "components": ["password", "code"],
        "series": "0",
    }
    return canonical_json(said)


def signatures(
    signed: Sequence[bytes], leaves: Sequence[bytes], *, earlier: Sequence[bytes] = ()
) -> bytes:
    """Give ``signatures.json`` of signatures that are among the leaves of the log."""
    return canonical_json(
        {
            "format": "lotproof-signatures-v1",
            "log_size": len(leaves),
            "signatures": [_proved(each, leaves) for each in signed],
            "earlier": [_proved(each, leaves) for each in earlier],
        }
    )


def _proved(signed: bytes, leaves: Sequence[bytes]) -> dict[str, Any]:
    place = leaves.index(leaf_hash(signed))
    path = [step.hex() for step in inclusion_path(leaves, place)]
    return {"signed": signed.decode(), "leaf": place, "path": path}


OTHER_RECORD: Final = canonical_json({"lot": {"gtin": "04012345123456", "lot": "L-0041"}})
"""A record of another lot, which somebody signed."""

EARLIER: Final = sign(
    canonical_json({"lot": {"gtin": "04012345123456", "lot": "L-0042"}}), "reviewed", version=1
)
"""What was signed of the first version of the record."""


def packed(**changes: Any) -> bytes:
    """Seal and pack a dossier with some fields of it replaced."""
    return write_dossier(replace(dossier(), **changes), AGGREGATOR)


def statement(gateway: Gateway) -> ChainStatement:
    """State the chain of a gateway: bundles 1 to 4, with 0 and 5 around them."""
    headers = [
        open_header(split_bundle(data).sealed_header, gateway.key.public)
        for data in gateway.bundles[FIRST : LAST + 1]
    ]
    return ChainStatement(
        gateway=gateway.id,
        epoch=gateway.epoch,
        first=FIRST,
        last=LAST,
        held_first=FIRST - 1,
        held_last=HELD_LAST,
        head=gateway.leaves[LAST],
        count=sum(header.count for header in headers),
        gaps=tuple(gap for header in headers for gap in header.gaps),
        anchors=(EXACT,) if gateway is LATE else (),
    )


def hold(gateway: Gateway, *, disclosed: bool) -> tuple[Held, ...]:
    """Hold every bundle of a gateway, whole or the first column (the temperature) alone.

    Of one beyond the bracket, an anchor, the header.
    """
    held = [Held.whole(data) for data in gateway.bundles[: HELD_LAST + 1]]
    anchors = [Held.header_alone(gateway.bundles[each]) for each in statement(gateway).anchors]
    if not disclosed:
        return (*held, *anchors)
    shown = []
    for each in held:
        header = open_header(each.sealed_header, gateway.key.public)
        assert isinstance(each.content, bytes)
        shown.append(replace(each, content=disclose(open_body(header, each.content), [0])))
    return (*shown, *anchors)


def series_of(gateway: Gateway, signal: SignalName) -> Series:
    """Give the series of a signal as the record's author saw it."""
    counts, columns = [], []
    sealed = [split_bundle(data).sealed_header for data in gateway.bundles]
    placed = placements(Stamp.of(open_header(each, gateway.key.public)) for each in sealed)
    for number, data in enumerate(gateway.bundles[FIRST : LAST + 1], FIRST):
        bundle = split_bundle(data)
        body = open_body(open_header(bundle.sealed_header, gateway.key.public), bundle.body)
        own = [column for column in body.columns if decode_column(column).signal == signal]
        pieces = (cut(column, [WINDOW], placed.get(number)) for column in own)
        chosen = [piece for piece in pieces if piece is not None]
        counts.append(len(chosen))
        columns += chosen
    return remade(gateway, signal, counts, columns)


def remade(
    gateway: Gateway, signal: SignalName, counts: Sequence[int], columns: Sequence[bytes]
) -> Series:
    """Give a series of these columns, so many of each bundle."""
    part = Part(
        gateway=gateway.id,
        epoch=gateway.epoch,
        first=FIRST,
        counts=tuple(counts),
        columns=tuple(columns),
    )
    return Series(signal=signal, parts=(part,))


def parameter(gateway: Gateway, signal: SignalName, name: str, data: bytes) -> dict[str, Any]:
    """Say of a signal what a record says, with figures reckoned in the plainest way."""
    readings = [each for run in read_runs(series_of(gateway, signal)) for each in run.readings]
    values = [float(r.value) for r in readings if isinstance(r.value, int | float)]
    hot = signal == TEMPERATURE
    return {
        "signal": signal,
        "gateway": gateway.id,
        "intervals": [[format_time(WINDOW.start), format_time(WINDOW.end)]],
        "series": {"name": name, "sha256": hashlib.sha256(data).hexdigest()},
        "figures": {
            "readings": len(readings),
            "good": sum(reading.status is Status.GOOD for reading in readings),
            "uncertain": 0,
            "bad": sum(reading.status is Status.BAD for reading in readings),
            "min": min(values),
            "max": max(values),
        },
        "limits": [{"id": "action-high", "side": "high", "value": HIGH}] if hot else [],
        "excursions": [
            {
                "limit": "action-high",
                "start": format_time(START + 14 * SECOND),
                "end": format_time(START + 17 * SECOND),
                "extreme": 128.0,
                "readings": 3,
            }
        ]
        if hot
        else [],
    }


def interval_text(interval: Interval) -> dict[str, str]:
    """Write an interval as the record's window is written."""
    return {"start": format_time(interval.start), "end": format_time(interval.end)}


def _gaps(time: int) -> tuple[Gap, ...]:
    gap = Gap(subject="room-1", start=time, end=time + BUNDLE, reason=GapReason.SOURCE_DOWN)
    return (gap,)


def _reading(
    signal: SignalName,
    kind: Kind,
    value: float | None,
    time: int,
    *,
    shown: int | None = None,
    status: Status = Status.GOOD,
) -> Reading:
    return Reading(
        signal=signal,
        kind=kind,
        value=value,
        gateway_time=time if shown is None else shown,
        source_time=time,
        status=status,
        code=0x8001_0000 if status is Status.BAD else 0,
        raw=b"\x7f" if status is Status.BAD else b"",
    )


HOUR: Final = 3_600 * SECOND
EXACT: Final = 7
"""Number of the bundle by which a gateway without the time found it."""

PRESS: Final = _gateway("gw-07", PRESS_KEY)
LATE: Final = _gateway("gw-late", SoftwareSealKey.generate(), EXACT + 1)
ROOM: Final = _gateway("gw-room", ROOM_KEY)
WINDOW: Final = Interval(START + 2 * SECOND, START + 4 * BUNDLE)
FIRST, LAST, HELD_LAST = 1, 4, 5
