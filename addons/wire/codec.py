"""What a wire format's folder gives: how requests, answers and streams of it are read and written.

Sans-IO: bytes and JSON values in, values and bytes out; no clock, no randomness, no network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from ringlet_mitm.addons.wire.canonical import Conversation, Event, Json, Reply
from ringlet_mitm.rules.errors import Untranslatable as Untranslatable
from ringlet_mitm.rules.shapes import Loss, WireFormat


@dataclass(frozen=True, slots=True)
class Rendered:
    """A JSON object in a format, and what did not fit into it."""

    body: Json
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What writing an answer needs of the request that it answers.

    `conversation` is as the agent sent it, `path` its path with the query (Gemini: `alt=sse` or not). `model` is said
    where the provider names none, `id` makes an answer's id where it has none, `estimated_input` is the number of input
    tokens to show until the provider reports its own, `created` the time in seconds since the epoch.
    """

    conversation: Conversation
    path: str
    model: str
    id: str
    estimated_input: int = 0
    created: int = 0


class StreamParser(Protocol):
    """A provider's stream: bytes in, events out, at any split. Memory is bounded."""

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        ...

    def close(self) -> list[Event]:
        """The stream is over: what was left. No Ended or Failed by then means that it broke off."""
        ...


class StreamRenderer(Protocol):
    """The agent's stream: events in, bytes out."""

    @property
    def losses(self) -> Sequence[Loss]:
        """What could not be said so far."""
        ...

    def feed(self, event: Event) -> bytes:
        """What goes to the agent now; b"" where the event has to wait or says nothing."""
        ...

    def ping(self) -> bytes:
        """A sign of life between events, that an agent of this format reads over."""
        ...


@dataclass(frozen=True, slots=True)
class Codec:
    """One wire format. `parse_request` takes the body and the path (Gemini's model and method are in it).

    Raises Untranslatable where the input makes no sense; never anything else, whatever the input.
    """

    format: WireFormat
    content_type: str  # of a stream
    parse_request: Callable[[Json, str], Conversation]
    render_request: Callable[[Conversation], Rendered]
    parse_reply: Callable[[Json], Reply]
    render_reply: Callable[[Reply, AnswerContext], Rendered]
    parser: Callable[[], StreamParser]
    renderer: Callable[[AnswerContext], StreamRenderer]


@contextmanager
def within_depth(what: str) -> Iterator[None]:
    """Decorates what reads or writes `what`: Untranslatable where that is nested deeper than Python can follow."""
    try:
        yield
    except RecursionError:
        raise Untranslatable(f"{what} is nested too deep") from None


def read_json(text: bytes | str) -> Any:
    """JSON as Python values; also with lone surrogates, which msgspec refuses and agents cut in half now and then.

    Raises ValueError where it is no JSON, and where it is nested too deep.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    except RecursionError:
        raise ValueError("nested too deep") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def write_json(value: Any) -> bytes:
    """The JSON of Python values, compact; lone surrogates are escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
