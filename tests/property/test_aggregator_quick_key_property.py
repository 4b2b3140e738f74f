"""libsodium and the library of every other party agree on which seals open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aggregator.store.quick_key import QuickKey
from protocols.wire.errors import SealError
from protocols.wire.seal import Algorithm, PublicKey, SoftwareSealKey
from tests.sealed import key_named

KEYS = [key_named("gw-01"), key_named("gw-02"), SoftwareSealKey.generate(Algorithm.ESP256)]


def opens(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Tell whether the key takes the signature."""
    try:
        key.verify(signature, message)
    except SealError:
        return False
    return True


@given(
    message=st.binary(max_size=600),
    signer=st.sampled_from(KEYS),
    opener=st.sampled_from(KEYS),
    flips=st.lists(st.tuples(st.integers(0, 63), st.integers(1, 255)), max_size=2),
    length=st.one_of(st.just(64), st.integers(0, 70)),
)
def test_both_agree(
    message: bytes,
    signer: SoftwareSealKey,
    opener: SoftwareSealKey,
    flips: list[tuple[int, int]],
    length: int,
) -> None:
    signature = bytearray(signer.sign(message))
    for place, bits in flips:
        signature[place] ^= bits
    given_ = bytes(signature).ljust(length, b"\0")[:length]
    quick = QuickKey.from_text(opener.public.to_text())
    assert quick == opener.public
    assert opens(quick, given_, message) is opens(opener.public, given_, message)
