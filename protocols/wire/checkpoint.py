"""What the log says of itself: a signed tree head as text (C2SP tlog-checkpoint, signed-note).

    lotproof.example/plant-1                                     the log's origin, its key's name
    20852163                                                     leaves in the tree
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=                 root of the tree

    — lotproof.example/plant-1 Az3grlgtzPICa5OS8npVmf1Myq/5...   the log's signature
    — witness.example/qa jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9...     a witness's cosignature

Lines signed by unknown keys are ignored, so that logs and witnesses may change keys; a line of a
known key that does not verify refuses the whole note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.wire.errors import LimitError, MalformedError, ProofError, WireError
from protocols.wire.seal import Algorithm, PublicKey, SealKey
from protocols.wire.tlog import HASH_BYTES

NOTE_BYTES_MAX: Final = 65_536
"""Bytes of a note with all its signatures; 16 post-quantum ones fit."""


class SignatureType(IntEnum):
    """What the bytes of a signature line are (C2SP signed-note, "Signature types")."""

    ED25519 = 0x01  # Ed25519 over the note's text
    COSIGNATURE_V1 = 0x04  # a time in seconds, then Ed25519 over that time and the note's text


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree head: this log had this root at this size."""

    origin: str
    size: int
    root: bytes  # 32 bytes
    extensions: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the note text, final newline included."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode())
        return "".join(line + "\n" for line in (*lines, *self.extensions))

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Read a note text; MalformedError for any other form."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise MalformedError("a checkpoint is not at least three lines, none of them empty")
        origin, size, root_text, *extensions = lines[:-1]
        if not re.fullmatch(r"0|[1-9][0-9]{0,18}", size):
            raise MalformedError("the checkpoint's size is not a plain decimal number")
        root = _base64(root_text)
        if len(root) != HASH_BYTES:
            raise MalformedError(f"the checkpoint's root is not {HASH_BYTES} bytes")
        return cls(origin=origin, size=int(size), root=root, extensions=tuple(extensions))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A key that signs notes, as a policy file names it: name, kind of signature, public key."""

    name: str
    key: PublicKey  # Ed25519
    type: SignatureType = SignatureType.ED25519

    def __post_init__(self) -> None:
        """Refuse a name or a key that cannot stand in a signature line."""
        if not self.name or re.search(r"[\s+]", self.name):
            raise MalformedError("a note key's name is empty, or holds a space or a plus")
        if self.key.algorithm is not Algorithm.ED25519:
            raise MalformedError("a note key is not an Ed25519 key")

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, tell this key from others."""
        material = self.name.encode() + b"\n" + bytes([self.type]) + self.key.data
        return hashlib.sha256(material).digest()[:4]

    @classmethod
    def from_text(cls, text: str) -> NoteKey:
        """Read ``name+id+base64``, the verifier key string that Go's sumdb made common."""
        name, _, rest = text.strip().partition("+")
        digits, _, encoded = rest.partition("+")
        material = _base64(encoded)
        if len(material) != 33 or material[0] not in tuple(SignatureType):
            raise MalformedError("the verifier key is not one of Ed25519 (1) or cosignature/v1 (4)")
        key = PublicKey(Algorithm.ED25519, material[1:])
        found = cls(name=name, key=key, type=SignatureType(material[0]))
        if found.id.hex() != digits:
            raise MalformedError("the verifier key's id does not fit its name and key")
        return found

    def to_text(self) -> str:
        """Return what ``from_text`` reads."""
        material = base64.b64encode(bytes([self.type]) + self.key.data).decode()
        return f"{self.name}+{self.id.hex()}+{material}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A known key whose line verified."""

    name: str
    time: int | None  # seconds since 1970 that a cosignature states; the log states none


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedCheckpoint:
    """A checkpoint that its log signed, and the witnesses who saw the same."""

    checkpoint: Checkpoint
    witnesses: tuple[Signer, ...]


def sign_checkpoint(checkpoint: Checkpoint, key: SealKey) -> bytes:
    """Return the note of ``checkpoint`` signed by the log's key, whose name is the origin."""
    text = checkpoint.to_text()
    if Checkpoint.from_text(text) != checkpoint:
        raise MalformedError("the checkpoint's origin or extensions do not survive as lines")
    signer = NoteKey(name=checkpoint.origin, key=key.public)
    return f"{text}\n{_line(signer, key.sign(text.encode()))}".encode()


def cosign(note: bytes, key: SealKey, *, name: str, time: int) -> bytes:
    """Return ``note`` with a witness's cosignature/v1 added; ``time`` in seconds since 1970.

    The witness has opened the note and checked consistency before.
    """
    text, _ = _take_apart(note)
    signer = NoteKey(name=name, key=key.public, type=SignatureType.COSIGNATURE_V1)
    signature = time.to_bytes(8, "big") + key.sign(_cosigned(text, time))
    return note + _line(signer, signature).encode()


def open_checkpoint(
    note: bytes, log: NoteKey, witnesses: Sequence[NoteKey] = ()
) -> OpenedCheckpoint:
    """Return the checkpoint if ``log`` signed it, with those of ``witnesses`` who did as well.

    Raises MalformedError for another form, ProofError when the log did not sign it or a known key's
    signature does not verify.
    """
    text, signers = open_note(note, [log, *witnesses])
    checkpoint = Checkpoint.from_text(text)
    if log not in signers or checkpoint.origin != log.name:
        raise ProofError(
            f"the checkpoint is not signed by the log {log.name}",
            hint="compare the log key of the policy file with the one the site published",
        )
    seen = tuple(signer for key, signer in signers.items() if key in witnesses)
    return OpenedCheckpoint(checkpoint=checkpoint, witnesses=seen)


def open_note(note: bytes, keys: Sequence[NoteKey]) -> tuple[str, dict[NoteKey, Signer]]:
    """Return the text of a signed note and which of ``keys`` signed it, one at least.

    Raises MalformedError for another form, ProofError when none did or one's line does not verify.
    """
    text, lines = _take_apart(note)
    known = {(key.name, key.id): key for key in keys}
    signers = {}
    for name, material in lines:
        key = known.get((name, material[:4]))
        if key is not None:
            signers[key] = Signer(name=name, time=_verify(key, text, material[4:]))
    if not signers:
        raise ProofError("no key of the policy signed the note")
    return text, signers


def _verify(key: NoteKey, text: str, signature: bytes) -> int | None:
    """Return the time that a verified cosignature states, None for a plain signature."""
    try:
        if key.type is SignatureType.ED25519:
            key.key.verify(signature, text.encode())
            return None
        time = int.from_bytes(signature[:8], "big")
        key.key.verify(signature[8:], _cosigned(text, time))
    except WireError:
        raise ProofError(f"the signature line of {key.name} does not verify") from None
    return time


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _line(signer: NoteKey, signature: bytes) -> str:
    return f"— {signer.name} {base64.b64encode(signer.id + signature).decode()}\n"


def _take_apart(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text, final newline included, and (name, key id and signature) of each line."""
    if len(note) > NOTE_BYTES_MAX:
        raise LimitError(f"a note is longer than {NOTE_BYTES_MAX} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise MalformedError("a note is not UTF-8") from None
    if any(character < " " and character != "\n" for character in whole):
        raise MalformedError("a note holds a control character")
    text, blank, signatures = whole.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise MalformedError("a note is not a text, a blank line and signature lines")
    lines = []
    for line in signatures.removesuffix("\n").split("\n"):
        found = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+=*)", line)
        if found is None:
            raise MalformedError("a signature line of a note is not: em dash, name, base64")
        lines.append((found[1], _base64(found[2])))
    return text + "\n", lines


def _base64(text: str) -> bytes:
    """Decode standard Base 64 in its one form (RFC 4648 section 3.5)."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("a text is not Base 64") from None
    if base64.b64encode(data).decode() != text:
        raise MalformedError("a Base 64 text has stray bits at its end")
    return data
