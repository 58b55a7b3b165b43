"""The catalogue of providers, and the files that add to it."""

from __future__ import annotations

import pytest

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import Endpoint, ProviderRegistry, ProviderSpec, registry
from ringlet_mitm.rules.shapes import SHAPES, WireFormat, format_of

MESSAGES, CHAT, RESPONSES, GEMINI, OLLAMA, CONVERSE = WireFormat

BUILT_IN = ProviderRegistry.default()

MY_GATEWAY = """
name      = "my-gateway"
shape     = "anthropic"
endpoint  = "https://gateway.example.com/anthropic"
key-env   = "MY_GATEWAY_KEY"
default-model = "anthropic/claude-3.5-sonnet"
"""
TOGETHER = """
name      = "together"
shape     = "openai"
endpoint  = "https://api.together.xyz/v1"
key-env   = "TOGETHER_API_KEY"
default-model = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
"""


def own(text: str, name: str = "x", environ: dict[str, str] | None = None) -> ProviderSpec:
    found = registry({"x.toml": text}, environ).get(name)
    assert found is not None
    return found


def minimal(**changes: str) -> str:
    values = {"name": '"x"', "shape": '"openai"', "endpoint": '"https://h.example/v1"'} | changes
    return "\n".join(f"{key.replace('_', '-')} = {value}" for key, value in values.items())


class TestBuiltIn:
    @pytest.mark.parametrize(
        ("name", "wire_format", "url"),
        [
            ("anthropic", MESSAGES, "https://api.anthropic.com/v1/messages"),
            ("openai", CHAT, "https://api.openai.com/v1/chat/completions"),
            ("openai", RESPONSES, "https://api.openai.com/v1/responses"),
            ("minimax", MESSAGES, "https://api.minimax.io/anthropic/v1/messages"),
            ("minimax", CHAT, "https://api.minimax.io/v1/chat/completions"),
            ("openrouter", CHAT, "https://openrouter.ai/api/v1/chat/completions"),
            ("openrouter", RESPONSES, "https://openrouter.ai/api/v1/responses"),
            ("openrouter", MESSAGES, "https://openrouter.ai/api/v1/messages"),
            ("groq", CHAT, "https://api.groq.com/openai/v1/chat/completions"),
            ("groq", RESPONSES, "https://api.groq.com/openai/v1/responses"),
            ("gemini", GEMINI, "https://generativelanguage.googleapis.com/v1beta/models/{model}:{method}"),
            ("gemini", CHAT, "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
            ("ollama", OLLAMA, "http://localhost:11434/api/chat"),
            ("ollama", CHAT, "http://localhost:11434/v1/chat/completions"),
            ("bedrock", CONVERSE, "https://bedrock-runtime.us-east-1.amazonaws.com/model/{model}/{method}"),
        ],
    )
    def test_urls_of_model_calls(self, name: str, wire_format: WireFormat, url: str) -> None:
        assert BUILT_IN.require(name).urls[wire_format] == url

    @pytest.mark.parametrize("spec", BUILT_IN.list_providers(), ids=lambda spec: spec.provider_id)
    def test_each_url_is_recognised_as_its_format(self, spec: ProviderSpec) -> None:
        for wire_format, endpoint in spec.endpoints.items():
            path = endpoint.path.replace("{model}", "m").replace("{method}", "generateContent")
            assert format_of("POST", path) is (wire_format if wire_format in SHAPES else None)

    @pytest.mark.parametrize("spec", BUILT_IN.list_providers(), ids=lambda spec: spec.provider_id)
    def test_each_has_its_own_default_and_example_models_and_a_key_unless_local(self, spec: ProviderSpec) -> None:
        assert spec.default_model is not None
        assert spec.has_model(spec.default_model)
        assert all(spec.has_model(model) for model in spec.example_models)
        remote = spec.connection_type != "local"
        assert (spec.requires_api_key, spec.key_ref is not None, spec.auth != "none") == (remote, remote, remote)
        assert spec.docs_url

    @pytest.mark.parametrize(
        ("name", "variables"),
        [
            ("anthropic", ("ANTHROPIC_API_KEY",)),
            ("openai", ("OPENAI_API_KEY",)),
            ("minimax", ("MINIMAX_API_KEY",)),
            ("openrouter", ("OPENROUTER_API_KEY",)),
            ("groq", ("GROQ_API_KEY",)),
            ("gemini", ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
            ("bedrock", ("AWS_BEARER_TOKEN_BEDROCK",)),
        ],
    )
    def test_variables_of_keys(self, name: str, variables: tuple[str, ...]) -> None:
        assert BUILT_IN.require(name).key_ref == KeyRef(variables)

    def test_a_key_may_go_only_where_the_calls_go(self) -> None:
        groq = BUILT_IN.require("groq")
        assert groq.may_receive_key("https", "api.groq.com", 443)
        assert not groq.may_receive_key("http", "api.groq.com", 443)
        assert not groq.may_receive_key("https", "api.groq.com", 8443)
        assert not groq.may_receive_key("https", "api.groq.com.evil.example", 443)

    def test_authentication_may_differ_by_format(self) -> None:
        gemini = BUILT_IN.require("gemini")
        assert (gemini.auth_for(GEMINI), gemini.auth_for(CHAT)) == ("x-goog-api-key", "bearer")

    def test_messages_calls_carry_a_version(self) -> None:
        assert BUILT_IN.require("anthropic").headers == ((b"anthropic-version", b"2023-06-01"),)


class TestRegistry:
    @pytest.mark.parametrize(
        ("name", "provider_id"),
        [
            ("anthropic", "anthropic"),
            ("Claude", "anthropic"),
            ("GPT", "openai"),
            ("google", "gemini"),
            ("local-ollama", "ollama"),
            ("aws-bedrock", "bedrock"),
            ("nobody", None),
        ],
    )
    def test_get_takes_ids_and_aliases_in_any_case(self, name: str, provider_id: str | None) -> None:
        found = BUILT_IN.get(name)
        assert (found and found.provider_id) == provider_id

    def test_require_suggests_the_nearest_name(self) -> None:
        with pytest.raises(ConfigError, match=r"unknown provider 'antropic'; did you mean 'anthropic'\?"):
            BUILT_IN.require("antropic")

    @pytest.mark.parametrize(
        ("host", "provider_id"),
        [
            ("api.anthropic.com", "anthropic"),
            ("API.OpenAI.com", "openai"),
            ("generativelanguage.googleapis.com", "gemini"),
            ("chatgpt.com", ""),
            ("example.com", ""),
        ],
    )
    def test_by_host(self, host: str, provider_id: str) -> None:
        assert BUILT_IN.by_host(host) == provider_id

    @pytest.mark.parametrize(
        ("model", "provider_id"),
        [
            ("anthropic/claude-sonnet-4", "anthropic"),
            ("Claude/claude-sonnet-4", "anthropic"),
            ("groq/llama-3.3-70b-versatile", "groq"),
            ("meta-llama/llama-3", None),
            ("gpt-4o", None),
        ],
    )
    def test_infer_provider_from_model(self, model: str, provider_id: str | None) -> None:
        found = BUILT_IN.infer_provider_from_model(model)
        assert (found and found.provider_id) == provider_id

    @pytest.mark.parametrize(
        ("provider", "model", "normal"),
        [
            ("anthropic", "anthropic/claude-sonnet-4", "claude-sonnet-4"),
            ("claude", "claude/claude-sonnet-4", "claude-sonnet-4"),
            ("gemini", "google/gemini-2.5-pro", "gemini-2.5-pro"),
            ("groq", "groq/llama-3.3-70b-versatile", "llama-3.3-70b-versatile"),
            ("groq", "groq/compound", "groq/compound"),
            ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
            ("openrouter", "anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4"),
            ("openrouter", "openrouter/anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4"),
            ("openrouter", "openrouter/auto", "openrouter/auto"),
            ("nobody", "nobody/x", "nobody/x"),
            ("openai", "gpt-4o", "gpt-4o"),
        ],
    )
    def test_normalize_model_name(self, provider: str, model: str, normal: str) -> None:
        assert BUILT_IN.normalize_model_name(provider, model) == normal

    def test_list_providers_by_connection(self) -> None:
        both = registry({"x.toml": minimal(endpoint='"http://localhost:1234/v1"')})
        assert [spec.provider_id for spec in both.list_providers("local")] == ["ollama", "x"]
        assert len(both.list_providers()) == len(both.list_providers("byok")) + 2

    def test_names_are_ids_and_aliases(self) -> None:
        assert {"anthropic", "claude", "groq", "google"} <= set(BUILT_IN.names())


class TestOpenRouterNames:
    @pytest.mark.parametrize(
        ("asked", "slug"),
        [
            ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4.5"),
            ("claude-3-5-haiku-latest", "anthropic/claude-3.5-haiku"),
            ("claude-opus-4-20250514", "anthropic/claude-opus-4"),
            ("claude-opus-5-5", "anthropic/claude-opus-5.5"),
            ("gpt-4o-2024-11-20", "openai/gpt-4o-2024-11-20"),
            ("gemini-2.5-pro", "google/gemini-2.5-pro"),
            ("meta-llama/llama-3.3-70b-instruct", "meta-llama/llama-3.3-70b-instruct"),
            ("mystery", None),
        ],
    )
    def test_vendors_names_become_slugs(self, asked: str, slug: str | None) -> None:
        assert BUILT_IN.require("openrouter").own_name(asked) == slug


class TestBedrockNames:
    @pytest.mark.parametrize(
        ("asked", "slug"),
        [
            ("claude-sonnet-5-5", "global.anthropic.claude-sonnet-5-5"),
            ("claude-opus-4-6", "global.anthropic.claude-opus-4-6-v1"),
            ("claude-sonnet-4-5-20250929", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("claude-haiku-4-5", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
            ("claude-3-5-sonnet-20241022", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
            ("claude-3-5-haiku-20241022", "us.anthropic.claude-3-5-haiku-20241022-v1:0"),
            ("claude-opus-4-1-20250805", "us.anthropic.claude-opus-4-1-20250805-v1:0"),
            ("us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"),
            ("gpt-5.5", None),
        ],
    )
    def test_anthropics_names_become_inference_profiles(self, asked: str, slug: str | None) -> None:
        assert BUILT_IN.require("bedrock").own_name(asked) == slug


class TestOllama:
    @pytest.mark.parametrize(
        ("host", "url"),
        [
            pytest.param("", "http://localhost:11434/api/chat", id="not set"),
            pytest.param("http://box.lan:8080", "http://box.lan:8080/api/chat", id="a URL"),
            pytest.param("https://ollama.example/x/", "https://ollama.example/x/api/chat", id="behind a proxy"),
            pytest.param("box.lan", "http://box.lan:11434/api/chat", id="a host"),
            pytest.param("192.168.1.5:8080", "http://192.168.1.5:8080/api/chat", id="an address and a port"),
            pytest.param("0.0.0.0", "http://localhost:11434/api/chat", id="where the server listens: everywhere"),
            pytest.param("[::]:8080", "http://localhost:8080/api/chat", id="the same of IPv6"),
            pytest.param(":8080", "http://localhost:8080/api/chat", id="a port"),
            pytest.param("[fd00::1]:8080", "http://[fd00::1]:8080/api/chat", id="an IPv6 address"),
        ],
    )
    def test_its_own_variable_says_where_it_is(self, host: str, url: str) -> None:
        assert registry({}, {"OLLAMA_HOST": host}).require("ollama").urls[OLLAMA] == url

    def test_a_variable_that_makes_no_sense_is_named(self) -> None:
        with pytest.raises(ConfigError, match="OLLAMA_HOST: "):
            registry({}, {"OLLAMA_HOST": "box:port"})

    def test_it_has_what_is_named_like_its_models(self) -> None:
        spec = BUILT_IN.require("ollama")
        assert [spec.own_name(name) for name in ("qwen3:8b", "llama3.2", "claude-sonnet-5-5")] == [
            "qwen3:8b",
            "llama3.2",
            None,
        ]


class TestOwnFiles:
    def test_the_reference_anthropic_gateway_loads(self) -> None:
        spec = own(MY_GATEWAY, "my-gateway")
        assert spec.endpoints == {MESSAGES: Endpoint("https", "gateway.example.com", 443, "/anthropic/v1/messages")}
        assert (spec.auth, spec.key_ref, spec.default_model) == (
            "x-api-key",
            KeyRef(("MY_GATEWAY_KEY",)),
            "anthropic/claude-3.5-sonnet",
        )

    def test_the_reference_openai_provider_loads(self) -> None:
        spec = own(TOGETHER, "together")
        assert spec.endpoints == {CHAT: Endpoint("https", "api.together.xyz", 443, "/v1/chat/completions")}
        assert (spec.auth, spec.adapter_type) == ("bearer", "openai_compatible")

    def test_snake_case_is_taken_too(self) -> None:
        assert own(TOGETHER.replace("key-env", "key_env").replace("default-model", "default_model"), "together") == own(
            TOGETHER, "together"
        )

    @pytest.mark.parametrize(
        ("shape", "endpoint", "url"),
        [
            ("anthropic", "https://h/anthropic", "https://h/anthropic/v1/messages"),
            ("anthropic", "https://h/anthropic/", "https://h/anthropic/v1/messages"),
            ("anthropic", "https://h/v1", "https://h/v1/messages"),
            ("anthropic", "https://h/v1/messages", "https://h/v1/messages"),
            ("anthropic", "https://h", "https://h/v1/messages"),
            ("openai", "https://h/v1", "https://h/v1/chat/completions"),
            ("openai", "https://h", "https://h/chat/completions"),
            ("openai", "https://h/v1/chat/completions", "https://h/v1/chat/completions"),
            ("gemini", "https://h", "https://h/v1beta/models/{model}:{method}"),
            ("gemini", "https://h/v1beta", "https://h/v1beta/models/{model}:{method}"),
            ("ollama", "https://h", "https://h/api/chat"),
            ("ollama", "https://h/api", "https://h/api/chat"),
            ("converse", "https://h", "https://h/model/{model}/{method}"),
        ],
    )
    def test_endpoints_grow_the_path_of_their_shape(self, shape: str, endpoint: str, url: str) -> None:
        spec = own(minimal(shape=f'"{shape}"', endpoint=f'"{endpoint}"'))
        assert list(spec.urls.values()) == [url]

    def test_more_formats_are_said_by_paths(self) -> None:
        spec = own(
            minimal()
            + '\n[paths]\nopenai-responses = "/responses"\nanthropic-messages = "https://h.example/v1/messages"'
        )
        assert spec.urls == {
            RESPONSES: "https://h.example/v1/responses",
            MESSAGES: "https://h.example/v1/messages",
        }

    def test_without_a_key_none_is_sent(self) -> None:
        spec = own(minimal())
        assert (spec.auth, spec.key_ref, spec.requires_api_key) == ("none", None, False)

    @pytest.mark.parametrize(
        ("extra", "model", "name"),
        [
            pytest.param({}, "anything", "anything", id="no models, no default: the name is kept"),
            pytest.param({"default_model": '"m"'}, "anything", None, id="a default: others are not its own"),
            pytest.param({"models": '["big-*"]'}, "Big-1", "Big-1", id="by glob, in any case"),
            pytest.param({"models": '["big-*"]'}, "small-1", None, id="no glob takes it"),
        ],
    )
    def test_which_models_it_has(self, extra: dict[str, str], model: str, name: str | None) -> None:
        assert own(minimal(**extra)).own_name(model) == name

    def test_a_base_url_variable_moves_it(self) -> None:
        spec = registry({}, {"OPENAI_API_BASE": "https://corp.example/openai/v1/"}).require("openai")
        assert spec.urls[CHAT] == "https://corp.example/openai/v1/chat/completions"
        assert spec.hosts == {"api.openai.com"}
        assert not spec.may_receive_key("https", "api.openai.com", 443)

    def test_a_bad_base_url_variable_is_named(self) -> None:
        with pytest.raises(ConfigError, match="OPENAI_API_BASE: has to be a URL"):
            registry({}, {"OPENAI_API_BASE": "corp"})

    def test_a_file_changes_a_built_in_provider(self) -> None:
        spec = own('name = "anthropic"\ndefault-model = "claude-haiku-4-5"', "anthropic")
        assert (spec.default_model, spec.urls) == ("claude-haiku-4-5", BUILT_IN.require("anthropic").urls)

    def test_a_file_moves_a_built_in_provider_and_agents_still_find_it(self) -> None:
        found = registry({"a.toml": MY_GATEWAY.replace('"my-gateway"', '"anthropic"')})
        spec = found.require("anthropic")
        assert spec.urls == {MESSAGES: "https://gateway.example.com/anthropic/v1/messages"}
        assert found.by_host("api.anthropic.com") == "anthropic"
        assert not spec.may_receive_key("https", "api.anthropic.com", 443)

    def test_a_second_account_does_not_take_the_host_away(self) -> None:
        text = minimal(name='"openai-2"', endpoint='"https://api.openai.com/v1"', key_env='"SECOND"')
        assert registry({"x.toml": text}).by_host("api.openai.com") == "openai"

    @pytest.mark.parametrize(
        "endpoint",
        [
            "http://localhost:1234/v1",
            "http://127.0.0.1:8000/v1",
            "http://192.168.1.50:8000/v1",
            "http://box.lan/v1",
            "http://ollama:11434",
        ],
    )
    def test_plain_http_is_for_this_machine_and_network(self, endpoint: str) -> None:
        spec = own(minimal(endpoint=f'"{endpoint}"'))
        assert (spec.connection_type, spec.hosts) == ("local", frozenset())

    def test_plain_http_elsewhere_has_to_be_wanted(self) -> None:
        assert own(minimal(endpoint='"http://h.example/v1"', insecure="true")).urls

    def test_prices_are_kept_for_the_price_book(self) -> None:
        assert own(minimal() + '\n[prices]\n"*" = { input = 0, output = 0 }').prices == {"*": {"input": 0, "output": 0}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            minimal(endpont='"x"'), "x.toml:4: endpont: unknown key; did you mean 'endpoint'?", id="unknown key"
        ),
        pytest.param(
            minimal(shape='"antropic"'),
            "x.toml:2: shape: has to be 'anthropic', 'openai', 'gemini', 'ollama' or 'converse'; "
            "did you mean 'anthropic'?",
            id="unknown shape",
        ),
        pytest.param('name = "x"\nshape = "openai"', "x.toml: endpoint: is missing", id="no endpoint"),
        pytest.param('name = "x"\nendpoint = "https://h"', "x.toml: shape: is missing", id="no shape"),
        pytest.param('shape = "openai"\nendpoint = "https://h"', "x.toml: name: is missing", id="no name"),
        pytest.param(
            minimal(name='"a b"'),
            "x.toml:1: name: has to be a word of a-z, 0-9, '.', '_' and '-'",
            id="name with a space",
        ),
        pytest.param(minimal(key_env="3"), "x.toml:4: key-env: has to be text in quotes", id="wrong type"),
        pytest.param(
            minimal(key_env='"sk-proj-1"'),
            "x.toml:4: key-env: has to be the name of a variable; keys are never in this file",
            id="a key instead of its variable",
        ),
        pytest.param(minimal(models='"a"'), "x.toml:4: models: has to be a list in brackets", id="no list"),
        pytest.param(
            minimal(auth='"beerer"'),
            "x.toml:4: auth: has to be 'bearer', 'x-api-key', 'x-goog-api-key' or 'none'; did you mean 'bearer'?",
            id="unknown scheme",
        ),
        pytest.param(
            minimal(endpoint='"h/v1"'), "x.toml:3: endpoint: has to be a URL like https://host/v1", id="no URL"
        ),
        pytest.param(
            minimal(endpoint='"http://h.example/v1"'),
            "x.toml:3: endpoint: would send the key unencrypted to h.example; use https://, or say 'insecure = true'",
            id="unencrypted",
        ),
        pytest.param(
            minimal(endpoint='"https://u:p@h/v1"'),
            "x.toml:3: endpoint: must not hold a password; name the variable with the key in 'key-env'",
            id="password in it",
        ),
        pytest.param(
            minimal(endpoint='"https://h/v1?key=x"'),
            "x.toml:3: endpoint: must not have a query or fragment",
            id="query",
        ),
        pytest.param(
            minimal() + "\n[prices]\nm = { inptu = 3 }",
            "x.toml:5: prices.m.inptu: unknown kind of price; did you mean 'input'?",
            id="unknown price",
        ),
        pytest.param(
            minimal() + "\n[prices]\nm = { input = -3 }",
            "x.toml:5: prices.m.input: a price is a number of USD per million tokens, 0 or more",
            id="negative price",
        ),
        pytest.param(
            minimal() + '\n[paths]\nopenai-chatt = "/x"',
            "x.toml:5: paths.openai-chatt: "
            "has to be 'anthropic-messages', 'openai-chat', 'openai-responses', 'gemini', 'ollama' "
            "or 'bedrock-converse'; did you mean 'openai-chat'?",
            id="unknown format",
        ),
        pytest.param(
            minimal(key_env='"A"') + '\nkey_env = "B"',
            "x.toml:5: key_env: stands here twice, also as 'key-env'",
            id="twice",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry({"x.toml": text})
    assert str(caught.value) == message


def test_two_files_with_one_name_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"b.toml:1: name: 'x' is already the name in a.toml"):
        registry({"a.toml": minimal(), "b.toml": minimal()})
