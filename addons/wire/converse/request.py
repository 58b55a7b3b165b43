"""Requests of Bedrock's Converse and ConverseStream, both ways. Model and method are in the path.

Sources: Bedrock API reference, Converse, ConverseStream, Message, ContentBlock; what its validation refuses as people
report it; accessed 2026-11-21.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile
from typing import Any
from urllib.parse import unquote

from ringlet_mitm.addons.wire.canonical import (
    ChoiceMode,
    Conversation,
    Foreign,
    Json,
    Message,
    Native,
    Role,
    Text,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import Rendered, Untranslatable, within_depth
from ringlet_mitm.addons.wire.converse.content import own_content, parse_content, said_leftovers
from ringlet_mitm.addons.wire.converse.families import family_of, signer_of
from ringlet_mitm.addons.wire.converse.media import CONVERSE
from ringlet_mitm.addons.wire.converse.messages import MOST_MARKS, Writer, count_marks
from ringlet_mitm.addons.wire.converse.options import (
    NESTED,
    most_tokens,
    own_options,
    parse_format,
    parse_options,
    rendered_options,
)
from ringlet_mitm.addons.wire.converse.thinking import parse_thinking, rendered_thinking
from ringlet_mitm.addons.wire.converse.tools import own_config, parse_choice, parse_tools, rendered_config
from ringlet_mitm.addons.wire.leftovers import laid_over, leftovers, said_once
from ringlet_mitm.rules.shapes import Loss

PATH = re.compile(r"/model/(?P<model>.+)/(?P<method>converse(?:-stream)?)$")
ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}


@within_depth("the request")
def parse_request(body: Json, path: str) -> Conversation:
    """What a request to Converse says. Raises Untranslatable where it has no messages, or the path no model."""
    found = PATH.search(path.partition("?")[0])
    if found is None:
        raise Untranslatable("the path is not /model/MODEL/converse or /model/MODEL/converse-stream")
    model = unquote(found["model"])
    config = body.get("toolConfig")
    read: dict[str, Any] = {
        "model": model,
        "messages": _messages(body.get("messages"), model),
        "system": _system(body.get("system")),
        "tools": parse_tools(config),
        "tool_choice": parse_choice(config),
        "reasoning": parse_thinking(body),
        "answer_format": parse_format(body),
        "options": parse_options(body),
        "stream": found["method"] == "converse-stream",
    }
    own = Conversation(**read, native=Native(CONVERSE, {}))
    return replace(own, native=Native(CONVERSE, leftovers(body, _own_body(own), NESTED)))


def _messages(found: Any, model: str) -> tuple[Message, ...]:
    if not isinstance(found, list):
        raise Untranslatable("the request has no list of messages")
    messages = []
    for at, said in enumerate(found):
        role = said.get("role") if isinstance(said, dict) else None
        if not isinstance(role, str) or "content" not in said:
            raise Untranslatable(f"messages[{at}] is no object with a role and a content")
        blocks = parse_content(said["content"], signer_of(model))
        known = ROLES.get(role, Role.USER)
        messages.append(Message(known, blocks, said_leftovers(said, blocks, known.value)))
    return tuple(messages)


def _system(found: Any) -> tuple[Text | Foreign, ...]:
    blocks = parse_content(found, CONVERSE)
    return tuple(
        block if isinstance(block, Text | Foreign) else Foreign(CONVERSE, own_content((block,))[0]) for block in blocks
    )


@within_depth("the request")
def render_request(conversation: Conversation) -> Rendered:
    """A request to Converse without its path, and what it could not say."""
    if conversation.native is not None and conversation.native.format is CONVERSE:
        return Rendered(_own_body(conversation))
    return _rendered(conversation)


def _own_body(conversation: Conversation) -> Json:
    """A conversation that came in this format: word for word."""
    body: Json = {"messages": [_own_message(message) for message in conversation.messages]}
    if conversation.system:
        body["system"] = own_content(conversation.system)
    body |= own_config(conversation.tools, conversation.tool_choice)
    body |= own_options(conversation.options, conversation.answer_format, conversation.reasoning)
    return laid_over(body, fields_of(conversation.native, CONVERSE), NESTED)


def _own_message(message: Message) -> Json:
    written: Json = {"role": message.role.value, "content": own_content(message.blocks)}
    return laid_over(written, fields_of(message.native, CONVERSE))


def _rendered(conversation: Conversation) -> Rendered:
    losses: list[Loss] = []
    family = family_of(conversation.model)
    writer = Writer(family, losses)
    leading = tuple(takewhile(lambda message: message.role is Role.SYSTEM, conversation.messages))
    system = writer.system((*conversation.system, *(block for message in leading for block in message.blocks)))
    messages = writer.messages(conversation.messages[len(leading) :])
    config = rendered_config(conversation, family, losses)
    demanded = config.get("toolConfig", {}).get("toolChoice")
    most = most_tokens(conversation.options, family, [])
    thinking = rendered_thinking(conversation.reasoning, family, most, messages, demanded is not None, losses)
    wishes = rendered_options(conversation.options, conversation.answer_format, family, thinking, losses)
    if wishes.system:
        system.append({"text": wishes.system})
    body: Json = {"messages": messages, **wishes.fields, **config}
    if system:
        body["system"] = system
    _one_at_a_time(conversation, body, losses)
    if conversation.cache is not None and family.caches and messages[-1]["role"] == "user":
        tools = config.get("toolConfig", {}).get("tools", ())
        if count_marks(tools, system, *(message["content"] for message in messages)) < MOST_MARKS:
            messages[-1]["content"].append(writer.point(conversation.cache))
    if conversation.previous_id:
        losses.append(Loss("previous response", "Bedrock stores none"))
    return Rendered(body, said_once(losses))


def _one_at_a_time(conversation: Conversation, body: Json, losses: list[Loss]) -> None:
    """Calls one at a time: a field of Claude's own, which Bedrock merges with its own tool choice."""
    config = body.get("toolConfig")
    if conversation.parallel_calls is not False or config is None:
        return
    if family_of(conversation.model).claude is None:
        losses.append(Loss("parallel tool calls", "Converse cannot limit them to one at a time"))
        return
    choice: Json = {"disable_parallel_tool_use": True}
    if "toolChoice" not in config:
        choice["type"] = ChoiceMode.AUTO.value
    body.setdefault("additionalModelRequestFields", {})["tool_choice"] = choice
