"""Whole answers of Chat Completions both ways.

Leftovers stand where they came from: `native` has the answer's own fields by their names and, under `choices`, a list:
of the first choice what is beyond (its message's under `message`), the others whole. Sources: OpenAI "The chat
completion object", OpenRouter "Errors" (`choices[].error`), Moonshot (`choices[].usage`); accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msgspec import DecodeError, ValidationError, convert

from ringlet_mitm.addons.wire.canonical import (
    Block,
    Foreign,
    Json,
    Media,
    MediaKind,
    Native,
    Refusal,
    Reply,
    Stop,
    ToolCall,
    ToolResult,
    fields_of,
)
from ringlet_mitm.addons.wire.chat.leftovers import leftovers, restored
from ringlet_mitm.addons.wire.chat.messages import assistant_blocks, assistant_message
from ringlet_mitm.addons.wire.codec import AnswerContext, Rendered, Untranslatable, within_depth, write_json
from ringlet_mitm.addons.wire.faults import error_in
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.stops import stop_of, stop_word
from ringlet_mitm.addons.wire.usage_fields import ChatUsage
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss, WireFormat

CHAT = WireFormat.CHAT
ALONE = "Chat has no place for it in an answer"
UNSAID = ()  # equals nothing that JSON says
_usage = LenientDecoder(ChatUsage)


@within_depth("the answer")
def parse_reply(body: Json) -> Reply:
    """What an answer says; of several candidates the first.

    Raises Untranslatable where it is an error, or has no choices.
    """
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        error = error_in(body)
        raise Untranslatable(f"the provider answers: {error.message}" if error else "the answer has no choices")
    message = first.get("message")
    message = message if isinstance(message, dict) else {}
    answer_id, model, created = body.get("id"), body.get("model"), body.get("created")
    word = first.get("finish_reason")
    name = answer_id if isinstance(answer_id, str) else ""
    blocks = assistant_blocks(message, name)
    reply = Reply(
        id=name,
        model=model if isinstance(model, str) else "",
        blocks=blocks,
        stop=stop_in(word, blocks),
        usage=figures_in(body, first),
        stop_said=word if isinstance(word, str) else "",
        created=created if type(created) is int else None,
    )
    return replace(reply, native=_left(body, first, message, reply))


def render_reply(reply: Reply, context: AnswerContext) -> Rendered:
    """The answer as the agent reads it."""
    losses: dict[str, str] = {}
    for block in reply.blocks:
        if not can_say(block):
            losses.setdefault(name_of(block), ALONE)
    blocks = tuple(block for block in reply.blocks if can_say(block))
    body = _written(replace(reply, blocks=blocks), context)
    return Rendered(_laid_over(body, reply.native), tuple(Loss(what, why) for what, why in losses.items()))


def usage_in(said: Any) -> Usage | None:
    """The figures of a usage object; nothing but zeros is no report."""
    if not isinstance(said, dict):
        return None
    try:
        figures = convert(said, ChatUsage)
    except (ValidationError, UnicodeError):
        figures = _lenient(said)
    usage = figures.usage()
    return usage if usage.total_input or usage.total_output else None


def _lenient(said: Json) -> ChatUsage:
    try:
        return _usage.decode(write_json(said))
    except (DecodeError, UnicodeError):  # half a character in it, which JSON can hold and text cannot
        return ChatUsage()


def figures_in(body: Mapping[str, Any], choice: Mapping[str, Any]) -> Usage | None:
    """Usage wherever a vendor puts it: at the top, in the choice (Moonshot), in `x_groq`."""
    corner = body.get("x_groq")
    places = (body.get("usage"), choice.get("usage"), corner.get("usage") if isinstance(corner, dict) else None)
    return next((usage for place in places if (usage := usage_in(place)) is not None), None)


def stop_in(word: Any, blocks: tuple[Block, ...]) -> Stop:
    """Why the model stopped; one that only refuses says `stop` for it."""
    calls = any(isinstance(block, ToolCall) for block in blocks)
    stop = stop_of(word if isinstance(word, str) else None, CHAT, calls=calls)
    refuses = any(isinstance(block, Refusal) for block in blocks)
    return Stop.REFUSAL if refuses and stop is Stop.END else stop


def can_say(block: Block) -> bool:
    """Whether an answer of Chat has a place for it."""
    if isinstance(block, Media):
        return block.kind is MediaKind.IMAGE and bool(block.data or block.url)
    return block.format is CHAT if isinstance(block, Foreign) else not isinstance(block, ToolResult)


def name_of(block: Block) -> str:
    """What a block is called in the list of losses."""
    if isinstance(block, Foreign):
        return block.what
    return block.kind.value if isinstance(block, Media) else type(block).__name__.lower()


def _left(body: Json, choice: Json, message: Json, reply: Reply) -> Native:
    written = _written(reply, None)
    its_choice = written["choices"][0]
    if isinstance(choice.get("message"), dict):
        in_choice = dict(leftovers(choice, {**its_choice, "message": message}).fields)
        beyond = leftovers(message, its_choice["message"]).fields
        in_choice |= {"message": beyond} if beyond else {}
    else:
        in_choice = dict(leftovers(choice, its_choice).fields)
    fields = dict(leftovers(body, {**written, "choices": body["choices"]}).fields)
    if in_choice or len(body["choices"]) > 1:
        fields["choices"] = [in_choice, *body["choices"][1:]]
    return Native(CHAT, fields)


def _laid_over(body: Json, native: Native | None) -> Json:
    fields = dict(fields_of(native, CHAT))
    first, *others = fields.pop("choices", [{}])
    beyond = dict(first)
    choice = body["choices"][0]
    in_message = beyond.get("message")
    if isinstance(in_message, Mapping):
        beyond["message"] = restored(choice["message"], Native(CHAT, in_message))
    choice = restored(choice, Native(CHAT, beyond))
    return restored({**body, "choices": [choice, *others]}, Native(CHAT, fields))


def _written(reply: Reply, context: AnswerContext | None) -> Json:
    created = reply.created if reply.created is not None else context.created if context else UNSAID
    choice = {
        "index": 0,
        "message": assistant_message(reply.blocks),
        "logprobs": None,
        "finish_reason": stop_word(reply.stop, CHAT),
    }
    body: Json = {
        "id": reply.id or (context.id if context else UNSAID),
        "object": "chat.completion",
        "created": created,
        "model": reply.model or (context.model if context else UNSAID),
        "choices": [choice],
    }
    return {**body, "usage": rendered_usage(CHAT, reply.usage)} if reply.usage is not None else body
