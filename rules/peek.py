"""The only cheap reader of a request body: features to decide on, and the spans that may be edited."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from msgspec import Raw
from xxhash import xxh3_64_hexdigest, xxh3_128_digest

from ringlet_mitm.rules.agents import recognise, session_of
from ringlet_mitm.rules.projects import FRONT, project_of
from ringlet_mitm.rules.prose import text_of
from ringlet_mitm.rules.remembering import Remembered
from ringlet_mitm.rules.shapes import Headers, WireFormat, is_enveloped
from ringlet_mitm.rules.skeleton import Skeleton, take_apart, text
from ringlet_mitm.rules.spots import Span, span_in
from ringlet_mitm.rules.tokens import TextParts, TokenBounds, bounds
from ringlet_mitm.rules.turns import carries_tool_result, contents, first_words, has_system_message, tools_offered

__all__ = ["AgentRequest", "Headers", "Peek", "RequestFeatures", "Span", "Spans", "Unreadable", "peek"]

# Words for "no thinking, please", in the spellings of all formats.
NOT_THINKING = frozenset({"disabled", "none", "off", ""})
# Claude Code before 2.1 wrote its session into the user id as text, later ones as JSON.
SESSION_IN_USER_ID = re.compile(r"session_([0-9a-fA-F-]{8,})")


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """What the agent sent; kept unchanged to the end, every attempt is prepared from it.

    `host` is the one the agent asked for; in base-URL mode (`direct`), where it asked the proxy itself, the host of the
    vendor whose format it speaks. `path` includes the query. `body` has its content-encoding undone.
    """

    format: WireFormat
    method: str
    scheme: str
    host: str
    port: int
    path: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    direct: bool = False

    def header(self, name: str) -> str:
        """The first value of a header, "" without one; `name` in lower case."""
        wanted = name.encode()
        for key, value in self.headers:
            if len(key) == len(wanted) and key.lower() == wanted:
                return value.decode("utf-8", "replace")
        return ""


@dataclass(frozen=True, slots=True)
class Spans:
    """Where an edit may go.

    The model's JSON string with its quotes, the `stream_options` value, the first byte after the opening brace, and the
    values of the top-level keys that a change of model may change.
    """

    model: Span | None
    stream_options: Span | None
    after_brace: int
    follow_model: tuple[tuple[str, Span], ...] = ()


@dataclass(frozen=True, slots=True)
class RequestFeatures:
    """All that rules may ask about; cheap, and small enough to record with the row.

    `provider` is the id of the provider that the agent asked (by host), "" where the host is nobody's. `project` is the
    last part of the folder that the agent works in, "" where it does not say.
    `exact_tokens` is None until somebody counted.
    """

    format: WireFormat
    path: str
    provider: str
    model: str
    stream: bool
    messages: int
    tools: int
    tool_result: bool
    has_system: bool
    thinking: bool
    images: int
    max_output_tokens: int | None
    agent: str
    session: str
    body_bytes: int
    token_bounds: TokenBounds
    exact_tokens: int | None = None
    headers: Headers = field(default=(), repr=False)
    project: str = ""


@dataclass(frozen=True, slots=True)
class Peek:
    """All that one pass over a body gives; `sealed` where there may be a signature sealed by us in it."""

    features: RequestFeatures
    spans: Spans
    parts: TextParts
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body without features, and why."""

    why: str


ProviderOf = Callable[[str], str]


def peek(request: AgentRequest, provider_of: ProviderOf) -> Peek | Unreadable:
    """Read a request once; `provider_of` gives the provider id of the host that was asked, "" where it is nobody's."""
    found = take_apart(request.format, request.body, is_enveloped(request.path))
    if isinstance(found, str):
        return Unreadable(found)
    shape, messages, tools = found.shape, found.items(found.shape.messages), found.items(found.shape.tools)
    system = found.raw(shape.system)
    segments = [raw for raw in (system, *_schemas(found), *tools, *messages) if raw is not None]
    digests = tuple(map(xxh3_128_digest, segments))
    inside = contents(request.format, segments, digests)
    parts = TextParts(tuple(segments), inside.tokens, digests)
    headers = _lowered(request.headers)
    agent = recognise(headers)
    features = RequestFeatures(
        format=request.format,
        path=request.path,
        provider=provider_of(request.host),
        model=_model(request, found),
        stream=_streams(request, found),
        messages=len(messages),
        tools=tools_offered(request.format, tools, messages),
        tool_result=carries_tool_result(messages),
        has_system=(system is not None and len(system) > 2) or has_system_message(messages),
        thinking=_thinks(found.value(shape.thinking)),
        images=inside.images,
        max_output_tokens=_whole(found.value(shape.max_tokens)),
        agent=agent,
        session=session_of(agent, headers) or _session(found, agent, system, messages),
        body_bytes=len(request.body),
        token_bounds=bounds(parts),
        headers=request.headers,
        project=project_of(agent, system, messages, _beginnings(system, messages, digests)),
    )
    return Peek(features, _spans(found), parts, inside.sealed)


def _beginnings(system: Raw | None, messages: list[Raw], digests: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The digests of the system prompt, if there is one, and of the first messages."""
    first = len(digests) - len(messages)
    return (*digests[: system is not None], *digests[first : first + FRONT])


def _lowered(headers: Headers) -> Mapping[str, str]:
    return {_name(name): value.decode("utf-8", "replace") for name, value in headers}


@lru_cache(maxsize=4096)
def _name(raw: bytes) -> str:
    return raw.decode("latin-1").lower()


def _schemas(found: Skeleton) -> tuple[Raw, ...]:
    """The answer's form, which the model reads too; built and written again, since it is short and lies deep."""
    schema = found.value(found.shape.schema)
    return (Raw(json.dumps({"schema": schema}).encode()),) if isinstance(schema, dict) else ()


def _model(request: AgentRequest, found: Skeleton) -> str:
    if found.envelope is not None:
        return text(found.envelope.model)
    if request.format is WireFormat.GEMINI:
        return unquote(request.path.partition("?")[0].rpartition("/")[2].rpartition(":")[0])
    return text(found.raw(found.shape.model))


def _streams(request: AgentRequest, found: Skeleton) -> bool:
    if request.format is WireFormat.GEMINI:
        return request.path.partition("?")[0].endswith(":streamGenerateContent")
    return found.value(found.shape.stream) is True


def _thinks(asked: Any) -> bool:
    if isinstance(asked, dict):
        return bool(asked) and asked.get("thinkingBudget", asked.get("thinking_budget")) not in (0, "0")
    return asked.lower() not in NOT_THINKING if isinstance(asked, str) else bool(asked)


def _whole(value: Any) -> int | None:
    """A count that fits a row's column; some servers take -1 for "no limit", which is what None says."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


_sessions: Remembered[str] = Remembered(4096)


def _session(found: Skeleton, agent: str, system: Raw | None, messages: list[Raw]) -> str:
    """What the body says; else a hash of what stays the same all through a conversation.

    Of the text and not of its JSON: agents move `cache_control` along from turn to turn.
    """
    said = found.value(found.shape.session)
    if isinstance(said, str) and (said := _in_user_id(found, said)):
        return said
    first = first_words(messages)
    beginnings = [raw for raw in (system, first) if raw is not None]
    if not beginnings:
        return ""
    key = agent.encode() + b"".join(map(xxh3_128_digest, beginnings))
    session = _sessions.get(key)
    if session is None:
        session = xxh3_64_hexdigest("\0".join((agent, *map(text_of, beginnings))).encode("utf-8", "replace"))
        _sessions.put(key, session)
    return session


def _in_user_id(found: Skeleton, said: str) -> str:
    """Messages has a user id only, and a person's is no session; Claude Code writes the session into it."""
    if found.shape.format is not WireFormat.MESSAGES:
        return said
    if said.startswith("{"):
        try:
            return str(json.loads(said).get("session_id") or "")
        except (ValueError, AttributeError, RecursionError):
            return ""
    inside = SESSION_IN_USER_ID.search(said)
    return inside[1] if inside else ""


def _spans(found: Skeleton) -> Spans:
    body = found.body
    model = found.envelope.model if found.envelope is not None else found.raw(found.shape.model)
    options = getattr(found.top, "stream_options", None)
    is_text = model is not None and bytes(model).startswith(b'"')
    return Spans(
        model=span_in(body, model) if model is not None and is_text else None,
        stream_options=span_in(body, options) if isinstance(options, Raw) else None,
        after_brace=body.find(b"{") + 1,
        follow_model=tuple(_following(found)),
    )


def _following(found: Skeleton) -> Iterator[tuple[str, Span]]:
    for key in found.shape.follows_model:
        raw = found.raw((key,))
        span = span_in(found.body, raw) if raw is not None else None
        if span is not None:
            yield key, span
