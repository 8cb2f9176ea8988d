"""What every sealer does, and what AES-GCM adds."""

from __future__ import annotations

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.keys.aes import AesGcmSealer
from adapters.keys.file import FileKeyring
from adapters.keys.plain import PlainSealer
from core.errors import KeyMissing
from core.sealing import Sealed, Sealer

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
# The fixture's keyring may serve every example: they leave nothing behind that another could see.
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@many
@given(text=ANY_TEXT)
async def test_a_text_comes_back_as_it_was(sealer: Sealer, text: str) -> None:
    assert await sealer.open("session:1", await sealer.seal("session:1", text)) == text


@many
@given(data=st.binary())
async def test_bytes_come_back_as_they_were(sealer: Sealer, data: bytes) -> None:
    assert await sealer.open_bytes("session:1", await sealer.seal_bytes("session:1", data)) == data


@many
@given(text=ANY_TEXT | st.just("base64:aGk="))
async def test_every_database_can_hold_the_form(sealer: Sealer, text: str) -> None:
    sealed = (await sealer.seal("session:1", text)).text
    assert "\0" not in sealed
    assert sealed.encode("utf-8").decode("utf-8") == sealed


async def test_text_that_looks_like_the_encoded_form_stays_text(sealer: Sealer) -> None:
    assert await sealer.open("s", await sealer.seal("s", "base64:aGk=")) == "base64:aGk="


async def test_destroying_an_unused_scope_is_harmless(sealer: Sealer) -> None:
    await sealer.destroy("session:never")


async def test_content_without_a_key_is_readable_by_every_sealer(sealer: Sealer) -> None:
    assert await sealer.open("session:1", await PlainSealer().seal("session:1", "hello")) == "hello"
    assert await sealer.open_bytes("session:1", await PlainSealer().seal_bytes("session:1", b"\0\1")) == b"\0\1"


async def test_what_an_operator_typed_into_a_plain_row_is_text_but_no_bytes(sealer: Sealer) -> None:
    assert await sealer.open("session:1", Sealed("base64:what is that?")) == "base64:what is that?"
    with pytest.raises(KeyMissing):
        await sealer.open_bytes("session:1", Sealed("what is that?"))


async def test_plain_text_can_be_read_in_the_database() -> None:
    assert await PlainSealer().seal("session:1", "My dog is called Rex.") == Sealed("My dog is called Rex.")


async def test_what_was_sealed_before_stays_readable_after_switching_to_plain(aes: AesGcmSealer) -> None:
    sealed, vector = await aes.seal("session:1", "hello"), await aes.seal_bytes("session:1", b"\0\1")
    later = PlainSealer(aes)
    assert await later.open("session:1", sealed) == "hello"
    assert await later.open_bytes("session:1", vector) == b"\0\1"
    await later.destroy("session:1")
    with pytest.raises(KeyMissing):
        await later.open("session:1", sealed)


async def test_plain_alone_cannot_open_what_is_sealed(aes: AesGcmSealer) -> None:
    with pytest.raises(KeyMissing):
        await PlainSealer().open("session:1", await aes.seal("session:1", "hello"))


async def test_sealed_text_tells_nothing_and_never_repeats(aes: AesGcmSealer) -> None:
    one, two = [await aes.seal("session:1", "My dog is called Rex.") for _ in range(2)]
    assert one.text != two.text
    assert one.key_id == two.key_id is not None
    for sealed in (one, two):
        assert b"Rex" not in base64.b64decode(sealed.text)
        assert len(base64.b64decode(sealed.text)) == 1 + 12 + 21 + 16


async def test_erasing_makes_every_copy_unreadable(aes: AesGcmSealer, keyring: FileKeyring) -> None:
    sealed, other = await aes.seal("session:1", "hello"), await aes.seal("session:2", "hello")
    assert await aes.open("session:1", sealed) == "hello", "the key is in the sealer's memory now"
    await aes.destroy("session:1")
    for sealer in (aes, AesGcmSealer(keyring)):
        with pytest.raises(KeyMissing):
            await sealer.open("session:1", sealed)
        assert await sealer.open("session:2", other) == "hello"
    again = await aes.seal("session:1", "later")
    assert again.key_id != sealed.key_id
    assert await aes.open("session:1", again) == "later"


async def test_content_cannot_be_moved_to_another_scope_or_column(aes: AesGcmSealer) -> None:
    text, data = await aes.seal("session:1", "hello"), await aes.seal_bytes("session:1", b"hello")
    other = await aes.seal("session:2", "hello")
    with pytest.raises(KeyMissing):
        await aes.open("session:2", text)
    with pytest.raises(KeyMissing):
        await aes.open("session:2", Sealed(text.text, other.key_id))
    with pytest.raises(KeyMissing):
        await aes.open("session:1", data)
    with pytest.raises(KeyMissing):
        await aes.open_bytes("session:1", text)


async def test_every_changed_byte_is_noticed(aes: AesGcmSealer) -> None:
    sealed = await aes.seal("session:1", "hello")
    content = base64.b64decode(sealed.text)
    for position in range(len(content)):
        forged = bytearray(content)
        forged[position] ^= 1
        with pytest.raises(KeyMissing):
            await aes.open("session:1", Sealed(base64.b64encode(forged).decode(), sealed.key_id))


@pytest.mark.parametrize("text", ["", "AQ==", "not base64!", "ä", "A" * 40])
async def test_damaged_content_is_an_error_not_a_crash(aes: AesGcmSealer, text: str) -> None:
    key = (await aes.seal("session:1", "hello")).key_id
    with pytest.raises(KeyMissing):
        await aes.open("session:1", Sealed(text, key))


async def test_an_unknown_key_is_missing(aes: AesGcmSealer) -> None:
    with pytest.raises(KeyMissing):
        await aes.open("session:1", Sealed("AQ==", "no such key"))


async def test_more_scopes_than_keys_in_memory(keyring: FileKeyring) -> None:
    sealer = AesGcmSealer(keyring, cached_keys=2)
    sealed = [await sealer.seal(f"session:{n}", str(n)) for n in range(6)]
    assert [await sealer.open(f"session:{n}", item) for n, item in enumerate(sealed)] == list("012345")
