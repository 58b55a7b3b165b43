"""A person's own files: where they are, what their keys mean, and when they are read again."""

from __future__ import annotations

from pathlib import Path

from promises.command import CommandLine
from promises.sending import asking, sent, url_of
from promises.tables import Promise, held

from ringlet_mitm.addons.rulings import RulingFiles
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import DEFAULT_PORT, Profile, provider_texts, read_profile
from ringlet_mitm.rules.providers import ProviderSpec, registry
from ringlet_mitm.rules.rulebook import Route, load_rulebook

FILES = {
    "my-gateway": """
name      = "my-gateway"
shape     = "anthropic"
endpoint  = "https://gateway.example.com/anthropic"
key-env   = "MY_GATEWAY_KEY"
default-model = "anthropic/claude-3.5-sonnet"
""",
    "together": """
name      = "together"
shape     = "openai"
endpoint  = "https://api.together.xyz/v1"
key-env   = "TOGETHER_API_KEY"
default-model = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
""",
    "litellm": """
name     = "litellm"
shape    = "openai"
endpoint = "http://localhost:4000/v1"
key-env  = "LITELLM_KEY"
""",
}
CHAT, MESSAGES = "https://api.openai.com/v1/chat/completions", "https://api.anthropic.com/v1/messages"


def own(text: str, name: str) -> ProviderSpec:
    return registry({f"{name}.toml": text}).require(name)


@held("file")
def test_a_file(promise: Promise) -> None:
    name = promise["file"]
    spec = own(FILES[name], name)
    assert list(spec.urls.values())[:1] == [promise["url"]]
    assert (list(spec.api_key_env_vars), spec.default_model) == (promise["key_env"], promise.get("default_model"))
    if "passes_model" in promise.data:
        asked = asking(CHAT, promise["passes_model"])
        outbound = sent(asked, Route(name), registry=registry({name: FILES[name]}))
        assert (url_of(outbound), outbound.body) == (promise["url"], asked.body)


@held("file-key")
def test_a_key_of_a_file(promise: Promise) -> None:
    lines = {"name": 'name = "x-y"', "shape": 'shape = "openai"', "endpoint": 'endpoint = "https://h.example/v1"'}
    spec = own("\n".join((lines | {promise["key"]: promise["line"]}).values()), "x-y")
    value = getattr(spec, promise["field"])
    assert (list(value) if isinstance(value, tuple) else value) == promise["value"]


@held("file-place")
def test_where_files_are(promise: Promise) -> None:
    assert home_of(promise["home"]).providers_dir == Path(promise["place"])


@held("routing-place")
def test_where_rules_are(promise: Promise) -> None:
    assert home_of(promise["home"]).routing_file(promise["profile"]) == Path(promise["place"])


@held("file-sync")
def test_a_new_file_is_picked_up(promise: Promise, tmp_path: Path) -> None:
    home, name = home_of({"RINGLET_HOME": str(tmp_path)}), promise["file"]
    files = RulingFiles(home, Profile(name="work"), {})
    assert files.load().registry.get(name) is None
    assert home.providers_dir in files.watched()
    home.providers_dir.mkdir(parents=True)
    (home.providers_dir / f"{name}.toml").write_text(FILES[name])
    assert files.load().registry.require(name).source
    assert home.providers_dir / f"{name}.toml" in files.watched()
    assert [Path(path).stem for path in provider_texts(home)] == [name]


@held("file-in-profile")
def test_a_file_in_a_profile(promise: Promise, command_line: CommandLine) -> None:
    name = promise["file"]
    folder = command_line.home.providers_dir
    folder.mkdir(parents=True)
    (folder / f"{name}.toml").write_text(FILES[name])
    command_line("profiles", "create", "work", "--provider", name)
    assert command_line.profile("work").provider == name
    assert name in command_line("providers", "list")


@held("both-spellings")
def test_dashes_and_underscores(promise: Promise) -> None:
    text = FILES["my-gateway"]
    assert own(text.replace("key-env", "key_env").replace("default-model", "default_model"), "my-gateway") == own(
        text, "my-gateway"
    )
    rules = '[[rule]]\nmatch = {{ {} = true }}\nto = "groq"\n'
    books = [load_rulebook(rules.format(word), "r.toml", registry({})) for word in ("tool-use", "tool_use")]
    assert books[0].rules == books[1].rules
    profiles = [read_profile(f'{word} = {{ groq = "K" }}\n', "p.toml", "p") for word in ("key-env", "key_env")]
    assert profiles[0] == profiles[1]


@held("port")
def test_the_default_port(promise: Promise) -> None:
    assert promise["port"] == DEFAULT_PORT
    assert not 8080 <= DEFAULT_PORT <= 8180
