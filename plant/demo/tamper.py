"""What a forger does to a dossier, and what the verifier says of it.

The forger is no fool: he raises one reading of a critical signal inside its sealed bundle, packs
the bundle again as its gateway would, and writes the file in its one form. What he has not is the
gateway's key.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from plant.demo.teller import Teller
from protocols.wire.bundle import Body, open_body, pack_body, peek_header
from protocols.wire.column import decode_column, encode_column
from protocols.wire.dossier.archive import read_archive, write_archive
from protocols.wire.dossier.holding import Held, decode_chain, encode_chain
from protocols.wire.reading import SECOND, Reading

SIGNAL: Final = "press-1/plate-temperature"
RAISED: Final = 2.5


class Forgery(NamedTuple):
    """What was altered."""

    before: Reading
    after: Reading
    bundle: int

    def __str__(self) -> str:
        time = self.before.source_time or self.before.gateway_time
        at = datetime.fromtimestamp(time / SECOND, UTC).strftime("%H:%M:%S.%f")[:-3]
        return (
            f"{self.before.signal} at {at} UTC in bundle {self.bundle}: "
            f"{self.before.value!r} became {self.after.value!r}"
        )


def run(out: Path, teller: Teller) -> int:
    """Forge the newest dossier in ``out`` and have it judged; 0 only if the forgery is found."""
    dossiers = sorted(out.glob("*.dossier"), key=lambda path: path.stat().st_mtime)
    genuine = next((path for path in reversed(dossiers) if not path.stem.endswith("-forged")), None)
    if genuine is None:
        teller.cross(f"there is no dossier in {out}; run ./dev demo --once first")
        return 2
    forged = genuine.with_name(f"{genuine.stem}-forged.dossier")
    data, forgery = forge(genuine.read_bytes())
    forged.write_bytes(data)
    teller.say(f"Altered one reading of {genuine}: {forgery}")
    command = (sys.executable, "-m", "verifier", str(forged), "--trust", str(out / "trust.toml"))
    judged = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # our own verifier on our own file
    teller.say(judged.stdout)
    named = SIGNAL in judged.stdout and repr(forgery.before.value) in judged.stdout
    if judged.returncode == 1 and named:
        teller.tick("the verifier refused the file and named the reading that was altered")
        return 0
    teller.cross(f"the verifier did not name the altered reading (exit {judged.returncode})")
    return 1


def forge(dossier: bytes) -> tuple[bytes, Forgery]:
    """Return the dossier with one reading of SIGNAL raised, and which."""
    members = dict(read_archive(dossier))
    for name, data in members.items():
        if name.startswith("bundles/"):
            held = list(decode_chain(data))
            # The middle of the chain: well within the lot, away from the brackets.
            for at in sorted(range(len(held)), key=lambda at: abs(at - len(held) // 2)):
                found = _raise_reading(held[at])
                if found is not None:
                    held[at] = found[0]
                    members[name] = encode_chain(held)
                    return write_archive(members), found[1]
    raise ValueError(f"the dossier holds no whole bundle with a reading of {SIGNAL}")


def _raise_reading(held: Held) -> tuple[Held, Forgery] | None:
    """Return the bundle with a reading raised, None where it has none of SIGNAL to raise."""
    if not isinstance(held.content, bytes):
        return None
    _, header = peek_header(held.sealed_header)
    body = open_body(header, held.content)
    for at, column in enumerate(body.columns):
        readings = list(decode_column(column).readings())
        if readings[0].signal != SIGNAL:
            continue
        position = len(readings) // 2
        before = readings[position]
        if not isinstance(before.value, float):
            return None
        after = before._replace(value=before.value + RAISED)
        readings[position] = after
        columns = [*body.columns]
        columns[at] = encode_column(readings)
        packed = pack_body(Body(body.seed, columns))
        return replace(held, content=packed), Forgery(before, after, header.number)
    return None
