"""Checkpoints: what is signed opens, what is not does not, foreign notes are read alike."""

from __future__ import annotations

import pytest

from protocols.wire.checkpoint import (
    NOTE_BYTES_MAX,
    Checkpoint,
    NoteKey,
    SignatureType,
    cosign,
    open_checkpoint,
    open_note,
    sign_checkpoint,
)
from protocols.wire.errors import LimitError, MalformedError, ProofError
from protocols.wire.seal import Algorithm, SoftwareSealKey
from protocols.wire.tlog import EMPTY_ROOT

LOG, WITNESS, STRANGER = (SoftwareSealKey.generate() for _ in range(3))
ORIGIN = "lotproof.example/plant-1"
HEAD = Checkpoint(origin=ORIGIN, size=7, root=bytes(range(32)))
LOG_KEY = NoteKey(name=ORIGIN, key=LOG.public)
WITNESS_KEY = NoteKey(
    name="witness.example/qa", key=WITNESS.public, type=SignatureType.COSIGNATURE_V1
)

# The worked example of Go's golang.org/x/mod/sumdb/note, BSD-3-Clause.
NEUMANN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)


def test_a_note_of_another_implementation_opens() -> None:
    key = NoteKey.from_text(NEUMANN_KEY)
    text, signers = open_note(NEUMANN_NOTE.encode(), [key])
    assert text.endswith("what your problem is.\n")
    assert list(signers) == [key]
    assert key.to_text() == NEUMANN_KEY
    with pytest.raises(ProofError, match="does not verify"):
        open_note(NEUMANN_NOTE.replace("cryptography", "cryptomancy").encode(), [key])


def test_the_example_of_the_specification_is_read() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    head = Checkpoint.from_text(text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert head.to_text() == text


def test_signed_cosigned_and_opened() -> None:
    note = cosign(sign_checkpoint(HEAD, LOG), WITNESS, name=WITNESS_KEY.name, time=1_800_000_000)
    opened = open_checkpoint(note, LOG_KEY, [WITNESS_KEY])
    assert opened.checkpoint == HEAD
    assert [(each.name, each.time) for each in opened.witnesses] == [
        (WITNESS_KEY.name, 1_800_000_000)
    ]
    assert open_checkpoint(note, LOG_KEY).witnesses == ()


def test_lines_of_strangers_are_ignored_but_do_not_make_a_log() -> None:
    note = cosign(sign_checkpoint(HEAD, LOG), STRANGER, name="who", time=1)
    assert open_checkpoint(note, LOG_KEY, [WITNESS_KEY]).witnesses == ()
    alone = cosign(sign_checkpoint(HEAD, STRANGER), WITNESS, name=WITNESS_KEY.name, time=1)
    with pytest.raises(ProofError, match="not signed by the log"):
        open_checkpoint(alone, LOG_KEY, [WITNESS_KEY])


def test_a_log_speaks_for_its_own_origin_alone() -> None:
    other = NoteKey(name="other.example", key=LOG.public)
    with pytest.raises(ProofError):
        open_checkpoint(sign_checkpoint(HEAD, LOG), other)


def test_extensions_and_the_empty_tree_survive() -> None:
    head = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT, extensions=("a b", "c"))
    assert open_checkpoint(sign_checkpoint(head, LOG), LOG_KEY).checkpoint == head
    with pytest.raises(MalformedError):
        sign_checkpoint(Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT, extensions=("",)), LOG)


def test_every_flipped_bit_is_noticed() -> None:
    note = cosign(sign_checkpoint(HEAD, LOG), WITNESS, name=WITNESS_KEY.name, time=5)
    for position in range(8 * len(note)):
        damaged = bytearray(note)
        damaged[position // 8] ^= 1 << position % 8
        try:
            opened = open_checkpoint(bytes(damaged), LOG_KEY, [WITNESS_KEY])
        except (MalformedError, ProofError):
            continue
        # Only the witness's name and key id can change unseen: the line is then a stranger's.
        assert opened.checkpoint == HEAD
        assert opened.witnesses == ()


@pytest.mark.parametrize(
    "text",
    [
        "o\n1\nAAAA\n",
        "o\n01\n" + "A" * 43 + "=\n",
        "o\n-1\n" + "A" * 43 + "=\n",
        "o\n1\n" + "A" * 42 + "B=\n",
        "\n1\n" + "A" * 43 + "=\n",
        "o\n1\n" + "A" * 43 + "=",
        "o\n1\n" + "A" * 43 + "=\n\n",
    ],
)
def test_other_forms_of_a_checkpoint_are_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Checkpoint.from_text(text)


@pytest.mark.parametrize(
    "text", ["", "name", "name+00000000+AAAA", NEUMANN_KEY.replace("c7", "c8"), "a" + NEUMANN_KEY]
)
def test_other_forms_of_a_verifier_key_are_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        NoteKey.from_text(text)


def test_other_forms_of_a_note_are_refused() -> None:
    note = sign_checkpoint(HEAD, LOG)
    for damaged in (note[:-1], note.replace(b"\n\n", b"\n"), note + b"\n", b"\t" + note, b"\xff"):
        with pytest.raises((MalformedError, ProofError)):
            open_checkpoint(damaged, LOG_KEY)
    with pytest.raises(LimitError):
        open_checkpoint(note + b"x" * NOTE_BYTES_MAX, LOG_KEY)
    with pytest.raises(MalformedError, match="Ed25519"):
        NoteKey(name="n", key=SoftwareSealKey.generate(Algorithm.ESP256).public)
    with pytest.raises(MalformedError, match="space"):
        NoteKey(name="a b", key=LOG.public)
