"""Makes the frozen dossiers of tests/vectors: ``python -m tests.dossier_vectors dossier``.

Made once and kept: every verifier, ours and any other, is held to the same files. Making them again
takes new keys and so new bytes, and is done only when the format changes. ``placement`` are those
of a gateway that had no time, made when its readings began to be placed by time anchors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from protocols.wire.bundle import PURPOSE as BUNDLE_PURPOSE
from protocols.wire.bundle import open_body, open_header, pack_body
from protocols.wire.column import decode_column, encode_column
from protocols.wire.dossier.archive import read_archive, write_archive
from protocols.wire.dossier.file import Dossier, canonical_json, write_dossier
from protocols.wire.dossier.holding import Disclosed, Held
from protocols.wire.header import encode_header
from protocols.wire.reading import SECOND
from protocols.wire.seal import seal as seal_cose
from tests import dossiers
from verifier.report import Outcome
from verifier.signatures import ATTACHMENT
from verifier.verify import verify

VECTORS: Final = Path(__file__).resolve().parent / "vectors"
FOLDER: Final = VECTORS / "dossier"
PLACEMENT: Final = VECTORS / "placement"


def cases() -> Iterator[tuple[str, str, bytes]]:
    """Yield the name of each case, what was done to it, and its bytes."""
    true = dossiers.dossier()
    press, room = true.statement.chains
    yield "true", "nothing was altered", seal(true)
    private = dossiers.dossier(disclosed=True)
    yield "private", "the press discloses one of its two signals", seal(private)
    yield "altered-reading", "126.0 made 116.0 in bundle 2 of gw-07", seal(cooled(true))
    yield "flipped-bit", "one bit of a body in the middle of bundle 2 of gw-07", seal(flipped(true))
    yield (
        "other-aggregator",
        "sealed by a key that the policy does not name",
        write_dossier(true, dossiers.STRANGER),
    )
    record = json.loads(true.record)
    record["parameters"][0]["excursions"] = []
    hidden = replace(true, record=canonical_json(record))
    yield "hidden-excursion", "the record does not list its excursion", seal(hidden)
    quiet = replace(true.statement, chains=(press, replace(room, gaps=())))
    yield "hidden-gap", "the manifest states no gap", seal(replace(true, statement=quiet))
    yield "cut-tail", "bundles 4 and 5 of gw-07 left out, 4 held as bracket", seal(cut(true))
    yield "no-bracket", "bundle 5 of gw-07 left out", seal(cut(true, last=4, held_last=4))
    yield (
        "swapped-paths",
        "the inclusion paths of two bundles swapped",
        seal(replace(true, places=(true.places[1], true.places[0], *true.places[2:]))),
    )
    members = read_archive(seal(true))
    yield (
        "replaced-series",
        "one series put in another's place, without the key",
        write_archive({**members, "series/000.cbor": members["series/001.cbor"]}),
    )
    loose = true.record.replace(b",", b", ", 1)
    yield "loose-record", "a space put into record.json", seal(replace(true, record=loose))
    other = dossiers.signatures(
        [dossiers.sign(dossiers.OTHER_RECORD)], dossiers.log_of(true.record)
    )
    yield "pasted-signature", "the signature is that of another lot's record", signed(true, other)
    said = json.loads(true.attachments[ATTACHMENT])
    said["signatures"][0]["signed"] = said["signatures"][0]["signed"].replace(
        "reviewed", "released"
    )
    yield (
        "altered-signature",
        "a review made a release, under the aggregator's own seal",
        signed(true, canonical_json(said)),
    )
    yield "trailing-byte", "one byte follows the file", seal(true) + b"\0"
    yield "truncated", "the last 100 bytes are missing", seal(true)[:-100]


def placement_cases() -> Iterator[tuple[str, str, bytes]]:
    """Yield the same of dossiers whose press had no time before its bundle 7."""
    true = dossiers.dossier(late=True)
    said, (press, room) = true.statement, true.chains
    late, quiet = said.chains
    yield "placed", "readings of bundles 0 to 5 of gw-late are placed by the anchor 7", seal(true)
    private = dossiers.dossier(late=True, disclosed=True)
    yield "private", "the same, one of two signals disclosed", seal(private)
    damaged = bytearray(press[-1].sealed_header)
    damaged[len(damaged) // 2] ^= 1
    flipped_ = replace(press[-1], sealed_header=bytes(damaged))
    yield (
        "flipped-bit",
        "one bit of the anchor's sealed header",
        seal(replace(true, chains=((*press[:-1], flipped_), room))),
    )
    header = open_header(press[-1].sealed_header, dossiers.LATE.key.public)
    later = replace(header, sealed_time=header.sealed_time + 60 * SECOND)
    forged = replace(
        press[-1],
        sealed_header=seal_cose(encode_header(later), dossiers.STRANGER, BUNDLE_PURPOSE),
    )
    yield (
        "forged-anchor",
        "an anchor a minute later, sealed by another key",
        seal(replace(true, chains=((*press[:-1], forged), room))),
    )
    without = replace(said, chains=(replace(late, anchors=()), quiet))
    gone = [*range(len(press) - 1), *range(len(press), len(true.places))]
    yield (
        "no-anchor",
        "the anchor left out: gateway times stand, an hour behind the lot",
        seal(
            replace(
                true,
                statement=without,
                chains=(press[:-1], room),
                places=tuple(true.places[at] for at in gone),
            )
        ),
    )
    yield (
        "other-bundle",
        "bundle 5 held in the anchor's place",
        seal(replace(true, chains=((*press[:-1], replace(press[-2], content=NOTHING)), room))),
    )
    record = {**json.loads(true.record), "rule": "window/2"}
    yield (
        "older-rule",
        "bound by a rule under which gateway times stood as they were sealed",
        seal(
            replace(true, record=canonical_json(record), statement=replace(said, rule="window/2"))
        ),
    )


NOTHING: Final = Disclosed(total=0, columns=())


def signed(dossier: Dossier, signatures: bytes) -> bytes:
    """Seal a dossier with other signatures beside its record."""
    return seal(replace(dossier, attachments={**dossier.attachments, ATTACHMENT: signatures}))


def seal(dossier: Dossier) -> bytes:
    """Seal and pack by the aggregator that the policy names."""
    return write_dossier(dossier, dossiers.AGGREGATOR)


def cooled(dossier: Dossier) -> Dossier:
    """Lower one reading by ten degrees and pack its body again."""
    held = dossier.chains[0][2]
    assert isinstance(held.content, bytes)
    header = open_header(held.sealed_header, dossiers.PRESS_KEY.public)
    body = open_body(header, held.content)
    readings = list(decode_column(body.columns[0]).readings())
    readings[4] = readings[4]._replace(value=116.0)
    body = body._replace(columns=[encode_column(readings), *body.columns[1:]])
    return with_bundle(dossier, replace(held, content=pack_body(body)))


def flipped(dossier: Dossier) -> Dossier:
    """Flip one bit in the middle of a body."""
    held = dossier.chains[0][2]
    assert isinstance(held.content, bytes)
    body = bytearray(held.content)
    body[len(body) // 2] ^= 1
    return with_bundle(dossier, replace(held, content=bytes(body)))


def with_bundle(dossier: Dossier, held: Held) -> Dossier:
    """Put another bundle in the place of bundle 2 of the press."""
    press, room = dossier.chains
    return replace(dossier, chains=((*press[:2], held, *press[3:]), room))


def cut(dossier: Dossier, *, last: int = 3, held_last: int = 4) -> Dossier:
    """Leave out the last bundle of the press, and state another last one."""
    press, room = dossier.statement.chains
    shorter = replace(
        press,
        last=last,
        held_last=held_last,
        head=dossiers.PRESS.leaves[last],
        count=press.count - 20 * (dossiers.LAST - last),
    )
    return replace(
        dossier,
        statement=replace(dossier.statement, chains=(shorter, room)),
        chains=(dossier.chains[0][:5], dossier.chains[1]),
        places=dossier.places[:5] + dossier.places[6:],
    )


SETS: Final = {"dossier": cases, "placement": placement_cases}


def main(chosen: str) -> None:
    """Write the files, and what our verifier says of each for a person to read over."""
    folder = VECTORS / chosen
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, what, data in SETS[chosen]():
        folder.joinpath(f"{name}.dossier").write_bytes(data)
        report = verify(data, dossiers.policy(pinned=True))
        numbers = {
            outcome: [check.number for check in report.checks if check.outcome is outcome]
            for outcome in Outcome
        }
        expected[name] = {
            "what": what,
            "verdict": report.verdict.name,
            "failed": numbers[Outcome.FAILED],
            "not_decidable": numbers[Outcome.UNDECIDED],
            "altered": [[each.signal, each.time, each.culprit] for each in report.altered][:3],
        }
    folder.joinpath("expected.json").write_text(json.dumps(expected, indent=2) + "\n")
    gateways = dossiers.policy(pinned=True).gateways
    keys = {name: key.to_text() for name, (key,) in gateways.items()}
    policy = [
        f'aggregator = ["{dossiers.AGGREGATOR.public.to_text()}"]',
        f'log = "{dossiers.LOG_KEY.to_text()}"',
        "",
        "[gateways]",
        *(f'{name} = ["{text}"]' for name, text in keys.items()),
    ]
    folder.joinpath("policy.toml").write_text("\n".join(policy) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
