"""Reads along the messages of one direction of a WebSocket (RFC 6455, compressed by RFC 7692); it changes no byte.

wsproto takes frames apart. Its `Connection` does not do here: it stops at text that is no UTF-8, and it answers. Nor
does its unpacking: it has no limit, and takes a ping between two fragments for the end of a message (1.2.0 and 1.3.2).
What passes is none of our business, so this one reads as long as it can and is silent after that.
"""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, Frame, FrameDecoder, FrameProtocol, Opcode, ParseFailed, RsvBits

logger = logging.getLogger(__name__)

# Longer than any conversation that a model takes as text; with images it may be more.
MESSAGE_LIMIT = 32 * 1024 * 1024
PIECE = 1024 * 1024
PACKING = "permessage-deflate"
# What a packed message leaves out at its end.
FLUSHED = b"\x00\x00\xff\xff"


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message. `size` is its length without packing; `content` is empty where that is beyond the limit."""

    content: bytes
    is_text: bool
    size: int

    @property
    def is_too_long(self) -> bool:
        """Whether it was not kept."""
        return self.size > len(self.content)


class MessageReader:
    """One direction. `extensions` is what the server's answer to the handshake says was agreed on.

    `between` is whether no message has begun that has not ended, `closed` the code of a close frame that has passed
    (1005: one without a code). `deaf` is true from the first byte on that cannot be read.
    """

    def __init__(self, *, from_client: bool, extensions: str = "", limit: int = MESSAGE_LIMIT) -> None:
        self.closed: int | None = None
        self.deaf = False
        self._limit = limit
        self._kept = bytearray()
        self._size = 0
        self._is_text = True
        self._inside = False
        self._unpacking = _agreed(extensions, from_client=from_client, limit=limit)
        found = [] if self._unpacking is None else [self._unpacking]
        self._decoder = FrameDecoder(client=not from_client, extensions=list(found))
        others = [name for name in _names(extensions) if name != PACKING]
        if others:
            self._stop(f"extension {', '.join(others)}")

    @property
    def between(self) -> bool:
        """Whether a frame of ours could be put here."""
        return not self.deaf and not self._inside and self._decoder.header is None and not len(self._decoder.buffer)

    def feed(self, data: bytes) -> list[Message]:
        """What passes; the messages that end in it."""
        if self.deaf:
            return []
        found: list[Message] = []
        try:
            self._decoder.receive_bytes(data)
            while (frame := self._decoder.process_buffer()) is not None:
                message = self._take(frame)
                if message is not None:
                    found.append(message)
        except (ParseFailed, ValueError) as error:
            self._stop(str(error))
        return found

    def _take(self, frame: Frame) -> Message | None:
        payload = frame.payload
        assert isinstance(payload, bytes | bytearray)  # a decoder of frames gives nothing else
        if frame.opcode.iscontrol():
            if frame.opcode is Opcode.CLOSE:
                code = bytes(payload[:2])
                self.closed = int.from_bytes(code) if len(code) == 2 else int(CloseReason.NO_STATUS_RCVD)
            return None
        if not self._inside:
            self._is_text, self._inside = frame.opcode is Opcode.TEXT, True
        self._size += len(payload) + (self._unpacking.dropped() if self._unpacking is not None else 0)
        if self._size <= self._limit:
            self._kept += payload
        else:
            self._kept.clear()
        if not (frame.frame_finished and frame.message_finished):
            return None
        message = Message(bytes(self._kept), self._is_text, self._size)
        self._kept, self._size, self._inside = bytearray(), 0, False
        return message

    def _stop(self, why: str) -> None:
        logger.warning("a WebSocket passes unread from here on: %s", why)
        self.deaf = True
        self._kept.clear()


class Unpacking(Extension):
    """permessage-deflate, one direction of it. Of a message longer than `limit` the rest is unpacked and dropped."""

    name = PACKING

    def __init__(self, *, anew: bool, limit: int) -> None:
        self._anew, self._limit = anew, limit  # `anew`: each message begins without what came before it
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._packed = self._control = False
        self._size = self._dropped = 0

    def enabled(self) -> bool:
        """It was agreed on."""
        return True

    def offer(self) -> bool | str:
        """It is not for a handshake of ours."""
        return False

    def dropped(self) -> int:
        """How many bytes were dropped since this was asked last."""
        found, self._dropped = self._dropped, 0
        return found

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """A frame begins; control frames stand between those of a message and are never packed."""
        self._control = opcode.iscontrol()
        if not self._control and opcode is not Opcode.CONTINUATION:
            self._packed = rsv.rsv1
            self._size = 0
        return RsvBits(not self._control, False, False)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        """A piece of one."""
        return data if self._control or not self._packed else self._inflated(bytes(data))

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        """It ends, and with `fin` its message."""
        if self._control or not self._packed or not fin:
            return None
        found = self._inflated(FLUSHED)
        if self._anew:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return found

    def _inflated(self, data: bytes) -> bytes | CloseReason:
        found = bytearray()
        try:
            piece = b""
            while data or len(piece) == PIECE:
                piece = self._inflater.decompress(data, PIECE)
                data = self._inflater.unconsumed_tail
                self._size += len(piece)
                if self._size <= self._limit:
                    found += piece
                else:
                    self._dropped += len(piece)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        return bytes(found)


def _agreed(extensions: str, *, from_client: bool, limit: int) -> Unpacking | None:
    """What unpacks that direction; None where nothing is packed."""
    said = next((part for part in extensions.split(",") if part.partition(";")[0].strip().lower() == PACKING), None)
    if said is None:
        return None
    words = [word.strip().lower() for word in said.split(";")]
    return Unpacking(anew=f"{'client' if from_client else 'server'}_no_context_takeover" in words, limit=limit)


def _names(extensions: str) -> list[str]:
    return [name for part in extensions.split(",") if (name := part.partition(";")[0].strip().lower())]


def close_frame(code: int, reason: str = "", *, to_client: bool) -> bytes:
    """A frame that closes a WebSocket, as the other end of it would send it."""
    return FrameProtocol(client=not to_client, extensions=[]).close(code, reason)
