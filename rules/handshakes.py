"""Whether everything that may come over a WebSocket goes where it was asked to go: decided at its handshake.

Once a WebSocket is open its messages can no longer be led anywhere. But what a rule asks about is mostly in those
messages. So conditions know three answers here too: what the handshake says is known, the rest is not. A rule that may
take some message has to stay as well as the one that surely takes it; one that comes behind that is never asked.

To stay is to change nothing: the host that was asked, on the agent's own credentials, with the model that it asks for,
and nothing around it that only HTTP can do: no fallback, no further keys, no split, no copies, no stickiness, no place
in line. A rule that names the very provider that was asked stays as far as that serves the model: what it does not
serve it is not asked for over HTTP, and over a WebSocket it says so itself. So does it of what cannot be read.
"""

from __future__ import annotations

from ringlet_mitm.rules.agents import recognise
from ringlet_mitm.rules.conditions import AGENT, ALWAYS, PATH, UNKNOWN, Fact, Term, Test, Truth, header_fact
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.matching import compiled
from ringlet_mitm.rules.peek import AgentRequest, RequestFeatures
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.rulebook import Default, Rule, RuleBook
from ringlet_mitm.rules.targets import ProfilePin, lined_up
from ringlet_mitm.rules.tokens import TokenBounds

KNOWN = (AGENT, PATH, ALWAYS)
NO_TOKENS = TokenBounds(0, 0)


def stays(book: RuleBook, handshake: AgentRequest, registry: ProviderRegistry, pin: ProfilePin | None = None) -> bool:
    """Whether a WebSocket may be passed through: see `why_not`."""
    return not why_not(book, handshake, registry, pin)


def why_not(book: RuleBook, handshake: AgentRequest, registry: ProviderRegistry, pin: ProfilePin | None = None) -> str:
    """What keeps a WebSocket from being passed through, in words; "" where nothing does.

    `handshake` has the host, path and headers that hold for all that follows; it has no body.
    """
    if handshake.direct:
        return "it is asked of the proxy itself"
    asked = registry.get(registry.by_host(handshake.host))
    if asked is not None and asked.provider_id in book.limits.parallel:
        return f"{asked.provider_id} gets {book.limits.parallel[asked.provider_id]} requests at once"
    features = _known(handshake, asked)
    for one in book.every:
        truth = compiled(one.match, _tested)(features, 0, 0) if isinstance(one, Rule) else True
        if truth is False:
            continue
        found = _of_one(one, handshake, asked, registry, pin or ProfilePin())
        if found:
            return f"'{one.label}' {'takes it' if truth else 'may take some of it'}: {found}"
        if truth:
            break
    return ""


def _of_one(
    one: Rule | Default,
    handshake: AgentRequest,
    asked: ProviderSpec | None,
    registry: ProviderRegistry,
    pin: ProfilePin,
) -> str:
    if one.arms:
        return "it splits"
    if one.shadow is not None:
        return "it sends copies"
    if isinstance(one, Rule) and one.sticky is not None:
        return "it keeps conversations"
    return _of_route(one.route, handshake, asked, registry, pin)


def _of_route(
    route: Route, handshake: AgentRequest, asked: ProviderSpec | None, registry: ProviderRegistry, pin: ProfilePin
) -> str:
    named = None if route.provider is None else registry.get(route.provider)
    if route.provider is not None and (named is None or named is not asked):
        return f"to {route}"
    pinned = None if pin.provider is None else registry.get(pin.provider)
    model = route.model or (pin.model if pinned is named else None)
    if model:
        return f"to the model {model}"
    if named is not None and named.slugs:
        return f"{named.provider_id} has names of its own for models"
    if pin.model_fallbacks and not route.alone:
        return "there are fallbacks by model"
    try:
        targets = lined_up(route, handshake, None, registry, pin).targets
    except RingletError as error:
        return str(error)
    if not targets[0].as_asked:
        return "with a key of its own"
    return "there are fallbacks, or further keys" if len(targets) > 1 else ""


def _tested(term: Term) -> Test:
    return term.test() if _is_known(term.fact) else _unknown


def _is_known(fact: Fact) -> bool:
    return fact in KNOWN or fact == header_fact(fact.name.removeprefix("header "))


def _unknown(*_given: object) -> Truth:
    return UNKNOWN


def _known(handshake: AgentRequest, asked: ProviderSpec | None) -> RequestFeatures:
    """What holds for every message. The rest is never looked at."""
    headers = {name.decode("latin-1").lower(): value.decode("utf-8", "replace") for name, value in handshake.headers}
    return RequestFeatures(
        format=handshake.format,
        path=handshake.path,
        provider=asked.provider_id if asked else "",
        model="",
        stream=True,
        messages=0,
        tools=0,
        tool_result=False,
        has_system=False,
        thinking=False,
        images=0,
        max_output_tokens=None,
        agent=recognise(headers),
        session="",
        body_bytes=0,
        token_bounds=NO_TOKENS,
        headers=handshake.headers,
    )
