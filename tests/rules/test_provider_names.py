"""What a provider may be called: ids, aliases, families, and URLs."""

from __future__ import annotations

import pytest

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.shapes import WireFormat

BUILT_IN = ProviderRegistry.default()

# By id, then aliases (of reference documents C and E, and a few more), then families.
NAMES: dict[str, list[str]] = {
    "anthropic": ["anthropic", "claude"],
    "openai": ["openai", "gpt"],
    "gemini": ["google", "google-gemini"],
    "bedrock": ["aws-bedrock"],
    "copilot": ["github-copilot"],
    "openai-codex": ["openai_codex", "codex"],
    "ollama": ["local-ollama"],
    "vercel": ["vercel-ai"],
    "cloudflare": ["cloudflare-ai"],
    "opencode": ["opencode-zen"],
    "xai": ["grok"],
    "together": ["together-ai", "togetherai"],
    "fireworks": ["fireworks-ai"],
    "lmstudio": ["lm-studio"],
    "llama-cpp": ["llama-cpp", "llamacpp", "llama.cpp", "llama_cpp"],
    "nvidia": ["nvidia-nim"],
    "ovhcloud": ["ovh"],
    "vllm": ["vllm-server"],
    "sglang": ["sg-lang"],
    "tgi": ["text-generation-inference"],
    "mlx": ["mlx-lm"],
    "openai-compatible": ["openai_compatible", "compatible"],
    "siliconflow": ["silicon-flow"],
    "azure-openai": ["azure"],
    "vertex": ["vertexai"],
    "moonshot": ["moonshot", "kimi", "moonshot-intl", "moonshot-whatever", "kimi-k3"],
    "moonshot-cn": ["moonshot-cn", "kimi-cn"],
    "kimi-code": ["kimi-code", "kimi-for-coding"],
    "glm": ["glm", "glm-global", "glm-5", "zhipu", "zhipu-anything"],
    "glm-cn": ["glm-cn", "zhipu-cn", "bigmodel", "zhipuai"],
    "minimax": ["minimax", "minimax-intl", "minimax-whatever"],
    "minimax-cn": ["minimax-cn", "minimaxi", "minimaxi-x"],
    "minimax-oauth": ["minimax-oauth"],
    "minimax-oauth-cn": ["minimax-oauth-cn"],
    "minimax-portal": ["minimax-portal"],
    "minimax-portal-cn": ["minimax-portal-cn"],
    "alibaba": ["qwen", "dashscope", "qwen-intl", "qwen3", "dashscope-x"],
    "alibaba-cn": ["qwen-cn", "dashscope-cn"],
    "alibaba-us": ["qwen-us"],
    "zai": ["zai", "z.ai", "z.ai-anything"],
    "zai-cn": ["z.ai-cn", "zai-cn"],
    "qianfan": ["qianfan", "baidu"],
    "doubao": ["doubao", "volcengine", "ark", "doubao-seed"],
}
PAIRS = [(name, provider_id) for provider_id, names in NAMES.items() for name in names]


@pytest.mark.parametrize(("name", "provider_id"), PAIRS, ids=[name for name, _ in PAIRS])
def test_names_in_any_case(name: str, provider_id: str) -> None:
    for spelled in (name, name.upper(), name.title()):
        found = BUILT_IN.get(spelled)
        assert (found and found.provider_id) == provider_id


@pytest.mark.parametrize("name", ["", "nobody", "moonshotai/kimi-k2", "kimi:k2", "akimi", "zaix", "arkx"])
def test_names_of_nobody(name: str) -> None:
    assert BUILT_IN.get(name) is None


def test_require_suggests_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown provider 'antropic'; did you mean 'anthropic'\?"):
        BUILT_IN.require("antropic")


def test_names_are_ids_and_aliases() -> None:
    assert {"anthropic", "claude", "groq", "google"} <= set(BUILT_IN.names())


def test_a_persons_names_come_before_ours() -> None:
    text = (
        'name = "mine"\nshape = "openai"\nendpoint = "https://h.example/v1"\naliases = ["Grok"]\nfamilies = ["kimi-k*"]'
    )
    found = registry({"mine.toml": text})
    assert [found.require(name).provider_id for name in ("grok", "kimi-k3", "kimi-x")] == ["mine", "mine", "moonshot"]


def test_a_persons_id_comes_before_our_alias() -> None:
    found = registry({"x.toml": 'name = "grok"\nshape = "openai"\nendpoint = "https://h.example/v1"'})
    assert found.require("grok").default_base_url == "https://h.example/v1"


@pytest.mark.parametrize(
    ("name", "provider_id", "wire_format", "url", "auth"),
    [
        pytest.param(
            "custom:https://my-llm.example.com/v1",
            "custom:https://my-llm.example.com/v1",
            WireFormat.CHAT,
            "https://my-llm.example.com/v1/chat/completions",
            "bearer",
            id="OpenAI's shape",
        ),
        pytest.param(
            "anthropic-custom:https://my-anthropic-proxy.example.com",
            "anthropic-custom:https://my-anthropic-proxy.example.com",
            WireFormat.MESSAGES,
            "https://my-anthropic-proxy.example.com/v1/messages",
            "x-api-key",
            id="Anthropic's shape",
        ),
        pytest.param(
            "Custom:HTTPS://LLM.Example.com/Path/",
            "custom:https://llm.example.com/Path",
            WireFormat.CHAT,
            "https://llm.example.com/Path/chat/completions",
            "bearer",
            id="one spelling",
        ),
        pytest.param(
            "custom:http://localhost:9999/v1",
            "custom:http://localhost:9999/v1",
            WireFormat.CHAT,
            "http://localhost:9999/v1/chat/completions",
            "bearer",
            id="on this machine",
        ),
    ],
)
def test_a_url_in_place_of_a_name(name: str, provider_id: str, wire_format: WireFormat, url: str, auth: str) -> None:
    spec = BUILT_IN.require(name)
    assert (spec.provider_id, spec.urls, spec.auth) == (provider_id, {wire_format: url}, auth)
    assert (spec.key_ref, spec.requires_api_key) == (KeyRef((), login=provider_id), False)
    assert spec.own_name("anything") == "anything"
    assert BUILT_IN.get(provider_id) is spec


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("custom:", "the URL of 'custom:' has to be a URL like https://host/v1"),
        ("custom:my-llm", "the URL of 'custom:my-llm' has to be a URL like https://host/v1"),
        (
            "custom:http://h.example/v1",
            "the URL of 'custom:http://h.example/v1' would send the key unencrypted to h.example; use https://, or "
            "say 'insecure = true' in a provider file of your own",
        ),
        ("custom:https://u:p@h.example", "the URL of 'custom:…' must not hold a password"),
        ("anthropic-custom:https://h?k=1", "the URL of 'anthropic-custom:https://h' must not have a query"),
    ],
)
def test_a_url_that_no_key_may_be_sent_to(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BUILT_IN.get(name)
    assert str(caught.value).startswith(words)


def test_a_models_name_is_no_url() -> None:
    assert BUILT_IN.infer_provider_from_model("custom:x/y") is None
