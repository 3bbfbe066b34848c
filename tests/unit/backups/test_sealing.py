from __future__ import annotations

from dataclasses import replace

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backups.compression import LARGEST, Compression
from backups.sealing import Sealer
from cpe_manager.domain.errors import SealBroken
from tests.unit.backups.support import NOW, FixedRings


def flip(data: bytes, index: int) -> bytes:
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


@pytest.fixture
def rings() -> FixedRings:
    return FixedRings()


@pytest.fixture
def sealer(rings: FixedRings) -> Sealer:
    return Sealer(rings, Compression())


@pytest.mark.parametrize("payload", [b"", b"x", b"interface wlan0\n" * 3000])
def test_what_was_sealed_opens_to_the_same_bytes(sealer: Sealer, payload: bytes) -> None:
    assert sealer.open(sealer.seal("o-1", payload)) == payload


def test_nothing_of_the_payload_is_readable_in_a_sealed_object(sealer: Sealer) -> None:
    sealed = sealer.seal("o-1", b"WifiKey-99x")
    assert b"WifiKey" not in sealed.ciphertext + sealed.wrapped_key


def test_equal_payloads_seal_differently(sealer: Sealer) -> None:
    first, second = sealer.seal("o-1", b"same"), sealer.seal("o-1", b"same")
    assert first.ciphertext != second.ciphertext
    assert first.nonce != second.nonce
    assert first.wrapped_key != second.wrapped_key


@pytest.mark.parametrize("part", ["ciphertext", "wrapped_key", "nonce"])
def test_a_flipped_bit_anywhere_is_noticed(sealer: Sealer, part: str) -> None:
    sealed = sealer.seal("o-1", b"configuration")
    data: bytes = getattr(sealed, part)
    for index in range(len(data)):
        with pytest.raises(SealBroken):
            sealer.open(replace(sealed, **{part: flip(data, index)}))


@pytest.mark.parametrize("part", ["ciphertext", "wrapped_key", "nonce"])
def test_a_part_that_is_empty_or_cut_is_noticed(sealer: Sealer, part: str) -> None:
    sealed = sealer.seal("o-1", b"configuration")
    for data in (b"", getattr(sealed, part)[:-1], getattr(sealed, part)[:5]):
        with pytest.raises(SealBroken):
            sealer.open(replace(sealed, **{part: data}))


def test_an_object_does_not_open_under_another_objects_name(sealer: Sealer) -> None:
    first, second = sealer.seal("o-1", b"one"), sealer.seal("o-2", b"two")
    for swapped in (
        replace(first, id="o-2"),
        replace(first, ciphertext=second.ciphertext, nonce=second.nonce),
        replace(first, wrapped_key=second.wrapped_key),
    ):
        with pytest.raises(SealBroken):
            sealer.open(swapped)


def test_an_unknown_format_and_an_unknown_key_are_named(sealer: Sealer) -> None:
    sealed = sealer.seal("o-1", b"x")
    with pytest.raises(SealBroken, match="format 9"):
        sealer.open(replace(sealed, format=9))
    with pytest.raises(SealBroken, match="k-gone, which is not in the key file"):
        sealer.open(replace(sealed, key_id="k-gone"))


def test_another_ring_with_the_same_key_id_opens_nothing(sealer: Sealer) -> None:
    with pytest.raises(SealBroken, match="wrong key file"):
        Sealer(FixedRings(), Compression()).open(sealer.seal("o-1", b"x"))


def test_after_a_rotation_old_objects_open_and_rewrapping_frees_the_old_key(rings: FixedRings, sealer: Sealer) -> None:
    sealed = sealer.seal("o-1", b"payload")
    rings.current = rings.current.with_new_active("k-2", NOW)
    assert sealer.open(sealed) == b"payload"
    key_id, wrapped = sealer.rewrap(sealed)
    moved = replace(sealed, key_id=key_id, wrapped_key=wrapped)
    assert key_id == "k-2"
    rings.current = rings.current.without("k-1")
    assert sealer.open(moved) == b"payload"
    with pytest.raises(SealBroken, match="k-1"):
        sealer.open(sealed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not zstd",
        zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 100),
        zstandard.ZstdCompressor().compress(b"x") + b"extra",
        zstandard.ZstdCompressor().compress(b"x" * 100)[:-3],
        b"\x28\xb5\x2f\xfd\xe0" + (LARGEST + 1).to_bytes(8, "little"),
    ],
)
def test_only_one_whole_frame_of_stated_bounded_size_decompresses(data: bytes) -> None:
    with pytest.raises(SealBroken):
        Compression().decompress(data)


def test_the_written_format_is_enough_to_open_an_object_without_this_code(rings: FixedRings, sealer: Sealer) -> None:
    """The recipe of ``docs/reference/sealed-format.md``, step by step."""
    sealed = sealer.seal("o-1", b"payload")
    key = rings.current.active.secret
    wrap_context = f"cpe-manager sealed 1 key {sealed.key_id} {sealed.id}".encode()
    data_key = AESGCM(key).decrypt(sealed.wrapped_key[:12], sealed.wrapped_key[12:], wrap_context)
    data_context = f"cpe-manager sealed 1 data {sealed.id}".encode()
    compressed = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, data_context)
    assert zstandard.ZstdDecompressor().decompress(compressed) == b"payload"
    assert (sealed.format, len(data_key), len(sealed.wrapped_key)) == (1, 32, 60)
