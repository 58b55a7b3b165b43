"""A request as it will leave for one target; every attempt, the first included, is prepared here.

Rejected: mutating the flow's request step by step. A second attempt would then start from the first one's leftovers
(a spliced model, another vendor's headers). So the agent's request is kept, and `prepare` is a pure function of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from ringlet_mitm.addons.credentials.agent_headers import query_without_keys, without_credentials
from ringlet_mitm.addons.splicing import Edit, Turn, apply_edits, model_edit, refit_edits, usage_edit
from ringlet_mitm.addons.wire.canonical import Conversation, Message
from ringlet_mitm.addons.wire.identifiers import has_seal
from ringlet_mitm.addons.wire.translator import Translation, Wanted, parse, translate
from ringlet_mitm.rules.demands import Demands
from ringlet_mitm.rules.errors import Untranslatable
from ringlet_mitm.rules.peek import AgentRequest, Headers, Peek, Unreadable
from ringlet_mitm.rules.shapes import Loss, WireFormat, is_enveloped
from ringlet_mitm.rules.targets import Target

# How the path ends where the method is in it: of a whole answer, of a stream.
METHODS: dict[WireFormat, tuple[tuple[str, str], tuple[str, str]]] = {
    WireFormat.GEMINI: (("generateContent", ""), ("streamGenerateContent", "?alt=sse")),
    WireFormat.CONVERSE: (("converse", ""), ("converse-stream", "")),
}
SAFE = {WireFormat.CONVERSE: ":"}  # an inference profile's ARN is one segment of the path
NO_METHODS = (("", ""), ("", ""))
NEUTRAL = frozenset({b"user-agent", b"accept-language"})


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request ready to be signed and sent. `edits` are relative to the agent's body; empty means untouched.

    `keeps_credentials` says that the agent's own are still in the headers: it goes to the host they were sent to.
    `plain` says that the body goes out as it is here, though nothing was edited: a signature covers it.
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
    translation: Translation | None = None
    hide_usage_chunk: bool = False
    keeps_credentials: bool = False
    plain: bool = False

    @property
    def translated(self) -> bool:
        """Whether the body is another format's."""
        return self.translation is not None


Recall = Callable[[str], tuple[Message, ...] | None]


def prepare(turn: Turn, target: Target, *, replace_credentials: bool = False, recall: Recall | None = None) -> Outbound:
    """The request for `target`, unsigned.

    `replace_credentials` drops the agent's own credentials even towards the host it asked for. `recall` gives the
    conversation behind an answer's id, for a vendor that keeps none. Raises RouteError and Untranslatable where the
    target cannot take the request.
    """
    request = turn.request
    keeps = target.as_asked and not replace_credentials
    _check(turn, target)
    if needs_translation(turn, target):
        try:
            return _translated(turn, target, recall, keeps)
        except Untranslatable as error:
            where = f"rule '{turn.decision.label}' sends this {request.format} request to provider '{target.provider}'"
            raise Untranslatable(f"{where}, which speaks {target.format}: {error}") from None
    model, asks_usage = model_edit(turn, target), usage_edit(turn, target)
    refits, losses = refit_edits(turn, target) if model is not None else ((), ())
    found = (*(edit for edit in (model, asks_usage) if edit is not None), *refits)
    edits = tuple(sorted(found, key=lambda edit: edit.start))
    return Outbound(
        method=request.method,
        scheme=target.endpoint.scheme,
        host=target.endpoint.host,
        port=target.endpoint.port,
        path=_path(request, turn.peek, target, keeps),
        headers=_with(request.headers if keeps else without_credentials(request.headers), target.headers),
        body=apply_edits(request.body, edits) if edits else request.body,
        edits=edits,
        losses=losses,
        hide_usage_chunk=asks_usage is not None,
        keeps_credentials=keeps,
    )


def needs_translation(turn: Turn, target: Target) -> bool:
    """Whether the target speaks another format, or cannot take in this one what is there.

    That is also thinking that another vendor gave in an earlier turn: the agent keeps it with a seal of ours for a
    signature, which its own vendor would refuse.
    """
    if target.format is not turn.request.format:
        return True
    if isinstance(turn.peek, Unreadable):
        return False
    if turn.peek.sealed and has_seal(turn.request.body):
        return True
    features, able = turn.peek.features, target.capabilities
    return (
        (features.tools > 0 and not able.native_tool_calling)
        or (features.images > 0 and not able.vision)
        or (features.stream and not target.streams)
        or (not features.stream and not target.whole)
        or (not target.as_asked and target.demands.concern(turn.request.body))
    )


def _translated(turn: Turn, target: Target, recall: Recall | None, keeps: bool) -> Outbound:
    request, able, endpoint = turn.request, target.capabilities, target.endpoint
    conversation = _with_history(parse(request.body, request.path, request.format), recall)
    wanted = Wanted(
        target.format,
        target.model,
        able.native_tool_calling,
        able.vision,
        target.streams,
        target.whole,
        Demands() if target.as_asked else target.demands,
    )
    translation = translate(conversation, request.path, request.format, wanted)
    return Outbound(
        method=request.method,
        scheme=endpoint.scheme,
        host=endpoint.host,
        port=endpoint.port,
        path=_path_of(translation, turn, target, keeps),
        headers=request.headers if keeps else _with(_own_headers(translation, request, target), target.headers),
        body=translation.body,
        losses=translation.losses,
        translation=translation,
        keeps_credentials=keeps,
    )


def _path_of(translation: Translation, turn: Turn, target: Target, keeps: bool) -> str:
    """The agent's at the host that it asked; else the provider's."""
    method, query = METHODS.get(target.format, NO_METHODS)[translation.streams]
    if target.as_asked:
        path = _path(turn.request, turn.peek, target, keeps)
        if not query or query[1:] in path:
            return path
        return _with_query(path, query[1:])
    model = quote(target.model, safe=SAFE.get(target.format, "/:@"))
    path = target.endpoint.path.replace("{method}", method).replace("{model}", model) + query
    return _with_query(path, target.endpoint.query)


def _own_headers(translation: Translation, request: AgentRequest, target: Target) -> Headers:
    """Those of the translated body, and the agent's that mean the same to this vendor."""
    accept = translation.provider.content_type if translation.streams else "application/json"
    own = ((b"content-type", b"application/json"), (b"accept", accept.encode()))
    if target.format is request.format:
        return _with(own, without_credentials(request.headers))
    return (*own, *(item for item in request.headers if item[0].lower() in NEUTRAL))


def _with_history(conversation: Conversation, recall: Recall | None) -> Conversation:
    """The whole conversation, where the agent sends only what is new and names the answer that it goes on from."""
    if not conversation.previous_id:
        return conversation
    before = recall(conversation.previous_id) if recall is not None else None
    if before is None:
        raise Untranslatable(
            f"previous_response_id '{conversation.previous_id}' is not known here: the provider of this rule keeps no "
            "answers; send the whole conversation as input"
        )
    return replace(conversation, messages=(*before, *conversation.messages), previous_id="")


def _check(turn: Turn, target: Target) -> None:
    request, where = turn.request, f"rule '{turn.decision.label}' sends this {turn.request.format} request to"
    if is_enveloped(request.path) and (request.direct or not target.as_asked):
        raise Untranslatable(
            f"{where} provider '{target.provider}', but it is wrapped for Google's Code Assist, which takes a sign-in "
            "with Google only; let it pass through, or use the agent with a Gemini API key"
        )


def _with(headers: Headers, wanted: Headers) -> Headers:
    """`headers`, and those of `wanted` whose name is not among them."""
    if not wanted:
        return headers
    there = {name.lower() for name, _ in headers}
    return headers + tuple(item for item in wanted if item[0].lower() not in there)


def _path(request: AgentRequest, peek: Peek | Unreadable, target: Target, keeps: bool) -> str:
    path, _, query = request.path.partition("?")
    if request.format is WireFormat.GEMINI:
        path = _gemini_path(path, peek, target, request.direct)
    elif not target.as_asked or request.direct:
        path = target.endpoint.path.replace("{model}", quote(target.model, safe="/:@"))
    if not keeps:
        query = query_without_keys(query)
    elsewhere = not target.as_asked or request.direct
    return _with_query(_with_query(path, query), target.endpoint.query if elsewhere else "")


def _with_query(path: str, query: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path


def _gemini_path(path: str, peek: Peek | Unreadable, target: Target, direct: bool) -> str:
    """The model is a segment of the URL: it is replaced there, the method after the colon stays."""
    head, _, segment = path.rpartition("/")
    asked, _, method = segment.rpartition(":")
    stays = is_enveloped(path) or isinstance(peek, Unreadable) or target.model in ("", peek.features.model)
    model = asked if stays else quote(target.model, safe="/:@")
    if target.as_asked and not direct:
        return path if stays else f"{head}/{model}:{method}"
    return target.endpoint.path.replace("{method}", method).replace("{model}", model)
