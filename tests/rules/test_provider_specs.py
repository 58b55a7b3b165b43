"""What single providers are particular about: names of models, formats, free models, where they are."""

from __future__ import annotations

import pytest

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI, OLLAMA, CONVERSE = WireFormat

BUILT_IN = ProviderRegistry.default()


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


class TestCopilot:
    @pytest.mark.parametrize(
        ("asked", "name", "formats"),
        [
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4.5", (MESSAGES, CHAT)),
            ("claude-sonnet-5", "claude-sonnet-5", (MESSAGES, CHAT)),
            ("gpt-5.3-codex", "gpt-5.3-codex", (RESPONSES,)),
            ("gpt-4o", "gpt-4o", (CHAT,)),
            ("gemini-3.8-flash", "gemini-3.8-flash", (CHAT,)),
            ("llama-3", None, (CHAT,)),
        ],
    )
    def test_names_are_dotted_and_each_model_has_its_format(
        self, asked: str, name: str | None, formats: tuple[WireFormat, ...]
    ) -> None:
        spec = BUILT_IN.require("copilot")
        assert (spec.own_name(asked), spec.formats_for(name or asked)) == (name, formats)

    def test_its_login_is_githubs(self) -> None:
        login = BUILT_IN.require("copilot").login
        assert login is not None
        assert (login.flow, login.client_id, sorted(login.urls)) == (
            "github-device",
            "Iv1.b507a08c87ecfe98",
            ["code", "exchange", "token"],
        )


class TestOpenCode:
    def test_some_models_are_free(self) -> None:
        spec = BUILT_IN.require("opencode")
        assert [spec.is_free(name) for name in ("glm-4.7-free", "big-pickle", "claude-opus-4-8")] == [True, True, False]
        assert not spec.requires_api_key

    @pytest.mark.parametrize(
        ("model", "wire_format", "auth"),
        [
            ("claude-opus-4-8", MESSAGES, "x-api-key"),
            ("gpt-5.5", RESPONSES, "bearer"),
            ("gemini-3.1-pro", GEMINI, "x-goog-api-key"),
            ("kimi-k2.6", CHAT, "bearer"),
        ],
    )
    def test_each_model_has_one_format(self, model: str, wire_format: WireFormat, auth: str) -> None:
        spec = BUILT_IN.require("opencode")
        assert spec.formats_for(model) == (wire_format,)
        assert spec.auth_for(wire_format) == auth


class TestPlaces:
    @pytest.mark.parametrize(
        ("environ", "host"),
        [
            ({}, "us-east-1"),
            ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
            ({"AWS_REGION": "ap-south-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "ap-south-1"),
        ],
    )
    def test_bedrock_is_in_aws_region(self, environ: dict[str, str], host: str) -> None:
        found = registry({}, environ)
        assert found.require("bedrock").endpoints[CONVERSE].host == f"bedrock-runtime.{host}.amazonaws.com"
        assert found.by_host(f"bedrock-runtime.{host}.amazonaws.com") == "bedrock"

    @pytest.mark.parametrize(
        ("location", "host"),
        [
            ("", "aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            ("us", "aiplatform.us.rep.googleapis.com"),
            ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ],
    )
    def test_vertex_is_called_otherwise_in_some_places(self, location: str, host: str) -> None:
        found = registry({}, {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": location})
        endpoint = found.require("vertex").endpoints[GEMINI]
        assert endpoint.host == host
        assert f"/locations/{location or 'global'}/" in endpoint.path

    def test_what_lacks_a_variable_is_known_but_not_to_be_used(self) -> None:
        spec = BUILT_IN.get("cloudflare")
        assert spec is not None
        assert (spec.lacking, spec.origins, spec.hosts) == (("CLOUDFLARE_ACCOUNT_ID",), frozenset(), frozenset())
        with pytest.raises(ConfigError, match="provider 'cloudflare' needs CLOUDFLARE_ACCOUNT_ID in the environment"):
            BUILT_IN.require("cloudflare")

    def test_a_base_url_stands_in_for_the_variables_of_the_endpoint(self) -> None:
        found = registry({}, {"AZURE_OPENAI_ENDPOINT": "https://corp.cognitiveservices.azure.com/"})
        url = found.require("azure-openai").urls[RESPONSES]
        assert url == "https://corp.cognitiveservices.azure.com/openai/v1/responses"

    @pytest.mark.parametrize(
        "value", ["evil.example/", "a/b", "x@evil.example", "evil.example:8443", "a?b", "a#b", "a b", "a.evil", "-a"]
    )
    def test_a_value_that_would_lead_elsewhere_is_named_and_not_shown(self, value: str) -> None:
        found = registry({}, {"AWS_REGION": value})
        with pytest.raises(ConfigError, match="provider 'bedrock' cannot be used: AWS_REGION: ") as caught:
            found.require("bedrock")
        assert value not in str(caught.value).partition("AWS_REGION: ")[2]
        assert not any(spec.origins for spec in (found.get("bedrock"),) if spec)


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
