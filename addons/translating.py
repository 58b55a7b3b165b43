"""The relay of a translated stream: the provider's bytes in, the agent's out.

Like `relay.py`'s it tells the end before it returns the bytes that carry it, and never returns an empty piece.
"""

from __future__ import annotations

from collections.abc import Callable

from ringlet_mitm.addons.relay import Reading, tell
from ringlet_mitm.addons.wire.encodings import Decoder
from ringlet_mitm.addons.wire.translator import StreamTranslation, WholeAnswer


class TranslatingRelay:
    """Passes one stream through its translation. `on_end` is called exactly once, also by `abort`."""

    def __init__(
        self,
        stream: StreamTranslation,
        *,
        on_first_byte: Callable[[], None],
        on_end: Callable[[Reading], None],
        content_encoding: str = "",
    ) -> None:
        self._stream = stream
        self._decoder = Decoder(content_encoding) if content_encoding else None
        self._on_first_byte = on_first_byte
        self._on_end = on_end
        self._begun = False
        self._bytes_out = 0
        self._told = False

    @property
    def stream(self) -> StreamTranslation:
        """What it translates with."""
        return self._stream

    @property
    def bytes_out(self) -> int:
        """What has gone to the agent so far."""
        return self._bytes_out

    def __call__(self, data: bytes) -> list[bytes]:
        """One piece of the body, b"" at its end; gives what goes to the agent now."""
        if not self._begun:
            self._begun = True
            self._on_first_byte()
        if data:
            out = self._stream.feed(data if self._decoder is None else self._decoder.feed(data))
        else:
            out = self._stream.close()
        self._bytes_out += len(out)
        if self._stream.ended:
            self._tell()
        return [out] if out else []

    def abort(self) -> None:
        """The connection is gone."""
        self._tell()

    def broken_off(self) -> bytes:
        """The provider is gone in the middle: what ends the agent's stream, b"" where it has ended."""
        out = self._stream.close()
        self._bytes_out += len(out)
        self._tell()
        return out

    def _tell(self) -> None:
        if self._told:
            return
        self._told = True
        stream = self._stream
        reading = Reading(
            usage=stream.usage,
            model=stream.model,
            stop_reason=stream.stop_said,
            error=stream.error,
            bytes_out=self._bytes_out,
            output_estimate=stream.output_estimate,
            complete=stream.ended and stream.error is None,
        )
        tell(self._on_end, reading)


def reading_of(answer: WholeAnswer) -> Reading:
    """What a whole answer tells the ledger."""
    reply = answer.reply
    return Reading(
        usage=reply.usage if reply else None,
        model=reply.model if reply else "",
        stop_reason=(reply.stop_said or reply.stop) if reply else "",
        error=answer.error,
        bytes_out=len(answer.body),
        output_estimate=len(answer.body) // 4 if reply else 0,
        complete=True,
    )
