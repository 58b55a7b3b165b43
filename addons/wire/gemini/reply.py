"""Whole answers: GenerateContentResponse both ways."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msgspec import DecodeError

from ringlet_mitm.addons.wire.canonical import Block, Json, Native, Refusal, Reply, Stop, ToolCall
from ringlet_mitm.addons.wire.codec import AnswerContext, Rendered, Untranslatable, within_depth, write_json
from ringlet_mitm.addons.wire.gemini.answer import AnswerParts, candidate, estimated, named
from ringlet_mitm.addons.wire.gemini.fields import (
    GEMINI,
    Whole,
    field,
    inner,
    leftover,
    over,
    own,
    several,
    text,
)
from ringlet_mitm.addons.wire.gemini.parts import CallBook, answer_stem, blocks_of
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.stops import stop_of, stop_word
from ringlet_mitm.addons.wire.usage_fields import GeminiUsage
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss

DEEP = ("content",)
_usage = LenientDecoder(GeminiUsage)


@within_depth("the answer")
def parse_reply(body: Json) -> Reply:
    """A whole answer."""
    if not isinstance(body, dict) or not (field(body, "candidates") or blocked(body) or inner(body, "usageMetadata")):
        raise Untranslatable("the answer has no candidates")
    first = next(iter(candidates_in(body)), {})
    parts = several(inner(first, "content"), "parts")
    blocks = tuple(blocks_of(parts, CallBook(stem_of(body)))) if first else tuple(block_message(body))
    said = text(first, "finishReason") or ("" if first else blocked(body))
    calls = any(isinstance(block, ToolCall) for block in blocks)
    reply = Reply(
        text(body, "responseId"),
        text(body, "modelVersion"),
        blocks,
        stop_of(said, GEMINI, calls=calls) if first or not said else Stop.SAFETY,
        usage_in(body),
        stop_said=said,
    )
    return replace(reply, native=Native(GEMINI, _left(body, first, reply)))


@within_depth("the answer")
def render_reply(reply: Reply, context: AnswerContext) -> Rendered:
    """A whole answer for an agent."""
    losses: list[Loss] = []
    writer = AnswerParts(losses)
    if reply.native is not None and reply.native.format is GEMINI:
        return Rendered(_own(reply, own(reply.native), writer), tuple(losses))
    written = _candidate(reply, writer)
    usage = reply.usage or estimated(context.estimated_input)
    body = {
        "candidates": [{**written, "index": 0}],
        "usageMetadata": rendered_usage(GEMINI, usage),
        **named(reply.model or context.model, reply.id or context.id),
    }
    return Rendered(body, tuple(losses))


def usage_in(body: Mapping[str, Any]) -> Usage | None:
    """The usage of an answer or a chunk; None where it reports none."""
    found = inner(body, "usageMetadata")
    if not found:
        return None
    try:
        return _usage.decode(write_json(found)).usage()
    except (DecodeError, UnicodeDecodeError):
        return None


def candidates_in(body: Mapping[str, Any]) -> list[Json]:
    """The candidates, the one that is read first."""
    found = [one for one in several(body, "candidates") if isinstance(one, dict)]
    return sorted(found, key=lambda one: one.get("index") not in (None, 0))


def blocked(body: Mapping[str, Any]) -> str:
    """The word for why a prompt is not answered; "" where it is."""
    return text(inner(body, "promptFeedback"), "blockReason")


def block_message(body: Mapping[str, Any]) -> list[Block]:
    """What Google says about a prompt that it does not answer."""
    message = text(inner(body, "promptFeedback"), "blockReasonMessage")
    return [Refusal(message)] if message else []


def stem_of(body: Mapping[str, Any]) -> str:
    """How the ids of an answer's calls begin: its own name, or what its first chunk says where it has none."""
    return answer_stem(text(body, "responseId") or hashlib.sha256(write_json(body)).hexdigest()[:20])


def _left(body: Json, first: Json, reply: Reply) -> Mapping[str, Any]:
    if not several(body, "candidates") or body["candidates"][0] is not first:
        return Whole(body)  # nothing that could be changed block by block
    rest = {name: value for name, value in body.items() if name != "candidates"}
    fields = leftover(rest, _top(reply))
    candidates = [leftover(first, _candidate(reply, AnswerParts([])), DEEP)]
    candidates += body["candidates"][1:]
    return {**fields, "candidates": candidates}


def _top(reply: Reply) -> Json:
    usage = {"usageMetadata": rendered_usage(GEMINI, reply.usage)} if reply.usage is not None else {}
    return {**usage, **named(reply.model, reply.id)}


def _candidate(reply: Reply, writer: AnswerParts) -> Json:
    parts = [part for block in reply.blocks for part in writer.whole(block)]
    return candidate(parts + writer.end(), stop_word(reply.stop, GEMINI))


def _own(reply: Reply, fields: Mapping[str, Any], writer: AnswerParts) -> Json:
    if isinstance(fields, Whole):
        return dict(fields)
    left, *others = fields.get("candidates") or ({},)
    rest = {name: value for name, value in fields.items() if name != "candidates"}
    return over(_top(reply), {**rest, "candidates": [over(_candidate(reply, writer), left, DEEP), *others]})
