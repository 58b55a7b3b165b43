"""The files that describe providers: a person's own, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import Endpoint, ProviderRegistry, ProviderSpec, registry
from ringlet_mitm.rules.shapes import WireFormat

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


class TestOwnFiles:
    def test_the_reference_anthropic_gateway_loads(self) -> None:
        spec = own(MY_GATEWAY, "my-gateway")
        assert spec.endpoints == {MESSAGES: Endpoint("https", "gateway.example.com", 443, "/anthropic/v1/messages")}
        assert (spec.auth, spec.key_ref, spec.default_model) == (
            "x-api-key",
            KeyRef(("MY_GATEWAY_KEY",), login="my-gateway"),
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

    def test_a_second_account_is_like_the_first_but_for_its_key(self) -> None:
        first, second = BUILT_IN.require("openai"), own('name = "work"\nlike = "openai"\nkey-env = "WORK_KEY"', "work")
        assert (second.urls, second.models, second.library_id) == (first.urls, first.models, "openai")
        assert second.key_ref == KeyRef(("WORK_KEY",), login="work")
        assert (second.aliases, second.base_url_env_var) == ((), None)

    def test_without_a_key_of_its_own_it_needs_a_login(self) -> None:
        spec = own('name = "work"\nlike = "openai"', "work")
        assert (spec.key_ref, spec.requires_api_key) == (KeyRef((), login="work"), True)

    def test_one_elsewhere_keeps_the_paths_below_its_own_host(self) -> None:
        spec = own('name = "x"\nlike = "moonshot"\nendpoint = "https://kimi.example/v1"\nkey-env = "K"')
        assert spec.urls == {
            CHAT: "https://kimi.example/v1/chat/completions",
            MESSAGES: "https://kimi.example/anthropic/v1/messages",
        }
        assert spec.origins == {("https", "kimi.example", 443)}

    def test_demands_on_the_body(self) -> None:
        spec = own(minimal() + '\n[demands.openai-chat]\nrefuse-in-messages = ["name"]\nforce = { store = false }')
        assert spec.demands_for(CHAT).refuse_in_messages == ("name",)
        assert spec.demands_for(CHAT).force == {"store": False}
        assert not spec.demands_for(RESPONSES).concern(b'{"store":true}')

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
            "x.toml:4: auth: has to be 'bearer', 'x-api-key', 'x-goog-api-key', 'api-key', 'none', 'aws', "
            "'google-adc', 'copilot', 'chatgpt' or 'minimax-oauth'; did you mean 'bearer'?",
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
            minimal() + '\n[login]\nflow = "github-device"\nclient-id = "x"\nscop = "y"',
            "x.toml:7: login.scop: unknown key",
            id="unknown key of a table",
        ),
        pytest.param(
            minimal() + '\n[login]\nflow = "github-device"',
            "x.toml:4: login: 'client-id' is missing",
            id="missing key of a table",
        ),
        pytest.param(
            minimal() + '\n[login]\nflow = "github-device"\nclient-id = "x"\n[login.urls]\ncode = "http://h.example"',
            "x.toml:8: login.urls.code: would send the key unencrypted to h.example; use https://, "
            "or say 'insecure = true'",
            id="a login without encryption",
        ),
        pytest.param(
            minimal() + '\n[formats-by-model]\n"claude-*" = ["anthropic-messages"]',
            "x.toml:5: formats-by-model.claude-*: has to name formats that stand in 'paths'",
            id="a format without a path",
        ),
        pytest.param(
            minimal(like='"opnai"'),
            "x.toml:4: like: there is no built-in provider 'opnai'; did you mean 'openai'?",
            id="like nobody",
        ),
        pytest.param(
            minimal(endpoint='"https://${HOST"'), "x.toml:3: endpoint: a '${' has no '}'", id="an open variable"
        ),
        pytest.param(
            minimal(endpoint='"https://${2}.example"'),
            "x.toml:3: endpoint: '${2}' names no variable; write ${NAME} or ${NAME:-default}",
            id="a variable without a name",
        ),
        pytest.param(
            minimal(endpoint='"https://h.example/a b"'),
            "x.toml:3: endpoint: is not a URL: it holds a space or a backslash",
            id="a space",
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
