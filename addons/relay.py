"""What stands between provider and agent while an answer passes: bytes in, bytes out, held back only what must be.

mitmproxy calls a relay with each piece of the body and with b"" at its end. The bytes pass as they are; a meter reads
along. The end is told before the bytes that carry it are returned: once the agent can see that its answer is complete,
the row exists.

A relay gives a list of pieces, never an empty one among them: mitmproxy would send that as a chunk of length 0, which
tells an agent that the body has ended (seen in 11.0.2 and 12.2.3, proxy/layers/http/_http1.py).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from ringlet_mitm.addons.wire.encodings import Decoder
from ringlet_mitm.addons.wire.faults import error_event
from ringlet_mitm.addons.wire.metering import Meter
from ringlet_mitm.addons.wire.translator import BROKEN_OFF
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

logger = logging.getLogger(__name__)

FRAME_END = re.compile(rb"(?>\r\n|\n|\r){2}")
LF_FRAME_END = re.compile(rb"\n\n")  # the same where there is no CR, as nearly always; 60 times as fast
NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
FRAME_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
HELD_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """What passed. `usage` is None where the provider reported none, `output_estimate` is for that case.

    `complete` is false where the body broke off before its end.
    """

    usage: Usage | None
    model: str
    stop_reason: str
    error: ProviderError | None
    bytes_out: int
    output_estimate: int
    complete: bool


def tell(on_end: Callable[[Reading], None], reading: Reading) -> None:
    """Whatever recording runs into, the agent gets its answer."""
    try:
        on_end(reading)
    except Exception:
        logger.exception("an answer could not be recorded")


class Relay:
    """Passes one answer through. `on_end` is called exactly once, also by `abort`.

    `unpacks` is for an agent that was never told of a content-encoding: what goes to it is plain.
    """

    def __init__(
        self,
        wire_format: WireFormat,
        *,
        streamed: bool,
        on_first_byte: Callable[[], None],
        on_end: Callable[[Reading], None],
        content_length: int | None = None,
        content_encoding: str = "",
        unpacks: bool = False,
        hide_usage_chunk: bool = False,
    ) -> None:
        self._format = wire_format
        self._meter = Meter(wire_format, streamed=streamed)
        decoder = Decoder(content_encoding) if content_encoding else None
        self._unpacker = decoder if unpacks else None
        self._decoder = None if unpacks else decoder
        self._filter = UsageChunkFilter() if hide_usage_chunk and streamed else None
        self._streamed = streamed
        self._length = None if streamed else content_length
        self._on_first_byte = on_first_byte
        self._on_end = on_end
        self._bytes_in = 0
        self._bytes_out = 0
        self._frames = WholeFrames() if streamed and self._decoder is None else None
        self._told = False
        self._unreadable = False

    @property
    def bytes_out(self) -> int:
        """What has gone to the agent so far."""
        return self._bytes_out

    def __call__(self, data: bytes) -> list[bytes]:
        """One piece of the body, b"" at its end; gives what goes to the agent now."""
        if not data:
            return self._finish()
        if not self._bytes_in:
            self._on_first_byte()
        self._bytes_in += len(data)
        if self._unpacker is not None:
            data = self._unpacker.feed(data)
        self._read_along(data)
        out = data if self._frames is None else self._frames.feed(data)
        if self._filter is not None and out:
            out = self._filter.feed(out)
        self._bytes_out += len(out)
        if self._meter.ended or self._bytes_in == self._length:
            self._tell(complete=True)
        return [out] if out else []

    def _read_along(self, data: bytes) -> None:
        if self._unreadable:
            return
        try:
            self._meter.feed(data if self._decoder is None else self._decoder.feed(data))
        except Exception:  # whatever reading runs into, the agent gets its answer
            self._unreadable = True
            logger.exception("an answer could not be read")

    def abort(self) -> None:
        """The connection is gone."""
        self._tell(complete=False)

    def broken_off(self) -> bytes | None:
        """The provider is gone in the middle: what ends the agent's stream.

        None where there is no place for an event, in the middle of a long one or of a packed stream, or in an answer
        that is no stream: then the agent's connection is cut, which it notices as well.
        """
        if self._frames is None or not self._frames.between:
            return None
        ended = self._meter.ended
        self.abort()
        if ended:
            return b""
        return error_event(self._format, 502, BROKEN_OFF)

    def _finish(self) -> list[bytes]:
        self._meter.finish()
        meter = self._meter
        left = self._frames.flush() if self._frames is not None else b""
        if left and self._bytes_out and not is_event(left):
            left = self.broken_off() or left
        if self._filter is not None:
            left = self._filter.feed(left) + self._filter.flush()
        self._bytes_out += len(left)
        unread = self._unreadable or meter.overflowed or (self._decoder is not None and self._decoder.failed)
        self._tell(complete=bool(meter.ended or meter.stop_reason or meter.error or unread or not self._streamed))
        return [left] if left else []

    def _tell(self, *, complete: bool) -> None:
        if self._told:
            return
        self._told = True
        meter = self._meter
        meter.finish()
        reading = Reading(
            usage=meter.usage,
            model=meter.model,
            stop_reason=meter.stop_reason,
            error=meter.error,
            bytes_out=self._bytes_out,
            output_estimate=meter.output_estimate,
            complete=complete,
        )
        tell(self._on_end, reading)


class WholeFrames:
    """Lets whole events through: where a provider breaks off, what the agent has is a stream that can be ended.

    `between` is whether that is so now; an event that grows beyond the limit passes piece by piece.
    """

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        self._limit = limit
        self._rest = b""
        self.between = True

    def feed(self, data: bytes) -> bytes:
        """The bytes up to the last end of an event."""
        if not self._rest and data.endswith(b"\n\n"):  # as nearly always
            self.between = True
            return data
        text = self._rest + data
        end = max((place + len(mark) for mark in FRAME_ENDS if (place := text.rfind(mark)) >= 0), default=0)
        if end:
            self._rest, self.between = text[end:], True
            return text[:end]
        if self.between and len(text) <= self._limit:
            self._rest = text
            return b""
        self._rest, self.between = b"", False
        return text

    def flush(self) -> bytes:
        """What is left at the end; vendors end without the last blank line now and then."""
        left, self._rest = self._rest, b""
        return left


def is_event(frame: bytes) -> bool:
    """Whether a last event, without its blank line, is all there."""
    lines = [line[5:].strip() for line in re.split(rb"\r\n|\n|\r", frame) if line.startswith(b"data:")]
    text = b"\n".join(lines)
    if not text or text == b"[DONE]":
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class UsageChunkFilter:
    """Takes the usage chunk out of a Chat stream: the one with no choices that an agent gets only when it asked.

    Works on whole events, so the unfinished end of one waits for its rest; one that grows beyond the limit (a picture)
    is no usage chunk and passes piece by piece. `"usage": null` in other chunks stays.
    """

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        self._limit = limit
        self._rest = b""
        self._passing = False

    def feed(self, data: bytes) -> bytes:
        """The bytes that may go on."""
        text = self._rest + data
        kept: list[bytes] = []
        done = 0
        for end in (FRAME_END if b"\r" in text else LF_FRAME_END).finditer(text):
            if end.end() == len(text) and text.endswith(b"\r"):
                break  # its LF may still come
            frame = text[done : end.end()]
            done = end.end()
            if self._passing or not is_usage_chunk(frame):
                kept.append(frame)
            self._passing = False
        self._rest = text[done:]
        self._passing = self._passing or len(self._rest) > self._limit
        if self._passing:
            line_end = len(self._rest) - len(self._rest.rstrip(b"\r\n"))
            kept.append(self._rest[: len(self._rest) - line_end])
            self._rest = self._rest[len(self._rest) - line_end :]
        return b"".join(kept)

    def flush(self) -> bytes:
        """What was still waiting when the stream ended."""
        left, self._rest = self._rest, b""
        return b"" if not self._passing and is_usage_chunk(left) else left


def is_usage_chunk(frame: bytes) -> bool:
    """Whether an event is Chat's extra chunk: usage, and no choices."""
    if b'"usage"' not in frame or NO_CHOICES.search(frame) is None:
        return False
    lines = [line[5:] for line in re.split(rb"\r\n|\n|\r", frame) if line.startswith(b"data:")]
    try:
        chunk = json.loads(b"\n".join(lines))
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(chunk, dict) and chunk.get("choices") == [] and bool(chunk.get("usage")) and not chunk.get("error")
    )
