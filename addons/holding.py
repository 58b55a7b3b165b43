"""Gates: what an answer has to pass before the agent gets any of it.

Some providers answer 200 and only then notice that they are overloaded: the stream's first event is an error. Until
something of the model's own has come, another attempt is still possible.
"""

from __future__ import annotations

from ringlet_mitm.addons.stream_port import Gate
from ringlet_mitm.addons.wire.faults import parse_error
from ringlet_mitm.addons.wire.metering import READERS, Meter
from ringlet_mitm.addons.wire.sse import SseParser
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.shapes import WireFormat

# What comes before anything of the model's: an error may still follow. Named, or the first key of the data.
PRELUDE = (b"ping", b"message_start", b"response.created", b"response.in_progress", b"response.queued")


# No error is longer.
ERROR_BYTES = 64 * 1024
CUT_OFF = "cut_off"


class ErrorBody:
    """An answer with an error status is a failure once its body is there; one too long to be an error passes."""

    patience_s = 0.0
    problem: ProviderError | None = None

    def feed(self, data: bytes) -> bool | None:
        """Open until the end."""
        return None

    def end(self) -> bool:
        """A failure."""
        return False


class Whole:
    """An answer that is no stream is of no use until all of it is there; some gateways say 200 and mean an error."""

    patience_s = 0.0

    def __init__(self, *, packed: bool) -> None:
        self._packed = packed
        self._body = bytearray()
        self.problem: ProviderError | None = None

    def feed(self, data: bytes) -> bool | None:
        """Open until the end; one that is too long to wait for passes (http_stream.py)."""
        self._body += data
        return None

    def end(self) -> bool:
        """Whether it is an answer."""
        if not self._packed and self._body and not self._body.rstrip().endswith((b"}", b"]")):
            self.problem = ProviderError(CUT_OFF, "the answer was cut off")
        elif len(self._body) < ERROR_BYTES and b'"error"' in self._body:
            self.problem = parse_error(bytes(self._body))
        return self.problem is None


class NoStream:
    """Too late for an answer that comes whole: the agent's stream has begun."""

    patience_s = 0.0
    problem = ProviderError("no_stream", "the provider answered whole where a stream was asked for")

    def feed(self, data: bytes) -> bool | None:
        """A failure."""
        return False

    def end(self) -> bool:
        """The same."""
        return False


class FirstEvent:
    """Passes a stream at its first event that is neither an error nor a prelude.

    Not for long: a model that thinks may be silent but for pings, and those are for the agent.
    """

    patience_s = 2.0

    def __init__(self, wire_format: WireFormat) -> None:
        self._meter = Meter(wire_format, streamed=True)
        self._parser = SseParser()

    @property
    def problem(self) -> ProviderError | None:
        """The provider's error, where the stream began with one."""
        return self._meter.error

    def feed(self, data: bytes) -> bool | None:
        """Whether the stream is an answer; None while that is open."""
        self._meter.feed(data)
        events = self._parser.feed(data)
        if self._meter.error is not None:
            return False
        return True if any(not _is_prelude(event.name.encode(), event.data) for event in events) else None

    def end(self) -> bool:
        """A stream that ends before its first event is no failure known here: the agent gets what came."""
        self._meter.finish()
        return self._meter.error is None


def gate_for(wire_format: WireFormat, status: int, *, streamed: bool, whole: bool, packed: bool) -> Gate | None:
    """The gate for an answer; None where it passes as it comes: Gemini's array, say, which is both or neither."""
    if status >= 400:
        return ErrorBody()
    if whole:
        return Whole(packed=packed)
    return FirstEvent(wire_format) if streamed and not packed and wire_format in READERS else None


def _is_prelude(name: bytes, data: bytes) -> bool:
    if name:
        return name in PRELUDE
    begin = data[:200].replace(b" ", b"")
    return any(b'"type":"' + one + b'"' in begin for one in PRELUDE)
