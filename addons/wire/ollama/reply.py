"""Whole answers of Ollama, both ways. They have no id; the model's name and the figures stand beside the message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from msgspec import DecodeError

from ringlet_mitm.addons.wire.canonical import (
    Block,
    Json,
    Message,
    Native,
    Reply,
    Role,
    Stop,
    Thinking,
    ToolCall,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import AnswerContext, Rendered, Untranslatable, within_depth, write_json
from ringlet_mitm.addons.wire.faults import error_in
from ringlet_mitm.addons.wire.leftovers import laid_over, leftovers, said_once
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.ollama.messages import drafted, own_message, parse_message
from ringlet_mitm.addons.wire.ollama.tools import OLLAMA
from ringlet_mitm.addons.wire.stops import stop_of, stop_word
from ringlet_mitm.addons.wire.usage_fields import OllamaUsage
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss

NESTED = ("message",)
_usage = LenientDecoder(OllamaUsage)


@within_depth("the answer")
def parse_reply(body: Json) -> Reply:
    """A whole answer. Raises Untranslatable where it is none."""
    said = body.get("message")
    if not isinstance(said, dict):
        error = error_in(body)
        raise Untranslatable(f"Ollama says: {error.message}" if error else "Ollama's answer has no message")
    message = parse_message(said, text_of(body, "created_at"))
    calls = any(isinstance(block, ToolCall) for block in message.blocks)
    reason = text_of(body, "done_reason")
    read: dict[str, Any] = {
        "id": "",
        "model": text_of(body, "model"),
        "blocks": message.blocks,
        "stop": stop_of(reason, OLLAMA, calls=calls),
        "usage": usage_in(body),
        "stop_said": reason,
        "created": created_in(body),
    }
    own = Reply(**read, native=Native(OLLAMA, {}))
    return Reply(**read, native=Native(OLLAMA, leftovers(body, _own_body(own), NESTED)))


def text_of(said: Json, key: str) -> str:
    """A field that is text; "" where it is absent or something else."""
    value = said.get(key)
    return value if isinstance(value, str) else ""


def usage_in(body: Json) -> Usage | None:
    """The figures beside a message; None where there are none."""
    figures = {key: value for key, value in body.items() if key in OllamaUsage.__struct_fields__}
    if not figures:
        return None
    try:
        return _usage.decode(write_json(figures)).usage()
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def created_in(body: Json) -> int | None:
    """When it was made, in seconds since the epoch."""
    try:
        found = datetime.fromisoformat(text_of(body, "created_at"))
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def timestamp(created: int) -> str:
    """The same as text."""
    try:
        return datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return timestamp(0)


def _own_body(reply: Reply) -> Json:
    """An answer that came in this format: word for word."""
    body: Json = {"message": own_message(Message(Role.ASSISTANT, reply.blocks))}
    if reply.model:
        body["model"] = reply.model
    if reply.stop_said:
        body["done_reason"] = reply.stop_said
    if reply.usage is not None:
        body |= rendered_usage(OLLAMA, reply.usage)
    return laid_over(body, fields_of(reply.native, OLLAMA), NESTED)


def render_reply(reply: Reply, context: AnswerContext) -> Rendered:
    """An answer as Ollama gives it, and what it could not say."""
    if reply.native is not None and reply.native.format is OLLAMA:
        return Rendered(_own_body(reply))
    losses: list[Loss] = []
    message = drafted((unsigned(block, losses) for block in reply.blocks), losses).message("assistant", "")
    created = timestamp(context.created if reply.created is None else reply.created)
    body: Json = {"model": reply.model or context.model, "created_at": created, "message": message}
    return Rendered(body | closing(reply.stop, reply.usage), said_once(losses))


def unsigned(block: Block, losses: list[Loss]) -> Block:
    """A block without a signature: Ollama has no place for one, not even to pass it on."""
    if not isinstance(block, Thinking):
        return block
    if block.signature:
        losses.append(Loss("thinking signature", "Ollama has no place for it"))
    return replace(block, signature="", signer=None)


def closing(stop: Stop, usage: Usage | None) -> Json:
    """What ends an answer: why, and the figures."""
    figures = rendered_usage(OLLAMA, usage) if usage is not None else {}
    return {"done": True, "done_reason": stop_word(stop, OLLAMA)} | figures
