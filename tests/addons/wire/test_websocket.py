from __future__ import annotations

import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate

from ringlet_mitm.addons.wire.websocket import Message, MessageReader, close_frame

DEFLATE = "permessage-deflate"


def end(extensions: str, *, client: bool = True) -> Connection:
    """One end of a WebSocket as wsproto speaks it."""
    agreed = PerMessageDeflate()
    if extensions:
        agreed.finalize(extensions)
    kind = ConnectionType.CLIENT if client else ConnectionType.SERVER
    return Connection(kind, [agreed] if extensions else [])


def text(content: bytes) -> Message:
    return Message(content, True, len(content))


def fed(reader: MessageReader, data: bytes, size: int) -> list[Message]:
    return [message for at in range(0, len(data), size) for message in reader.feed(data[at : at + size])]


PARTS = st.lists(st.text(max_size=300) | st.binary(max_size=300), max_size=6)
AGREED = st.sampled_from(
    [
        "",
        DEFLATE,
        f"{DEFLATE}; client_no_context_takeover",
        f"{DEFLATE}; server_no_context_takeover; client_max_window_bits=9",
    ]
)


@given(PARTS, AGREED, st.integers(1, 400), st.booleans())
def test_however_it_is_cut_and_packed_the_messages_are_read(
    parts: list[str | bytes], extensions: str, size: int, client: bool
) -> None:
    sender = end(extensions, client=client)
    sent = b"".join(sender.send(TextMessage(part) if isinstance(part, str) else BytesMessage(part)) for part in parts)
    reader = MessageReader(from_client=client, extensions=extensions)
    found = fed(reader, sent, size)
    contents = [part.encode() if isinstance(part, str) else part for part in parts]
    assert [(message.content, message.is_text) for message in found] == [
        (content, isinstance(part, str)) for content, part in zip(contents, parts, strict=True)
    ]
    assert (reader.between, reader.deaf, reader.closed) == (True, False, None)


@pytest.mark.parametrize("extensions", ["", DEFLATE], ids=["plain", "packed"])
def test_a_ping_may_stand_between_two_fragments(extensions: str) -> None:
    sender, pinger = end(extensions), end("")
    frames = [
        sender.send(TextMessage("one ", message_finished=False)),
        pinger.send(Ping(b"?")),
        sender.send(TextMessage("message", message_finished=True)),
        sender.send(TextMessage("another")),
    ]
    reader = MessageReader(from_client=True, extensions=extensions)
    assert reader.feed(frames[0] + frames[1]) == []
    assert not reader.between
    assert reader.feed(frames[2] + frames[3]) == [text(b"one message"), text(b"another")]


def test_inside_of_a_frame_there_is_no_place_for_another() -> None:
    reader, frame = MessageReader(from_client=True), end("").send(TextMessage("hello"))
    places = []
    for byte in range(len(frame)):
        reader.feed(frame[byte : byte + 1])
        places.append(reader.between)
    assert places == [*[False] * (len(frame) - 1), True]


@pytest.mark.parametrize("extensions", ["", DEFLATE], ids=["plain", "packed"])
def test_a_message_beyond_the_limit_is_told_by_its_length(extensions: str) -> None:
    sender, long = end(extensions), os.urandom(3000).hex()
    reader = MessageReader(from_client=True, extensions=extensions, limit=1000)
    sent = sender.send(TextMessage(long)) + sender.send(TextMessage("short"))
    assert fed(reader, sent, 500) == [Message(b"", True, 6000), text(b"short")]


def test_a_small_message_that_unpacks_to_a_gigabyte_is_not_kept() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(1024 * 1024)
    packed = b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
    head = bytes([0xC1, 126]) + len(packed).to_bytes(2)
    reader = MessageReader(from_client=False, extensions=DEFLATE, limit=1024)
    assert reader.feed(head + packed) == [Message(b"", True, 64 * 1024 * 1024)]


UNREADABLE = {
    "a reserved opcode": bytes([0x83, 0]),
    "an unmasked client": bytes([0x81, 1, 65]),
    "packed where nothing was agreed on": bytes([0xC1, 0x80, 0, 0, 0, 0]),
    "a long ping": bytes([0x89, 0xFE, 0, 200, 0, 0, 0, 0]),
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_breaks_the_protocol_is_read_no_further(data: bytes) -> None:
    reader = MessageReader(from_client=True)
    assert reader.feed(data) == []
    assert reader.deaf and not reader.between
    assert reader.feed(end("").send(TextMessage("hello"))) == []


def test_broken_packing_is_read_no_further() -> None:
    reader = MessageReader(from_client=False, extensions=DEFLATE)
    assert reader.feed(bytes([0xC1, 3, 0xFF, 0xFF, 0xFF])) == []
    assert reader.deaf


def test_an_extension_that_is_not_known_makes_deaf() -> None:
    assert MessageReader(from_client=True, extensions=f"{DEFLATE}, x-secret; a=1").deaf


@given(st.binary(max_size=400), st.booleans(), AGREED)
def test_garbage_never_raises(data: bytes, from_client: bool, extensions: str) -> None:
    fed(MessageReader(from_client=from_client, extensions=extensions), data, 7)


@pytest.mark.parametrize("to_client", [True, False], ids=["to the client", "to the server"])
def test_a_close_frame_is_understood_by_its_end(to_client: bool) -> None:
    receiver = end("", client=to_client)
    receiver.receive_data(close_frame(1012, "new rules", to_client=to_client))
    assert list(receiver.events()) == [CloseConnection(1012, "new rules")]


@pytest.mark.parametrize(
    ("frame", "seen"),
    [(close_frame(1000, to_client=True), 1000), (bytes([0x88, 0]), 1005)],
    ids=["with a code", "without"],
)
def test_a_close_frame_that_passes_is_noted(frame: bytes, seen: int) -> None:
    reader = MessageReader(from_client=False)
    reader.feed(frame)
    assert reader.closed == seen
