"""Requests of Chat Completions both ways.

Parsing keeps what it does not read as leftovers (see leftovers.py); rendering one from another format says what the
model's family takes (families.py) and declares the rest. Source: OpenAI "Create chat completion", accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import (
    AnswerFormat,
    Conversation,
    Json,
    Message,
    Role,
    Text,
)
from ringlet_mitm.addons.wire.chat.families import Family, family_of
from ringlet_mitm.addons.wire.chat.leftovers import is_own, leftovers, restored
from ringlet_mitm.addons.wire.chat.messages import MessageReader, write_message
from ringlet_mitm.addons.wire.chat.options import (
    read_answer_format,
    read_options,
    write_answer_format,
    write_options,
)
from ringlet_mitm.addons.wire.chat.parts import read_mark, write_mark
from ringlet_mitm.addons.wire.chat.reasoning import is_off, read_reasoning, write_reasoning
from ringlet_mitm.addons.wire.chat.tools import read_choice, read_tools, write_choice, write_tools
from ringlet_mitm.addons.wire.chat.transcript import transcript
from ringlet_mitm.addons.wire.codec import Rendered, Untranslatable, within_depth, write_json
from ringlet_mitm.addons.wire.schemas import fitted_schema
from ringlet_mitm.rules.shapes import Loss, WireFormat

CHAT = WireFormat.CHAT


@within_depth("the request")
def parse_request(body: Json, path: str) -> Conversation:
    """What a request says; `path` says nothing more.

    Raises Untranslatable where there are no messages.
    """
    said = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(said, list):
        raise Untranslatable("a Chat request has a list `messages`; this one has none")
    reader = MessageReader()
    model, options = body.get("model"), body.get("stream_options")
    parallel = body.get("parallel_tool_calls")
    store = body.get("store")
    conversation = Conversation(
        model=model if isinstance(model, str) else "",
        messages=tuple(reader.read(one) for one in said if isinstance(one, dict)),
        tools=read_tools(body),
        tool_choice=read_choice(body),
        parallel_calls=parallel if isinstance(parallel, bool) else None,
        reasoning=read_reasoning(body),
        answer_format=read_answer_format(body),
        options=read_options(body),
        stream=body.get("stream") is True,
        usage_chunk=isinstance(options, dict) and options.get("include_usage") is True,
        store=store if isinstance(store, bool) else None,
        cache=read_mark(body),
    )
    written = {**_written(conversation, family_of(conversation.model), {}, own=True)}
    if all(isinstance(one, dict) for one in said):
        written["messages"] = said  # each message has its own leftovers
    return replace(conversation, native=leftovers(body, written))


@within_depth("the request")
def render_request(conversation: Conversation) -> Rendered:
    """The request in Chat, and what did not fit.

    Raises Untranslatable where several answers are wanted: only Chat has them.
    """
    own = is_own(conversation.native)
    if not own and (conversation.options.candidates or 1) > 1:
        raise Untranslatable("several candidates are asked for, which no other format can hold; ask for one")
    return _rendered(conversation, own=own)


def _rendered(conversation: Conversation, *, own: bool) -> Rendered:
    family = family_of(conversation.model)
    losses: dict[str, str] = {}
    body = _written(conversation, family, {} if own else losses, own=own)
    thinks = not is_off(conversation.reasoning)
    messages = transcript(conversation, family, losses, thinks=thinks)
    if not own and conversation.answer_format is not None and not family.schemas:
        messages = _with_schema(messages, conversation.answer_format, losses)
    body["messages"] = [write_message(message) for message in messages]
    if not own and not body["messages"]:
        raise Untranslatable("there is no message that Chat could hold")
    body = restored(body, conversation.native)
    return Rendered(body, tuple(Loss(what, why) for what, why in losses.items()))


def _written(conversation: Conversation, family: Family, losses: dict[str, str], *, own: bool) -> Json:
    """All but the messages."""
    body: Json = {"model": conversation.model, "messages": []}
    body |= write_tools(conversation, family, losses)
    body |= write_choice(conversation, family)
    tools = "tools" in body
    body |= write_reasoning(conversation.reasoning, family, tools=tools and not own, losses=losses)
    body |= _answer_format(conversation.answer_format, family, losses, own=own)
    body |= write_options(conversation, family, losses)
    if own or family.marks:
        body |= write_mark(conversation.cache)
    if conversation.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _answer_format(form: AnswerFormat | None, family: Family, losses: dict[str, str], *, own: bool) -> Json:
    if own or form is None or form.schema is None:
        return write_answer_format(form)
    if not family.schemas:
        losses.setdefault("answer schema", "this model is told it in words, nothing enforces it")
        return {"response_format": {"type": "json_object"}}
    schema, lost = fitted_schema(form.schema, CHAT, strict=bool(form.strict))
    for loss in lost:
        losses.setdefault(loss.what, loss.why)
    return write_answer_format(replace(form, schema=schema))


def _with_schema(messages: list[Message], form: AnswerFormat, losses: Mapping[str, str]) -> list[Message]:
    """DeepSeek wants the word JSON in the prompt, and to be told the form there."""
    text = "Answer with a JSON object and nothing else."
    if form.schema is not None:
        text += f" It has to fit this JSON schema:\n{write_json(form.schema).decode()}"
    if messages and messages[0].role is Role.SYSTEM:
        return [replace(messages[0], blocks=(*messages[0].blocks, Text(text)), native=None), *messages[1:]]
    return [Message(Role.SYSTEM, (Text(text),)), *messages]
