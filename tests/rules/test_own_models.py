"""models.toml: what can be in it, and the providers that it makes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import tomli_w

from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.own_models import OwnModel, as_toml, check, price_rows, provider_files, read_models
from ringlet_mitm.rules.profiles import own_models, provider_texts, save_models
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.shapes import WireFormat

BOX = "http://192.168.1.50:8000/v1"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


MODELS = (
    OwnModel(id="my-model", base_url=BOX, input_price=Decimal(0), output_price=Decimal(0)),
    OwnModel(id="Qwen/Qwen3:8B", provider="ollama", base_url="http://box:11434", context=32768, capabilities=("json",)),
    OwnModel(id="llama-x", provider="groq", input_price=Decimal("0.1"), cache_write_price=Decimal("0.3")),
    OwnModel(id="claude-mine", provider="anthropic-custom", base_url="https://h.example/v1", key_env="MY_KEY"),
)


def test_what_is_written_is_read(home: Home) -> None:
    assert own_models(home) == ()
    save_models(home, MODELS)
    assert own_models(home) == MODELS
    assert home.models_file.stat().st_mode & 0o077 == 0
    text = home.models_file.read_text()
    assert "insecure" not in text
    assert "input-price = 0.1" in text


def test_each_base_url_is_a_provider(home: Home) -> None:
    save_models(home, MODELS)
    providers = registry(provider_texts(home))
    mine = providers.require("my-model")
    assert mine.urls == {WireFormat.CHAT: f"{BOX}/chat/completions"}
    assert (mine.default_model, mine.auth, mine.key_ref, mine.connection_type) == ("my-model", "none", None, "local")
    assert mine.has_model("my-model")
    assert not mine.has_model("claude-sonnet-4-6")
    assert str(home.models_file) in mine.source
    assert providers.require("claude-mine").key_ref is not None
    assert providers.require("claude-mine").urls == {WireFormat.MESSAGES: "https://h.example/v1/messages"}
    assert [providers.get(name) and name for name in ("llama-x",)] == [None]


def test_another_machines_ollama_is_spoken_to_like_ollama(home: Home) -> None:
    """D-065."""
    save_models(home, MODELS)
    spec = registry(provider_texts(home), {"OLLAMA_HOST": "http://elsewhere:1"}).require("qwen-qwen3-8b")
    usual = registry({}).require("ollama")
    assert spec.formats == usual.formats
    assert {url.partition(":11434")[0] for url in spec.urls.values()} == {"http://box"}
    assert spec.default_model == "Qwen/Qwen3:8B"
    assert spec.library_id == "qwen-qwen3-8b"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "groq", "bedrock", "openai-codex", "copilot"])
def test_the_key_of_a_provider_stays_with_it(provider: str) -> None:
    """`--provider openai --base-url` elsewhere: no key of OpenAI goes there, nor any login."""
    model = OwnModel(id="elsewhere", provider=provider, base_url="https://h.example/v1")
    (data,) = provider_files([model], "models.toml").values()
    spec = registry({"x": tomli_w.dumps(data)}).require("elsewhere")
    assert (spec.key_ref, spec.auth, spec.auths, spec.login) == (None, "none", {}, None)
    assert {endpoint.host for endpoint in spec.endpoints.values()} == {"h.example"}


def test_prices_of_known_providers(home: Home) -> None:
    assert price_rows(MODELS) == {
        "groq": {
            "llama-x": {"input": Decimal("0.1"), "cache-write-5m": Decimal("0.3"), "cache-write-1h": Decimal("0.3")}
        }
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "m.toml:1: x: unknown key; models stand under [[model]]"),
        ("model = 1", "m.toml:1: model: models stand under [[model]]"),
        (
            '[[model]]\nid = "a"\nprovider = "groq"\ncontexts = 1',
            "m.toml:4: contexts: unknown key; did you mean 'context'?",
        ),
        ('[[model]]\nid = "a"\nprovider = "groq"\ninput-price = -1', "0 or more"),
        ('[[model]]\nid = "a"\nprovider = "groq"\ninput-price = "x"', "m.toml:4: input-price: "),
        ('[[model]]\nid = "a"\nprovider = "groq"\ninput-price = nan', "m.toml:4: input-price: "),
        ('[[model]]\nid = "a"\nprovider = "groq"\ncontext = 0', "has to be a number of tokens"),
        ('[[model]]\nid = "a"\nprovider = "groq"\ncapabilities = ["fly"]', "m.toml:4: capabilities"),
        ('[[model]]\nid = "a"', "needs base-url"),
        ('[[model]]\nprovider = "groq"', "needs an id"),
        ('[[model]]\nid = "a"\nbase-url = "ftp://h"', "has to be a URL"),
        ('[[model]]\nid = "a"\nbase-url = "http://far.example"', "say insecure"),
        ('[[model]]\nid="a"\nprovider="groq"\n[[model]]\nid="A"\nprovider="groq"', "m.toml:5: "),
        ('[[model]]\nid="a b"\nbase-url="http://h"\n[[model]]\nid="a-b"\nbase-url="http://i"', "is there already"),
    ],
)
def test_what_cannot_be_meant(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_models(text, "m.toml")
    assert said in str(error.value)
    assert str(error.value).startswith("m.toml:")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (OwnModel(id="openai", base_url=BOX), "'openai' is a provider already"),
        (OwnModel(id="Claude", base_url=BOX), "'claude' is a provider already"),
        (OwnModel(id="x", provider="grok-box", base_url=BOX), "unknown provider 'grok-box'"),
    ],
)
def test_names_that_are_taken_or_unknown(home: Home, model: OwnModel, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        save_models(home, [model])
    assert not home.models_file.exists()


def test_a_providers_family_does_not_take_a_models_name(home: Home) -> None:
    """`qwen…` means a provider, but a model of that name on one's own machine is the nearer one."""
    save_models(home, [OwnModel(id="qwen3-8b", base_url=BOX)])
    assert registry(provider_texts(home)).require("qwen3-8b").default_base_url == BOX


def test_a_name_in_two_files(home: Home) -> None:
    home.providers_dir.mkdir(parents=True)
    (home.providers_dir / "a.toml").write_text('name = "my-model"\nshape = "openai"\nendpoint = "https://h/v1"')
    save_models(home, MODELS[:1])
    with pytest.raises(ConfigError, match="'my-model' is already the name in"):
        registry(provider_texts(home))


def test_checks_say_what_to_type() -> None:
    with pytest.raises(UsageError, match="--key-env goes with --base-url"):
        check(OwnModel(id="a", provider="groq", key_env="K"))
    with pytest.raises(UsageError, match="say --insecure"):
        check(OwnModel(id="a", base_url="http://far.example/v1"))
    check(OwnModel(id="a", base_url="http://far.example/v1", insecure=True))


def test_only_what_is_given_is_written() -> None:
    assert as_toml([OwnModel(id="a", provider="groq", context=5)]) == {
        "model": [{"id": "a", "provider": "groq", "context": 5}]
    }
