"""The catalogue of providers: what each is, and that they keep out of each other's way."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest

from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.provider_files import ProviderFile, read_provider
from ringlet_mitm.rules.providers import FOLDER, ProviderRegistry, ProviderSpec, registry
from ringlet_mitm.rules.shapes import SHAPES, WireFormat, format_of

MESSAGES, CHAT, RESPONSES, GEMINI, OLLAMA, CONVERSE = WireFormat

PLACED = {
    "AZURE_RESOURCE_NAME": "mine",
    "CLOUDFLARE_ACCOUNT_ID": "acc1",
    "GOOGLE_CLOUD_PROJECT": "proj",
}
BUILT_IN = ProviderRegistry.default()
SPECS = registry({}, PLACED).list_providers()
EACH = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.provider_id)


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
            ("moonshot", MESSAGES, "https://api.moonshot.ai/anthropic/v1/messages"),
            ("moonshot-cn", MESSAGES, "https://api.moonshot.cn/anthropic/v1/messages"),
            ("kimi-code", CHAT, "https://api.kimi.com/coding/v1/chat/completions"),
            ("zai", CHAT, "https://api.z.ai/api/coding/paas/v4/chat/completions"),
            ("zai-cn", MESSAGES, "https://open.bigmodel.cn/api/anthropic/v1/messages"),
            ("glm", CHAT, "https://api.z.ai/api/paas/v4/chat/completions"),
            ("alibaba", RESPONSES, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/responses"),
            ("alibaba-cn", MESSAGES, "https://dashscope.aliyuncs.com/apps/anthropic/v1/messages"),
            ("doubao", MESSAGES, "https://ark.cn-beijing.volces.com/api/v3/compatible/v1/messages"),
            ("minimax-portal-cn", MESSAGES, "https://api.minimaxi.com/anthropic/v1/messages"),
            ("deepseek", MESSAGES, "https://api.deepseek.com/anthropic/v1/messages"),
            ("opencode", CHAT, "https://opencode.ai/zen/v1/chat/completions"),
            ("perplexity", RESPONSES, "https://api.perplexity.ai/v1/responses"),
            ("openai-codex", RESPONSES, "https://chatgpt.com/backend-api/codex/responses"),
            ("copilot", MESSAGES, "https://api.githubcopilot.com/v1/messages"),
            ("cloudflare", CHAT, "https://api.cloudflare.com/client/v4/accounts/acc1/ai/v1/chat/completions"),
            ("azure-openai", CHAT, "https://mine.openai.azure.com/openai/v1/chat/completions"),
            (
                "azure-deployments",
                CHAT,
                "https://mine.openai.azure.com/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
            ),
            (
                "vertex",
                GEMINI,
                "https://aiplatform.googleapis.com/v1/projects/proj/locations/global/publishers/google"
                "/models/{model}:{method}",
            ),
        ],
    )
    def test_urls_of_model_calls(self, name: str, wire_format: WireFormat, url: str) -> None:
        assert registry({}, PLACED).require(name).urls[wire_format] == url

    @EACH
    def test_each_url_is_recognised_as_its_format(self, spec: ProviderSpec) -> None:
        for wire_format, endpoint in spec.endpoints.items():
            path = endpoint.path.replace("{model}", "m").replace("{method}", "generateContent")
            assert format_of("POST", path) is (wire_format if wire_format in SHAPES else None)

    @EACH
    def test_each_knows_its_own_models(self, spec: ProviderSpec) -> None:
        assert spec.default_model is None or spec.has_model(spec.default_model) or not spec.models
        assert all(spec.own_name(model) for model in spec.example_models if spec.models)
        assert set(spec.free_models) == set() or all(
            spec.has_model(name.replace("*", "x")) for name in spec.free_models
        )

    @EACH
    def test_each_takes_a_key_unless_it_is_local_or_finds_its_own(self, spec: ProviderSpec) -> None:
        keyless = spec.connection_type == "local" or spec.auth == "google-adc"
        assert (spec.key_ref is None) == keyless
        assert spec.requires_api_key == (not keyless and spec.provider_id not in ("bedrock", "opencode"))
        assert (spec.login is None) == (spec.auth not in ("copilot", "chatgpt", "minimax-oauth"))
        assert spec.docs_url or spec.provider_id == "openai-compatible"

    @EACH
    def test_each_is_of_a_known_category(self, spec: ProviderSpec) -> None:
        assert spec.category in ("Local", "US Labs", "China Labs", "Model Hosts", "Other Labs")
        assert (spec.category == "Local") == (spec.connection_type == "local")

    def test_no_variable_holds_the_key_of_two(self) -> None:
        variables = [name for spec in SPECS for name in spec.api_key_env_vars]
        assert len(variables) == len(set(variables))

    def test_no_name_means_two(self) -> None:
        names = [name for spec in SPECS for name in (spec.provider_id, *spec.aliases)]
        assert sorted(names) == sorted(set(names))
        families = [family for spec in SPECS for family in spec.families]
        assert len(families) == len(set(families))

    def test_no_host_is_claimed_by_two(self) -> None:
        claims = sorted((host, spec.provider_id) for spec in SPECS for host in spec.hosts)
        twice = [(one, other) for one, other in pairwise(claims) if one[0] == other[0]]
        assert twice == []

    @EACH
    def test_each_file_says_when_it_was_checked(self, spec: ProviderSpec) -> None:
        text = (FOLDER / f"{spec.provider_id}.toml").read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert f'name = "{spec.provider_id}"' in text
        assert re.search("accessed 20[0-9-]+", text) or "like =" in text or spec.provider_id == "openai-compatible"

    def test_files_read_with_the_line_of_each_key_are_the_same(self) -> None:
        files: dict[str, ProviderFile] = {}
        left = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.toml")}
        while left:
            for name, text in list(left.items()):
                document = Document.parse(text, name)
                if document.data.get("like") in (None, *files):
                    files[name] = read_provider(document, files)
                    del left[name]
        assert sorted(files) == sorted(spec.provider_id for spec in SPECS)

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
        assert BUILT_IN.require(name).key_ref == KeyRef(variables, login=name)

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
        ("host", "provider_id"),
        [
            ("api.anthropic.com", "anthropic"),
            ("API.OpenAI.com", "openai"),
            ("generativelanguage.googleapis.com", "gemini"),
            ("api.githubcopilot.com", "copilot"),
            ("api.z.ai", "zai"),
            ("open.bigmodel.cn", "zai-cn"),
            ("api.minimax.io", "minimax"),
            ("bedrock-runtime.us-east-1.amazonaws.com", "bedrock"),
            ("chatgpt.com", ""),  # a ChatGPT plan passes through: it is nobody's
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
        local = ["llama-cpp", "lmstudio", "mlx", "ollama", "openai-compatible", "sglang", "tgi", "vllm"]
        assert [spec.provider_id for spec in BUILT_IN.list_providers("local")] == local
        assert len(BUILT_IN.list_providers()) == len(BUILT_IN.list_providers("byok")) + len(local)

    @pytest.mark.parametrize(
        ("variable", "provider"),
        [
            ("OPENAI_API_BASE", "openai"),
            ("OLLAMA_HOST", "ollama"),
            ("LMSTUDIO_BASE_URL", "lmstudio"),
            ("VLLM_BASE_URL", "vllm"),
            ("SGLANG_BASE_URL", "sglang"),
            ("TGI_BASE_URL", "tgi"),
            ("MLX_BASE_URL", "mlx"),
            ("LLAMACPP_BASE_URL", "llama-cpp"),
            ("OPENAI_COMPATIBLE_BASE_URL", "openai-compatible"),
        ],
    )
    def test_documented_variables_move_it(self, variable: str, provider: str) -> None:
        spec = registry({}, {variable: "https://box.example/x"}).require(provider)
        assert spec.default_base_url == "https://box.example/x"
        assert spec.origins == {("https", "box.example", 443)}

    def test_ollamas_variable_of_how_long_to_wait(self) -> None:
        assert BUILT_IN.require("ollama").timeout_env == "OLLAMA_HTTP_TIMEOUT"

    def test_starting_costs_little(self) -> None:
        """All files, read and checked: 9 ms on the machine of 2026-11; what comes again is a registry, 3 ms."""
        best = min(_seconds_of_a_registry() for _ in range(3))
        assert best < 0.05


def _seconds_of_a_registry() -> float:
    before = time.process_time()
    registry({})
    return time.process_time() - before
