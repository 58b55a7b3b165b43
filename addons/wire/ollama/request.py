"""Requests to Ollama's `/api/chat`, both ways.

Sources: Ollama API reference "Generate a chat message", "Thinking", "Tool calling", "Structured outputs"; its server's
checks of `think`; accessed 2026-11-21.
"""

from __future__ import annotations

from typing import Any

from ringlet_mitm.addons.wire.canonical import Conversation, Foreign, Json, Message, Native, Role, Tool, fields_of
from ringlet_mitm.addons.wire.codec import Rendered, Untranslatable, within_depth
from ringlet_mitm.addons.wire.leftovers import laid_over, leftovers, said_once
from ringlet_mitm.addons.wire.ollama.messages import own_message, parse_messages, rendered_messages
from ringlet_mitm.addons.wire.ollama.options import (
    option_losses,
    own_format,
    own_options,
    own_thinking,
    parse_format,
    parse_options,
    parse_thinking,
    rendered_format,
    rendered_thinking,
)
from ringlet_mitm.addons.wire.ollama.tools import OLLAMA, own_tool, parse_tools, rendered_tools
from ringlet_mitm.rules.shapes import Loss

NESTED = ("options",)


@within_depth("the request")
def parse_request(body: Json, path: str) -> Conversation:
    """What a request to Ollama says. Raises Untranslatable where it has no messages."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise Untranslatable("the request has no list of messages")
    model = body.get("model")
    read: dict[str, Any] = {
        "model": model if isinstance(model, str) else "",
        "messages": parse_messages(messages),
        "tools": parse_tools(body.get("tools")),
        "reasoning": parse_thinking(body),
        "answer_format": parse_format(body),
        "options": parse_options(body),
        "stream": body.get("stream") is not False,
    }
    own = Conversation(**read, native=Native(OLLAMA, {}))
    return Conversation(**read, native=Native(OLLAMA, leftovers(body, _own_body(own), NESTED)))


@within_depth("the request")
def render_request(conversation: Conversation) -> Rendered:
    """A request to Ollama, and what it could not say."""
    if conversation.native is not None and conversation.native.format is OLLAMA:
        return Rendered(_own_body(conversation))
    return _rendered(conversation)


def _own_body(conversation: Conversation) -> Json:
    """A conversation that came in this format: word for word."""
    body: Json = {"messages": [own_message(message) for message in conversation.messages]}
    if conversation.model:
        body["model"] = conversation.model
    if conversation.tools:
        body["tools"] = [own_tool(tool) for tool in conversation.tools if isinstance(tool, Tool)]
    if not conversation.stream:
        body["stream"] = False
    body |= own_thinking(conversation.reasoning) | own_format(conversation.answer_format)
    body |= own_options(conversation.options)
    return laid_over(body, fields_of(conversation.native, OLLAMA), NESTED)


def _rendered(conversation: Conversation) -> Rendered:
    losses: list[Loss] = [
        Loss(block.what, "Ollama has nothing like it") for block in conversation.system if isinstance(block, Foreign)
    ]
    messages = conversation.messages
    if conversation.system:
        messages = (Message(Role.SYSTEM, conversation.system), *messages)
    body: Json = {"model": conversation.model, "messages": rendered_messages(messages, losses)}
    if tools := rendered_tools(conversation, losses):
        body["tools"] = tools
    if tools and conversation.parallel_calls is False:
        losses.append(Loss("parallel tool calls", "Ollama cannot limit them to one at a time"))
    body["stream"] = conversation.stream
    body |= rendered_thinking(conversation.reasoning, conversation.model, losses)
    body |= rendered_format(conversation.answer_format, losses)
    body |= own_options(conversation.options)
    losses += option_losses(conversation.options)
    if conversation.previous_id:
        losses.append(Loss("previous response", "Ollama stores none"))
    return Rendered(body, said_once(losses))
