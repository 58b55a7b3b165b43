"""From a route to the places a request is sent to."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.providers import Endpoint, ProviderRegistry, registry
from ringlet_mitm.rules.rulebook import Route
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Place, ProfilePin, Target, line_up, places

MESSAGES, CHAT, RESPONSES, GEMINI = tuple(WireFormat)[:4]
PROVIDERS = registry(
    {
        "gw.toml": 'name="gw"\nshape="anthropic"\nendpoint="https://gw.example/anthropic"\nkey-env="GW"\ndefault-model="big"',
        "free.toml": 'name="free"\nshape="openai"\nendpoint="https://free.example/v1"',
    }
)


@dataclass(frozen=True)
class Features:
    """As much of the features as targets need."""

    model: str
    tool_result: bool = False
    images: int = 0


def asked(wire_format: WireFormat, host: str, path: str, *, direct: bool = False) -> AgentRequest:
    return AgentRequest(wire_format, "POST", "https", host, 443, path, (), b"{}", direct)


CLAUDE = asked(MESSAGES, "api.anthropic.com", "/v1/messages?beta=true")
CODEX = asked(RESPONSES, "api.openai.com", "/v1/responses")
PLAN = asked(RESPONSES, "chatgpt.com", "/backend-api/codex/responses")


def one(
    route: Route,
    request: AgentRequest = CLAUDE,
    model: str = "claude-sonnet-4-5",
    pin: ProfilePin | None = None,
    providers: ProviderRegistry = PROVIDERS,
) -> Target:
    (target,) = line_up(route, request, Features(model), providers, pin)  # type: ignore[arg-type]
    return target


class TestStaying:
    def test_without_a_provider_everything_stays_as_asked(self) -> None:
        target = one(Route())
        assert (target.as_asked, target.provider, target.model) == (True, "anthropic", "claude-sonnet-4-5")
        assert target.endpoint == Endpoint("https", "api.anthropic.com", 443, "/v1/messages")

    def test_a_host_that_is_no_providers_can_be_passed_through(self) -> None:
        target = one(Route(), PLAN, "gpt-5.3-codex")
        assert (target.as_asked, target.provider, target.key_ref, target.auth) == (True, "", None, "none")

    def test_a_rule_to_the_provider_that_was_asked_stays_too(self) -> None:
        target = one(Route("anthropic", "claude-haiku-4-5"))
        assert (target.as_asked, target.model) == (True, "claude-haiku-4-5")

    def test_asked_of_the_proxy_itself_it_is_the_vendors_own_url(self) -> None:
        request = asked(CHAT, "api.openai.com", "/chat/completions", direct=True)
        target = one(Route(), request, "gpt-4o")
        assert (target.as_asked, target.endpoint.path) == (True, "/v1/chat/completions")
        assert target.key_ref == KeyRef(("OPENAI_API_KEY",), login="openai")

    def test_a_chatgpt_plan_is_not_openais_api(self) -> None:
        target = one(Route("openai"), PLAN, "gpt-5.3-codex")
        assert (target.as_asked, target.endpoint.host) == (False, "api.openai.com")

    def test_a_provider_moved_by_a_variable_is_not_where_the_agent_asked(self) -> None:
        moved = registry({}, {"OPENAI_API_BASE": "https://corp.example/v1"})
        target = one(Route("openai"), CODEX, "gpt-5", providers=moved)
        assert (target.as_asked, target.endpoint.host) == (False, "corp.example")


class TestGoingElsewhere:
    def test_the_url_key_and_headers_are_the_providers(self) -> None:
        target = one(Route("gw"))
        assert target == Target(
            provider="gw",
            model="big",
            format=MESSAGES,
            endpoint=Endpoint("https", "gw.example", 443, "/anthropic/v1/messages"),
            auth="x-api-key",
            key_ref=KeyRef(("GW",), login="gw"),
            headers=((b"anthropic-version", b"2023-06-01"),),
        )

    @pytest.mark.parametrize(
        ("request_", "provider", "wire_format"),
        [
            pytest.param(CLAUDE, "minimax", MESSAGES, id="the request's own format where it is spoken"),
            pytest.param(CODEX, "groq", RESPONSES, id="the same for Responses"),
            pytest.param(CLAUDE, "groq", CHAT, id="else the provider's first"),
            pytest.param(CLAUDE, "gemini", GEMINI, id="else the provider's first, Gemini"),
        ],
    )
    def test_formats(self, request_: AgentRequest, provider: str, wire_format: WireFormat) -> None:
        assert one(Route(provider), request_).format is wire_format

    def test_an_alias_is_the_provider(self) -> None:
        assert one(Route("claude"), CODEX).provider == "anthropic"

    def test_a_provider_that_is_gone_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match="unknown provider 'gone'"):
            one(Route("gone"))

    def test_fallbacks_follow_in_their_order(self) -> None:
        route = Route("groq", "llama-3.3-70b-versatile", (Route("openrouter"), Route()))
        targets = line_up(route, CLAUDE, None, PROVIDERS)
        assert [(target.provider, target.as_asked) for target in targets] == [
            ("groq", False),
            ("openrouter", False),
            ("anthropic", True),
        ]


@pytest.mark.parametrize(
    ("route", "request_", "requested", "pin", "model"),
    [
        pytest.param(
            Route("groq", "m"), CLAUDE, "claude-x", ProfilePin("groq", "pin"), "m", id="the rule's goes first"
        ),
        pytest.param(Route("groq"), CLAUDE, "claude-x", ProfilePin("groq", "pin"), "pin", id="then the profile's pin"),
        pytest.param(Route("claude"), CLAUDE, "claude-x", ProfilePin("anthropic", "pin"), "pin", id="pin, by an alias"),
        pytest.param(
            Route("groq"),
            CLAUDE,
            "claude-x",
            ProfilePin("anthropic", "pin"),
            "openai/gpt-oss-120b",
            id="no other's pin",
        ),
        pytest.param(Route("anthropic"), CODEX, "claude-x", None, "claude-x", id="then the requested, if it is there"),
        pytest.param(Route("anthropic"), CODEX, "gpt-5", None, "claude-sonnet-5-5", id="else the default"),
        pytest.param(
            Route("openrouter"), CLAUDE, "claude-opus-4-1-20250805", None, "anthropic/claude-opus-4.1", id="by its slug"
        ),
        pytest.param(
            Route("anthropic"), CODEX, "anthropic/claude-sonnet-4.6", None, "claude-sonnet-4-6", id="a reseller's name"
        ),
        pytest.param(Route("free"), CLAUDE, "claude-x", None, "claude-x", id="no default: what was asked for"),
        pytest.param(Route("gw"), CLAUDE, "claude-x", None, "big", id="own provider with a default"),
        pytest.param(
            Route("groq", "groq/llama-3.1-8b-instant"), CLAUDE, "x", None, "llama-3.1-8b-instant", id="prefix goes"
        ),
        pytest.param(Route("openrouter", "openai/gpt-4o"), CLAUDE, "x", None, "openai/gpt-4o", id="slug stays"),
        pytest.param(Route(), CLAUDE, "claude-x", ProfilePin(None, "pin"), "pin", id="passed through, pinned"),
        pytest.param(
            Route(), CLAUDE, "claude-x", ProfilePin("groq", "pin"), "claude-x", id="passed through, other's pin"
        ),
        pytest.param(
            Route(None, "m"), CLAUDE, "claude-x", ProfilePin(None, "pin"), "m", id="passed through, rule's model"
        ),
        pytest.param(Route("groq"), CLAUDE, "", None, "openai/gpt-oss-120b", id="nobody knows what was asked"),
    ],
)
def test_models(route: Route, request_: AgentRequest, requested: str, pin: ProfilePin | None, model: str) -> None:
    assert one(route, request_, requested, pin).model == model


class TestOwnKeys:
    """Two profiles, two accounts at one provider."""

    PIN = ProfilePin(keys={"claude": "ANTHROPIC_WORK_KEY", "groq": "GROQ_WORK_KEY"})

    def test_go_before_the_providers_variables(self) -> None:
        assert one(Route("groq"), pin=self.PIN).key_ref == KeyRef(("GROQ_WORK_KEY",))

    @pytest.mark.parametrize("route", [Route("anthropic"), Route()], ids=["by a rule", "passed through"])
    def test_replace_the_agents_own_account(self, route: Route) -> None:
        target = one(route, pin=self.PIN)
        assert (target.as_asked, target.key_ref) == (False, KeyRef(("ANTHROPIC_WORK_KEY",)))
        assert (target.endpoint.host, target.format, target.model) == (
            "api.anthropic.com",
            MESSAGES,
            "claude-sonnet-4-5",
        )

    def test_do_not_force_a_format_on_what_is_passed_through(self) -> None:
        request = asked(CHAT, "api.anthropic.com", "/v1/chat/completions")
        assert one(Route(), request, pin=self.PIN).as_asked

    def test_are_for_their_provider_only(self) -> None:
        assert one(Route("minimax"), pin=self.PIN).key_ref == KeyRef(("MINIMAX_API_KEY",), login="minimax")


class TestSharedKeys:
    """Those of config.toml: one for all at the default provider, and one for a route."""

    SHARED = KeyRef(file="config.toml", key=("api_key",))
    ROUTES = KeyRef(file="config.toml", key=("model_routes", 0, "api_key"))
    PIN = ProfilePin(shared_keys={"groq": SHARED, "anthropic": SHARED, "free": SHARED})

    def test_go_before_the_providers_variables(self) -> None:
        assert one(Route("groq"), pin=self.PIN).key_ref == self.SHARED

    def test_are_for_their_provider_only(self) -> None:
        assert one(Route("minimax"), pin=self.PIN).key_ref == KeyRef(("MINIMAX_API_KEY",), login="minimax")

    def test_a_routes_own_goes_first(self) -> None:
        assert one(Route("groq", key=self.ROUTES), pin=self.PIN).key_ref == self.ROUTES

    def test_a_routes_own_is_not_its_fallbacks(self) -> None:
        route = Route("groq", "m", (Route("groq", "m"), Route("minimax")), self.ROUTES)
        targets = line_up(route, CLAUDE, None, PROVIDERS)
        assert [target.key_ref for target in targets] == [
            self.ROUTES,
            KeyRef(("GROQ_API_KEY",), login="groq"),
            KeyRef(("MINIMAX_API_KEY",), login="minimax"),
        ]

    def test_the_profiles_own_goes_before_both(self) -> None:
        pin = ProfilePin(keys={"groq": "GROQ_WORK_KEY"}, shared_keys=self.PIN.shared_keys)
        assert one(Route("groq", key=self.ROUTES), pin=pin).key_ref == KeyRef(("GROQ_WORK_KEY",))

    @pytest.mark.parametrize(
        "route", [Route("anthropic"), Route("anthropic", key=ROUTES)], ids=["for all", "a route's"]
    )
    def test_replace_the_agents_own_account(self, route: Route) -> None:
        target = one(route, pin=self.PIN)
        assert (target.as_asked, target.key_ref) == (False, route.key or self.SHARED)
        assert (target.endpoint.host, target.format) == ("api.anthropic.com", MESSAGES)

    def test_what_passes_through_keeps_the_agents(self) -> None:
        assert one(Route(), pin=self.PIN).as_asked

    def test_what_is_asked_of_the_proxy_itself_is_paid_with_it(self) -> None:
        request = asked(MESSAGES, "api.anthropic.com", "/v1/messages", direct=True)
        assert one(Route(), request, pin=self.PIN).key_ref == self.SHARED

    def test_a_server_that_asks_for_none_gets_it_all_the_same(self) -> None:
        assert (one(Route("free"), pin=self.PIN).auth, one(Route("free")).auth) == ("bearer", "none")
        pin = ProfilePin(shared_keys={"ollama": self.SHARED})
        assert (one(Route("ollama"), pin=pin).auth, one(Route("ollama")).auth) == ("bearer", "none")

    @pytest.mark.parametrize(
        ("name", "auth", "url"),
        [
            ("custom:https://llm.example/v1", "bearer", "/v1/chat/completions"),
            ("anthropic-custom:https://llm.example", "x-api-key", "/v1/messages"),
        ],
    )
    def test_a_provider_by_url(self, name: str, auth: str, url: str) -> None:
        target = one(Route(name), pin=ProfilePin(shared_keys={name: self.SHARED}))
        assert (target.auth, target.key_ref, target.endpoint) == (
            auth,
            self.SHARED,
            Endpoint("https", "llm.example", 443, url),
        )


class TestEndpointOfSettings:
    """`api_url` moves one provider, and its key goes where it is now."""

    MOVED = registry({}, {"OPENAI_BASE_URL": "https://by-variable.example/v1"}, {"openai": "https://gw.example/v1/"})

    def test_it_moves_its_provider(self) -> None:
        target = one(Route("openai"), CODEX, "gpt-5", providers=self.MOVED)
        assert (target.as_asked, target.endpoint) == (False, Endpoint("https", "gw.example", 443, "/v1/responses"))
        spec = self.MOVED.require("openai")
        assert (spec.may_receive_key("https", "gw.example", 443), spec.hosts) == (True, frozenset({"api.openai.com"}))
        assert not spec.may_receive_key("https", "api.openai.com", 443)

    def test_it_moves_no_other(self) -> None:
        assert one(Route("groq"), providers=self.MOVED).endpoint.host == "api.groq.com"


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        (Features("m"), {b"x-initiator": b"user"}),
        (Features("m", tool_result=True), {b"x-initiator": b"agent"}),
        (Features("m", images=1), {b"x-initiator": b"user", b"copilot-vision-request": b"true"}),
    ],
    ids=["own words", "a tool's answer", "a picture"],
)
def test_headers_that_depend_on_the_turn(features: Features, wanted: dict[bytes, bytes]) -> None:
    (target,) = line_up(Route("copilot", "gpt-4o"), CLAUDE, features, PROVIDERS)  # type: ignore[arg-type]
    assert {
        name: value for name, value in target.headers if name in (b"x-initiator", b"copilot-vision-request")
    } == wanted
    assert dict(target.headers)[b"copilot-integration-id"] == b"vscode-chat"


class TestPlaces:
    """Where targets are, without the request."""

    PIN = ProfilePin(
        "anthropic", "pinned", model_fallbacks={"gpt-5": ("openai/gpt-4o",)}, fallback_providers=("gemini",)
    )

    @pytest.mark.parametrize("pin", [ProfilePin(), PIN, ProfilePin(None, "passed")], ids=["no pin", "pin", "passing"])
    @pytest.mark.parametrize("request_", [CLAUDE, CODEX, PLAN], ids=["claude", "codex", "plan"])
    @pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gpt-5", "anthropic/claude-opus-4-8", ""])
    @pytest.mark.parametrize(
        "route",
        [
            Route(),
            Route(model="other"),
            Route("anthropic"),
            Route("groq", "llama"),
            Route("gw"),
            Route("openai", fallback=(Route("groq", "llama"), Route("anthropic", "claude-haiku-4-5"), Route())),
            Route("openai", "openai/gpt-5", alone=True),
        ],
        ids=str,
    )
    def test_they_are_those_of_the_targets(
        self, route: Route, model: str, request_: AgentRequest, pin: ProfilePin
    ) -> None:
        chain = line_up(route, request_, Features(model), PROVIDERS, pin)  # type: ignore[arg-type]
        asked_provider = PROVIDERS.by_host(request_.host)
        found = places(route, asked_provider, model, PROVIDERS, pin)
        assert found == tuple(dict.fromkeys(Place(target.provider, target.model) for target in chain))

    def test_of_a_host_that_is_nobodys(self) -> None:
        assert [str(place) for place in places(Route(), "", "m", PROVIDERS, ProfilePin())] == ["passthrough/m"]

    def test_a_provider_that_cannot_be_used_now(self) -> None:
        assert places(Route("azure-openai", "gpt"), "openai", "gpt-5", PROVIDERS, ProfilePin())[0] == Place(
            "azure-openai", "gpt"
        )
