"""Requests to Ollama, and the vendor's published description of them to check them by."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from bodies import png
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict  # pydantic wants it before Python 3.12

from ringlet_mitm.addons.wire.canonical import Conversation, Json, Message
from ringlet_mitm.addons.wire.ollama.request import render_request

PNG = png(2, 2)


STRICT = ConfigDict(extra="forbid")


class Function(TypedDict):
    __pydantic_config__ = STRICT
    name: str
    arguments: dict[str, Any]
    index: NotRequired[int]


class Call(TypedDict):
    __pydantic_config__ = STRICT
    id: NotRequired[str]
    function: Function


class Said(TypedDict):
    __pydantic_config__ = STRICT
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    thinking: NotRequired[str]
    images: NotRequired[list[str]]
    tool_calls: NotRequired[list[Call]]
    tool_name: NotRequired[str]
    tool_call_id: NotRequired[str]


class Offered(TypedDict):
    __pydantic_config__ = STRICT
    name: str
    description: NotRequired[str]
    parameters: dict[str, Any]


class OfferedTool(TypedDict):
    __pydantic_config__ = STRICT
    type: Literal["function"]
    function: Offered


class Knobs(TypedDict, total=False):
    __pydantic_config__ = STRICT
    num_predict: int
    temperature: float
    top_p: float
    top_k: int
    seed: int
    presence_penalty: float
    frequency_penalty: float
    stop: list[str]


class ChatRequest(TypedDict):
    """The vendor's published description of `/api/chat` and its ids of calls (0.12.10), nothing beyond allowed."""

    __pydantic_config__ = STRICT
    model: str
    messages: list[Said]
    stream: bool
    tools: NotRequired[list[OfferedTool]]
    think: NotRequired[bool | Literal["low", "medium", "high"]]
    format: NotRequired[Literal["json"] | dict[str, Any]]
    options: NotRequired[Knobs]
    logprobs: NotRequired[bool]
    top_logprobs: NotRequired[int]


VENDOR = TypeAdapter(ChatRequest)


def same(one: Any, other: Any) -> bool:
    """JSON values, with 1, 1.0 and true told apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def rendered(*messages: Message, **more: Any) -> tuple[Json, list[str]]:
    found = render_request(Conversation(**{"model": "m", "messages": messages, **more}))
    VENDOR.validate_python(found.body)
    return found.body, [loss.what for loss in found.losses]
