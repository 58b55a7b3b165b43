"""Bodies of all wire formats as conversations and answers: what can be read of them, and what was the matter.

Never raises, whatever the bytes. Time is bounded: of a long request only its last messages are built, and of a broken
body only the beginning is mended; the rest is skipped, which costs next to nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from ringlet_mitm.addons.views.mending import mended
from ringlet_mitm.addons.views.page import size_words
from ringlet_mitm.addons.wire.accumulating import Accumulator
from ringlet_mitm.addons.wire.canonical import Conversation, Ended, Failed, Finished, Reply
from ringlet_mitm.addons.wire.codec import Untranslatable, read_json
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.faults import error_in
from ringlet_mitm.addons.wire.sse import SseParser
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.shapes import SHAPES, WireFormat, is_enveloped

# Built whole up to here, which takes some 50 ms; of longer requests what came last, and of each value so much.
WHOLE_BYTES = 2 * 1024 * 1024
VALUE_BYTES = 512 * 1024
# Broken JSON is read token by token, a megabyte a second.
MEND_BYTES = 256 * 1024

MESSAGES_KEYS = {key for shape in SHAPES.values() for key in shape.messages}
_top = msgspec.json.Decoder(dict[str, Raw]).decode
_items = msgspec.json.Decoder(list[Raw]).decode


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request as far as it could be read; None where nothing could. `skipped` messages came before those in it."""

    conversation: Conversation | None
    caveats: tuple[str, ...] = ()
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer as far as it could be read. `finished` says whether it came to its end."""

    reply: Reply | None
    error: ProviderError | None = None
    caveats: tuple[str, ...] = ()
    finished: bool = True


def read_request(body: bytes, path: str, wire_format: WireFormat) -> ReadRequest:
    """The conversation in a request's body."""
    if not body:
        return ReadRequest(None, ("there is no body",))
    found, caveats, skipped = _object(body)
    if isinstance(found, dict) and is_enveloped(path) and isinstance(found.get("request"), dict):
        found = {"model": found.get("model"), **found["request"]}
    if not isinstance(found, dict):
        return ReadRequest(None, (*caveats, "the body is no JSON object"))
    try:
        conversation = CODECS[wire_format].parse_request(found, path)
    except Untranslatable as error:
        return ReadRequest(None, (*caveats, f"not a request of {wire_format}: {error}"))
    return ReadRequest(conversation, tuple(caveats), skipped)


def read_answer(body: bytes, wire_format: WireFormat) -> ReadAnswer:
    """The answer in a body, whether it came whole or as a stream."""
    if not body:
        return ReadAnswer(None, None, ("there is no body",), finished=False)
    if body[:1] not in (b"{", b"[") and not body[:64].lstrip().startswith((b"{", b"[")):
        return _stream(body, wire_format)
    try:
        found = read_json(body) if len(body) <= WHOLE_BYTES else None
    except ValueError:
        found = None
    if isinstance(found, list) or (found is None and wire_format is WireFormat.GEMINI and body.lstrip()[:1] == b"["):
        return _array(found, body, wire_format)
    if found is None and wire_format is WireFormat.OLLAMA:
        return _stream(body, wire_format)
    caveats: list[str] = []
    if found is None:
        found, caveats = _mended(body)
    return _whole(found, wire_format, tuple(caveats))


def _whole(found: Any, wire_format: WireFormat, caveats: tuple[str, ...]) -> ReadAnswer:
    if not isinstance(found, dict):
        return ReadAnswer(None, None, (*caveats, "the body is no JSON object"), finished=False)
    if "response" in found and "candidates" not in found and isinstance(found["response"], dict):
        found = found["response"]  # Code Assist's wrapping
    error = error_in(found)
    if error is not None:
        return ReadAnswer(None, error, caveats)
    try:
        return ReadAnswer(CODECS[wire_format].parse_reply(found), None, caveats, finished=not caveats)
    except Untranslatable as reason:
        return ReadAnswer(None, None, (*caveats, f"not an answer of {wire_format}: {reason}"), finished=False)


def _stream(body: bytes, wire_format: WireFormat, caveats: tuple[str, ...] = ()) -> ReadAnswer:
    parser, gathered = CODECS[wire_format].parser(), Accumulator()
    error: ProviderError | None = None
    ended = said = False
    if len(body) > WHOLE_BYTES:
        caveats = (*caveats, f"only the first {size_words(WHOLE_BYTES)} of {size_words(len(body))} were read")
        body = body[:WHOLE_BYTES]
    body = _unwrapped(body) if wire_format is WireFormat.GEMINI and b'"response"' in body[:4096] else body
    for event in (*parser.feed(body), *parser.close()):
        said = True
        gathered.feed(event)
        ended = ended or isinstance(event, Ended | Finished)
        error = event.error if isinstance(event, Failed) else error
    if not said:
        return ReadAnswer(None, None, (*caveats, f"not a stream of {wire_format}"), finished=False)
    return ReadAnswer(gathered.reply, error, caveats, finished=ended)


def _array(found: Any, body: bytes, wire_format: WireFormat) -> ReadAnswer:
    """Gemini's stream without `alt=sse`: one JSON array, piece by piece."""
    caveats: list[str] = []
    if found is None:
        found, caveats = _mended(body)
    if wire_format is not WireFormat.GEMINI or not isinstance(found, list):
        return ReadAnswer(None, None, (*caveats, "the body is no JSON object"), finished=False)
    frames = b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in found)
    return _stream(frames, wire_format, tuple(caveats))


def _unwrapped(body: bytes) -> bytes:
    """A stream of Code Assist without its wrapping; any other as it is."""
    parser = SseParser()
    pieces: list[bytes] = []
    for event in (*parser.feed(body), *parser.close()):
        try:
            said = read_json(event.data)
        except ValueError:
            return body
        if not isinstance(said, dict) or not isinstance(said.get("response"), dict):
            return body
        pieces.append(b"data: " + json.dumps(said["response"]).encode() + b"\n\n")
    return b"".join(pieces)


def _object(body: bytes) -> tuple[Any, list[str], int]:
    """The JSON of a body; what was the matter with it; and how many of the first messages it lacks."""
    if len(body) > WHOLE_BYTES:
        return _last_part(body)
    try:
        return read_json(body), [], 0
    except ValueError:
        return *_mended(body), 0


def _mended(body: bytes) -> tuple[Any, list[str]]:
    """What can be read of JSON that is broken."""
    text = body[:MEND_BYTES].decode("utf-8", "replace")
    whole = mended(text)
    if not whole:
        return None, []
    try:
        found = read_json(whole)
    except ValueError:
        return None, []
    return found, [f"the body, {size_words(len(body))}, is no whole JSON: this is what its beginning says"]


def _last_part(body: bytes) -> tuple[Any, list[str], int]:
    """The end of a conversation whose body is too long to be built whole."""
    try:
        top = _top(body)
    except (ValueError, RecursionError):
        return *_mended(body), 0
    caveats: list[str] = []
    skipped = 0
    found: dict[str, Any] = {}
    for key, raw in top.items():
        if key in MESSAGES_KEYS and memoryview(raw)[0] == ord("["):
            found[key], skipped, too_long = _last_items(raw)
            caveats += [f"a message of {size_words(size)} is left out" for size in too_long]
        elif len(raw) > VALUE_BYTES:
            caveats.append(f"'{key}' is left out: it has {size_words(len(raw))}")
        else:
            found[key] = _value(raw)
    return found, caveats, skipped


def _last_items(raw: Raw) -> tuple[list[Any], int, list[int]]:
    """As many of the last messages as may be built, how many came before them, and the sizes of those too long."""
    items = _items(raw)
    kept: list[Any] = []
    too_long: list[int] = []
    left = WHOLE_BYTES
    for item in reversed(items):
        if len(item) > WHOLE_BYTES:
            too_long.append(len(item))
            continue
        left -= len(item)
        if left < 0:
            break
        kept.append(_value(item))
    skipped = len(items) - len(kept) - len(too_long)
    return [item for item in reversed(kept) if item is not None], skipped, too_long


def _value(raw: Raw) -> Any:
    try:
        return read_json(bytes(raw))
    except ValueError:
        return None
