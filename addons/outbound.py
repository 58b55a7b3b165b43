"""A request as it will leave for one target; every attempt, the first included, is prepared here.

Rejected: mutating the flow's request step by step. A second attempt would then start from the first one's leftovers
(a spliced model, another vendor's headers). So the agent's request is kept, and `prepare` is a pure function of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ringlet_mitm.addons.credentials.agent_headers import query_without_keys, without_credentials
from ringlet_mitm.rules.errors import NeedsTranslation
from ringlet_mitm.rules.peek import AgentRequest, Headers, Peek, Spans, Unreadable
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.shapes import Loss, WireFormat
from ringlet_mitm.rules.targets import Target

INCLUDE_USAGE = b'"stream_options":{"include_usage":true}'


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes `start` to `end` (exclusive) of the original body become `new`; an insertion where both are equal."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """All that an attempt is made of, whichever target it goes to."""

    request: AgentRequest
    peek: Peek | Unreadable
    decision: Decision


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request ready to be signed and sent. `edits` are relative to the agent's body; empty means untouched.

    `keeps_credentials` says that the agent's own are still in the headers, because it goes to the host they were sent to.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    edits: tuple[Edit, ...] = ()
    losses: tuple[Loss, ...] = ()
    hide_usage_chunk: bool = False
    keeps_credentials: bool = False


def prepare(turn: Turn, target: Target, *, replace_credentials: bool = False) -> Outbound:
    """The request for `target`, unsigned.

    `replace_credentials` drops the agent's own credentials even towards the host it asked for.
    Raises NeedsTranslation where the target speaks another wire format.
    """
    request = turn.request
    if target.format is not request.format:
        raise NeedsTranslation(
            f"rule '{turn.decision.label}' sends this {request.format} request to provider '{target.provider}', "
            f"which speaks {target.format}; translation between them is not built yet: choose a provider of the same format"
        )
    edits = _edits(turn, target)
    keeps = target.as_asked and not replace_credentials
    return Outbound(
        method=request.method,
        scheme=target.endpoint.scheme,
        host=target.endpoint.host,
        port=target.endpoint.port,
        path=_path(request, turn.peek, target, keeps),
        headers=request.headers if keeps else without_credentials(request.headers),
        body=apply_edits(request.body, edits) if edits else request.body,
        edits=edits,
        hide_usage_chunk=any(edit.new.startswith(INCLUDE_USAGE[:10]) or b"include_usage" in edit.new for edit in edits),
        keeps_credentials=keeps,
    )


def apply_edits(body: bytes, edits: tuple[Edit, ...]) -> bytes:
    """`body` with the edits made; they do not overlap, and are in the order of their places."""
    pieces: list[bytes] = []
    done = 0
    for edit in edits:
        pieces += (body[done : edit.start], edit.new)
        done = edit.end
    pieces.append(body[done:])
    return b"".join(pieces)


def _edits(turn: Turn, target: Target) -> tuple[Edit, ...]:
    if isinstance(turn.peek, Unreadable):
        return ()
    features, spans = turn.peek.features, turn.peek.spans
    edits: list[Edit] = []
    if spans.model is not None and target.model and target.model != features.model:
        edits.append(Edit(spans.model.start, spans.model.end, json.dumps(target.model).encode()))
    if features.format is WireFormat.CHAT and features.stream:
        edits += _ask_for_usage(turn.request.body, spans)
    return tuple(sorted(edits, key=lambda edit: edit.start))


def _ask_for_usage(body: bytes, spans: Spans) -> list[Edit]:
    """Chat streams say their usage only when asked; the agent that did not ask does not see the extra chunk."""
    span = spans.stream_options
    if span is None:
        comma = b"" if body[spans.after_brace :].lstrip().startswith(b"}") else b","
        return [Edit(spans.after_brace, spans.after_brace, INCLUDE_USAGE + comma)]
    try:
        options = json.loads(body[span.start : span.end])
    except ValueError:
        return []
    if options is not None and not isinstance(options, dict):
        return []
    options = options or {}
    if options.get("include_usage") is True:
        return []
    return [Edit(span.start, span.end, json.dumps({**options, "include_usage": True}).encode())]


def _path(request: AgentRequest, peek: Peek | Unreadable, target: Target, keeps: bool) -> str:
    path, _, query = request.path.partition("?")
    if request.format is WireFormat.GEMINI:
        path = _gemini_path(path, peek, target)
    elif not target.as_asked or request.direct:
        path = target.endpoint.path
    if not keeps:
        query = query_without_keys(query)
    return f"{path}?{query}" if query else path


def _gemini_path(path: str, peek: Peek | Unreadable, target: Target) -> str:
    """The model is a segment of the URL: it is replaced there, the method after the colon stays."""
    method = path.rpartition(":")[2]
    changed = not isinstance(peek, Unreadable) and target.model != peek.features.model
    if target.as_asked and not changed:
        return path
    if target.as_asked:
        head = path.rpartition("/")[0]
        return f"{head}/{target.model}:{method}"
    return target.endpoint.path.replace("{model}", target.model).replace("{method}", method)
