"""Steps of a fault script: right answers, and everything that can go wrong in place of one.

A step is played on a `Line`, for one request. Faults take the answer that would have been right and spoil it at one
place. Nothing here is shared with the product's codecs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

from ringlet_mitm.cli.demo.lines import Headers, Heard, Line
from ringlet_mitm.cli.demo.replies import STYLES, Json, gemini_array
from ringlet_mitm.cli.demo.script import answer

ENDS = {"/messages": "messages", "/chat/completions": "chat", "/responses": "responses"}
# What was said arrives by itself before what breaks it off.
SETTLE_S = 0.02
GARBAGE = b"\x00\x17ringlet\xff\xfe 220 not-http.example ESMTP\r\n\r\n" * 4


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one request. `in_handshake` steps are taken by a new connection, before there is a request."""

    name: str
    play: Callable[[Line], Awaitable[None]]
    in_handshake: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants: the format, "" where it is no model call; whether as a stream; its model and body."""

    style: str
    stream: bool
    model: str
    body: Json


@dataclass(frozen=True, slots=True)
class Reply:
    """The right answer, piece by piece."""

    content_type: str
    pieces: tuple[bytes, ...]

    @property
    def head(self) -> Headers:
        """Its headers."""
        return (("content-type", self.content_type), ("cache-control", "no-cache"))


def asked(heard: Heard) -> Asked:
    """A request, read."""
    path = heard.path.partition("?")[0]
    body: Json = json.loads(heard.body) if heard.body else {}
    if ":generateContent" in path or ":streamGenerateContent" in path:
        return Asked("gemini", ":stream" in path, path.rpartition("/")[2].partition(":")[0], body)
    style = next((style for end, style in ENDS.items() if path.endswith(end)), "")
    return Asked(style, bool(body.get("stream")), str(body.get("model", "")), body)


def right(heard: Heard) -> Reply:
    """What a vendor in good health answers."""
    wanted = asked(heard)
    if not wanted.style:
        return Reply("application/json", (b'{"object":"list","data":[],"ok":true}',))
    said = answer(heard.host, wanted.model, wanted.body, heard.body)
    style = STYLES[wanted.style]
    if not wanted.stream:
        return Reply("application/json", (json.dumps(style.whole(said)).encode(),))
    if wanted.style == "gemini" and "alt=sse" not in heard.path:
        return Reply("application/json", tuple(gemini_array(said)))
    return Reply("text/event-stream", tuple(style.stream(said, wanted.body)))


# HTTP status -> the word of Anthropic, of OpenAI, of Google (their references, "Errors", accessed 2026-11-21).
WORDS = {
    400: ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    401: ("authentication_error", "invalid_api_key", "UNAUTHENTICATED"),
    403: ("permission_error", "permission_denied", "PERMISSION_DENIED"),
    404: ("not_found_error", "model_not_found", "NOT_FOUND"),
    429: ("rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED"),
    500: ("api_error", "server_error", "INTERNAL"),
    503: ("overloaded_error", "server_overloaded", "UNAVAILABLE"),
    504: ("timeout_error", "timeout", "DEADLINE_EXCEEDED"),
    529: ("overloaded_error", "server_overloaded", "UNAVAILABLE"),
}


def error_object(style: str, status: int, word: str = "") -> Json:
    """A format's error, with the word that goes with the status, or another."""
    place = {"messages": 0, "gemini": 2}.get(style, 1)
    known = word or WORDS.get(status, WORDS[500])[place]
    text = f"as scripted: {status}"
    if style == "messages":
        return {"type": "error", "error": {"type": known, "message": text}, "request_id": "req_A"}
    if style == "gemini":
        return {"error": {"code": status, "message": text, "status": known}}
    return {"error": {"message": text, "type": known, "param": None, "code": known}}


def error_frame(style: str, status: int, word: str = "") -> bytes:
    """The same as an event of a stream."""
    said: Json = error_object(style, status, word)
    if style == "responses":
        said = {"type": "error", "sequence_number": 0} | {
            key: said["error"][key] for key in ("code", "message", "param")
        }
    name = "event: error\n" if style in ("messages", "responses") else ""
    return f"{name}data: {json.dumps(said)}\n\n".encode()


async def _say(line: Line, reply: Reply) -> None:
    line.head(200, reply.head, None if len(reply.pieces) > 1 else len(reply.pieces[0]))
    for piece in reply.pieces:
        await line.data(piece)
    line.end()


async def _say_some(line: Line, events: int) -> None:
    """The head and that many events; of an answer in one piece, its first half. The rest is missing."""
    reply = right(line.heard)
    whole = len(reply.pieces) == 1
    line.head(200, reply.head, len(reply.pieces[0]) if whole else None)
    pieces = (reply.pieces[0][: len(reply.pieces[0]) // 2],) if whole and events else reply.pieces[:events]
    for piece in pieces:
        await line.data(piece)
    await asyncio.sleep(SETTLE_S)


def ok() -> Step:
    """The right answer."""

    async def play(line: Line) -> None:
        await _say(line, right(line.heard))

    return Step("ok", play)


def status(code: int, *, headers: dict[str, str] | None = None, word: str = "", body: bytes | None = None) -> Step:
    """An error answer: the format's own, or a body as it is."""

    async def play(line: Line) -> None:
        said = json.dumps(error_object(asked(line.heard).style, code, word)).encode() if body is None else body
        line.head(code, (("content-type", "application/json"), *(headers or {}).items()), len(said))
        await line.data(said)
        line.end()

    return Step(f"status {code}", play)


def delay(ms: int, then: Step) -> Step:
    """Another step after a while."""

    async def play(line: Line) -> None:
        await asyncio.sleep(ms / 1000)
        await then.play(line)

    return Step(f"{then.name} after {ms} ms", play)


def _broken_off(name: str, events: int | None, how: Callable[[Line], None]) -> Step:
    async def play(line: Line) -> None:
        if events is not None:
            await _say_some(line, events)
        how(line)

    where = {None: "before headers", 0: "after headers"}.get(events, f"after {events} events")
    return Step(f"{name} {where}", play)


def reset(events: int | None = None) -> Step:
    """A TCP reset before the headers, after them (0), or in the middle of what follows that many events."""

    def how(line: Line) -> None:
        if events:
            line.half()
        line.reset()

    return _broken_off("reset", events, how)


def drop(events: int | None = None) -> Step:
    """The connection ends without TLS's goodbye, as where a machine is turned off behind a load balancer."""
    return _broken_off("drop", events, lambda line: line.drop())


def close(events: int | None = None) -> Step:
    """The connection ends properly, but too early."""
    return _broken_off("close", events, lambda line: line.close())


def reset_stream(events: int | None = None) -> Step:
    """RST_STREAM; HTTP/1.1, which has none: a TCP reset."""
    return _broken_off("RST_STREAM", events, lambda line: line.reset_stream())


def silent(events: int | None = None) -> Step:
    """Half open: nothing is answered, or nothing more after that many events (0: after the headers)."""

    async def play(line: Line) -> None:
        if events is not None:
            await _say_some(line, events)
        await asyncio.Event().wait()

    return Step("half-open" if events is None else f"silent after {events} events", play)


def garbage() -> Step:
    """Bytes that are no HTTP."""

    async def play(line: Line) -> None:
        line.raw(GARBAGE)
        await asyncio.sleep(SETTLE_S)
        line.close()

    return Step("garbage", play)


def error_first(code: int = 529, word: str = "") -> Step:
    """A 200 whose first event is an error; of an answer that is no stream, whose body is one."""

    async def play(line: Line) -> None:
        wanted = asked(line.heard)
        whole = json.dumps(error_object(wanted.style, code, word)).encode()
        kind, said = ("text/event-stream", error_frame(wanted.style, code, word)) if wanted.stream else ("", whole)
        await _say(line, Reply(kind or "application/json", (said,)))

    return Step("error as first event", play)


def error_after(events: int, code: int = 529) -> Step:
    """An error event in the middle of a stream; what is no stream has no middle."""

    async def play(line: Line) -> None:
        if not asked(line.heard).stream:
            await error_first(code).play(line)
            return
        await _say_some(line, events)
        await line.data(error_frame(asked(line.heard).style, code))
        line.end()

    return Step(f"error after {events} events", play)


def slow_drip(pause_ms: int = 0, sizes: Sequence[int] = (1,)) -> Step:
    """The right answer, byte by byte, or in pieces of these sizes over and over."""

    async def play(line: Line) -> None:
        reply = right(line.heard)
        line.head(200, reply.head)
        left = b"".join(reply.pieces)
        for size in cycle(sizes):
            if not left:
                break
            piece, left = left[:size], left[size:]
            await line.data(piece)
            await asyncio.sleep(pause_ms / 1000)
        line.end()

    return Step("slow drip", play)


def wrong_length(more: int) -> Step:
    """A content-length that is so much larger (or smaller) than what comes."""

    async def play(line: Line) -> None:
        reply = right(line.heard)
        said = b"".join(reply.pieces)
        line.head(200, reply.head, len(said) + more)
        await line.data(said)
        line.end()
        await asyncio.sleep(SETTLE_S)
        line.close()

    return Step(f"content-length {'too long' if more > 0 else 'too short'}", play)


def go_away_before() -> Step:
    """GOAWAY that leaves this request out; HTTP/1.1: a connection that is closed under it."""

    async def play(line: Line) -> None:
        line.go_away(taken=False)

    return Step("GOAWAY before", play)


def go_away_during() -> Step:
    """GOAWAY, then the right answer: a server that is taken out of use. HTTP/1.1: `connection: close`."""

    async def play(line: Line) -> None:
        line.go_away(taken=True)
        await asyncio.sleep(SETTLE_S)
        await ok().play(line)

    return Step("GOAWAY during", play)


def go_away_after() -> Step:
    """The right answer, then GOAWAY and the end; HTTP/1.1: the end, unannounced."""

    async def play(line: Line) -> None:
        await ok().play(line)
        await asyncio.sleep(SETTLE_S)
        line.go_away(taken=True)
        line.close()

    return Step("GOAWAY after", play)


def wrong_certificate() -> Step:
    """A certificate that nobody trusts; on a connection that stands already, a reset."""

    async def play(line: Line) -> None:
        line.reset()

    return Step("wrong certificate", play, in_handshake=True)
