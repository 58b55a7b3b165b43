"""Reads along the messages of one direction of a WebSocket (RFC 6455, compressed by RFC 7692); it changes no byte.

wsproto takes frames apart and unpacks them. Its `Connection` does not do here: it stops at text that is no UTF-8, and
it answers. What passes is none of our business, so this one reads as long as it can and is silent after that.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, Frame, FrameDecoder, FrameProtocol, Opcode, ParseFailed

logger = logging.getLogger(__name__)

# Longer than any conversation that a model takes as text; with images it may be more.
MESSAGE_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message. `content` is empty where it was longer than the limit; `size` is its length without packing."""

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
        self._decoder: FrameDecoder
        packings = self._agreed(extensions)
        # It asks an extension which side it is on, to know whose window is meant.
        self._decoder = FrameDecoder(client=not from_client, extensions=list(packings))

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

    def _agreed(self, extensions: str) -> list[PerMessageDeflate]:
        found = []
        for said in filter(None, (part.strip() for part in extensions.split(","))):
            if said.partition(";")[0].strip() != PerMessageDeflate.name:
                self._stop(f"extension {said}")
                continue
            packing = PerMessageDeflate()
            try:
                packing.finalize(said)
            except (ValueError, IndexError) as error:
                self._stop(str(error))
            found.append(packing)
        return found

    def _take(self, frame: Frame) -> Message | None:
        if frame.opcode.iscontrol():
            if frame.opcode is Opcode.CLOSE:
                code = bytes(frame.payload[:2])
                self.closed = int.from_bytes(code) if len(code) == 2 else int(CloseReason.NO_STATUS_RCVD)
            return None
        if not self._inside:
            self._is_text, self._inside = frame.opcode is Opcode.TEXT, True
        self._size += len(frame.payload)
        if self._size <= self._limit:
            self._kept += frame.payload
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


def close_frame(code: int, reason: str = "", *, to_client: bool) -> bytes:
    """A frame that closes a WebSocket, as the other end of it would send it."""
    return FrameProtocol(client=not to_client, extensions=[]).close(code, reason)
