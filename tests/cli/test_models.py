"""`models` from the command line."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ringlet_mitm.addons.price_cache import price_book
from ringlet_mitm.cli import model_updates
from ringlet_mitm.cli.demo.upstream import server_context
from ringlet_mitm.cli.models import command
from ringlet_mitm.rules.errors import ConfigError, RingletError, UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.pricelist import extract
from ringlet_mitm.rules.pricing import Usage, cost
from ringlet_mitm.rules.profiles import own_models, provider_texts
from ringlet_mitm.rules.providers import registry

LIBRARY = extract()
BOX = ("--id", "my-model", "--provider", "custom", "--base-url", "http://192.168.1.50:8000/v1")
FREE = ("--input-price", "0", "--output-price", "0")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    monkeypatch.setattr("ringlet_mitm.addons.price_cache._made", lambda: LIBRARY)
    return home_of({"RINGLET_HOME": str(tmp_path)})


def call(*words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def row(output: str, name: str) -> list[str]:
    line = next(line for line in output.splitlines() if line.split()[:1] == [name])
    return line.split(maxsplit=6)


class TestList:
    def test_has_prices_and_what_models_can_do(self, home: Home) -> None:
        assert row(call("list"), "gpt-5.2") == [
            "gpt-5.2",
            "openai",
            "400,000",
            "$1.75",
            "$14.00",
            "$0.175",
            "vision, function-calling, json, thinking",
        ]

    def test_unknown_is_a_question_mark(self, home: Home) -> None:
        """X-023: nothing is free that nobody says is."""
        shown = call("list", "--provider", "ollama")
        assert row(shown, "qwen3:8b") == ["qwen3:8b", "ollama", "?", "?", "?", "?", "?"]
        assert "$" not in shown.replace("$/M", "")

    def test_of_one_provider(self, home: Home) -> None:
        shown = call("list", "--provider", "claude").splitlines()
        assert {line.split()[1] for line in shown[1:] if line and line[0] != "*"} == {"anthropic"}

    def test_with_a_capability(self, home: Home) -> None:
        shown = call("list", "--provider", "openai", "--capability", "vision", "--capability", "thinking")
        assert "gpt-5.2 " in shown
        assert "o1-mini" not in shown
        assert "gpt-4o " not in shown

    @pytest.mark.parametrize(
        ("words", "found"),
        [(("opus",), "claude-opus-4-6"), (("claude-opus-4.6",), "claude-opus-4-6"), (("gpt-5.*-pro",), "gpt-5.2-pro")],
    )
    def test_that_match(self, home: Home, words: tuple[str, ...], found: str) -> None:
        shown = call("list", *words)
        assert row(shown, found)
        assert "groq" not in shown

    def test_long_requests_that_cost_more_are_marked(self, home: Home) -> None:
        shown = call("list", "gemini-2.5-pro", "--provider", "gemini")
        assert row(shown, "gemini-2.5-pro")[3:5] == ["$1.25*", "$10.00*"]
        assert "higher for long requests" in shown

    def test_all_and_none(self, home: Home) -> None:
        assert "no such model; --all looks" in call("list", "gpt-4-32k")
        assert row(call("list", "gpt-4-32k", "--all", "--provider", "openai"), "gpt-4-32k")

    def test_json(self, home: Home) -> None:
        (found,) = json.loads(call("list", "--json", "--provider", "anthropic", "claude-opus-4-6"))
        assert (found["context"], found["prices"]["input"], found["prices"]["cache-read"]) == (1_000_000, 5, 0.5)
        assert found["sources"]["context"].startswith("platform.claude.com")
        unknown = json.loads(call("list", "--json", "--provider", "ollama", "mistral"))[0]
        assert (unknown["prices"], unknown["context"], unknown["capabilities"]) == (None, None, None)

    def test_an_unknown_provider(self, home: Home) -> None:
        with pytest.raises(ConfigError, match="did you mean 'groq'"):
            call("list", "--provider", "groqq")


class TestShow:
    def test_every_figure_has_its_source_and_what_others_say_in_brackets(self, home: Home) -> None:
        shown = call("show", "claude-opus-4.6")
        assert shown.startswith("claude-opus-4-6 at anthropic, family claude\n")
        context = next(line for line in shown.splitlines() if line.startswith("context"))
        assert "1,000,000" in context
        assert "platform.claude.com" in context
        assert "2026-11-21" in context
        assert "reference table 2026-11-21: 200,000]" in context
        assert "cache write 1h  $10.00" in shown
        assert "[reference table" in shown
        assert "above 200,000: $10.00 / $37.50]" in shown
        assert "openrouter" in shown

    def test_tiers(self, home: Home) -> None:
        shown = call("show", "gemini-2.5-pro", "--provider", "google")
        assert "above 200,000 input tokens: input $2.50, output $15.00" in shown

    def test_what_is_unknown(self, home: Home) -> None:
        shown = call("show", "ollama/llama3.1:8b")
        assert "Meta Llama 3.1, 8B" in shown
        assert "price           unknown" in shown
        assert "context         unknown" in shown

    def test_json(self, home: Home) -> None:
        first, *others = json.loads(call("show", "claude-opus-4-6", "--json"))
        assert first["provider"] == "anthropic"
        assert {"value": 200_000, "source": "reference table 2026-11-21"} in first["otherwise"]["context"]
        assert first["otherwise"]["prices"][-1]["tiers"] == [
            pytest.approx({"above": 200_000, **first_tier()}, rel=1e-9)
        ]
        assert "openrouter" in [other["provider"] for other in others]

    def test_a_model_nobody_knows(self, home: Home) -> None:
        with pytest.raises(UsageError, match="models add"):
            call("show", "xyzzy")


def first_tier() -> dict[str, float]:
    return {"input": 10, "output": 37.5, "cache-read": 1, "cache-write-5m": 12.5, "cache-write-1h": 20}


class TestAdd:
    def test_a_server_of_ones_own_is_a_provider_and_free(self, home: Home) -> None:
        """D-068 to D-073."""
        said = call("add", *BOX, *FREE)
        assert said.splitlines() == ["added 'my-model': free", 'use it in a rule:  to = "my-model"']
        providers = registry(provider_texts(home))
        assert providers.require("my-model").default_base_url == "http://192.168.1.50:8000/v1"
        card = price_book(home, providers).card("my-model", "my-model")
        assert cost(Usage(input_tokens=10**6, cache_read_tokens=5, output_tokens=10**6), card).total == 0
        assert row(call("list", "my-model"), "my-model")[2:] == ["?", "$0.00", "$0.00", "$0.00", "?"]
        assert "yours, in models.toml" in call("show", "my-model")

    def test_without_prices_they_are_unknown(self, home: Home) -> None:
        assert "price unknown" in call("add", *BOX)
        assert row(call("list", "my-model"), "my-model")[3:6] == ["?", "?", "?"]
        assert price_book(home, registry(provider_texts(home))).card("my-model", "my-model") is None

    def test_what_one_knows_better_of_a_known_provider(self, home: Home) -> None:
        words = ("--id", "llama-x", "--provider", "GROQ", "--input-price", "0.1", "--output-price", "$0.2")
        said = call("add", *words, "--cache-read-price", "0.05", "--context", "1000", "--capability", "json")
        assert said.splitlines()[1] == 'use it in a rule:  to = "groq/llama-x"'
        assert row(call("list", "llama-x"), "llama-x")[1:] == ["groq", "1,000", "$0.10", "$0.20", "$0.05", "json"]
        card = price_book(home, registry(provider_texts(home))).card("groq", "llama-x")
        assert card is not None
        assert (str(card.rates.input_tokens), card.source) == ("0.1", "user")

    def test_their_price_goes_before_the_published_one(self, home: Home) -> None:
        call("add", "--id", "gpt-5.2", "--provider", "openai", "--input-price", "1", "--output-price", "2")
        shown = call("show", "gpt-5.2")
        assert "input           $1.00         yours" in shown
        assert ": $1.75 / $14.00]" in shown

    def test_adding_again_changes_what_is_given_and_keeps_the_rest(self, home: Home) -> None:
        call("add", *BOX, *FREE)
        assert call("add", "--id", "My-Model", "--context", "5", "--capability", "json").startswith(
            "changed 'my-model'"
        )
        (model,) = own_models(home)
        assert (model.id, model.context, model.capabilities, model.input_price) == ("my-model", 5, ("json",), 0)

    def test_one_model_at_two_providers(self, home: Home) -> None:
        call("add", *BOX)
        call("add", "--id", "my-model", "--provider", "groq", "--context", "9")
        assert [(model.provider, model.context) for model in own_models(home)] == [("custom", None), ("groq", 9)]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--id", "x"), "provider 'custom' needs --base-url"),
            (("--id", "x", "--provider", "groqq"), "unknown provider 'groqq'; did you mean 'groq'?"),
            (("--id", "openai", "--base-url", "http://10.0.0.1/v1"), "'openai' is a provider already"),
            (("--id", "é", "--base-url", "http://10.0.0.1/v1"), "a model needs an id"),
            ((*BOX, "--input-price", "-1"), "0 or more"),
            ((*BOX, "--input-price", "nan"), "0 or more"),
            (("--id", "x", "--base-url", "http://far.example/v1"), "say --insecure"),
            (("--id", "x", "--base-url", "box"), "has to be a URL"),
            (("--id", "x", "--base-url", "https://a:b@h/v1"), "password"),
            (("--id", "x", "--provider", "groq", "--key-env", "K"), "--key-env goes with --base-url"),
        ],
    )
    def test_what_cannot_be_meant(self, home: Home, words: tuple[str, ...], said: str) -> None:
        with pytest.raises(RingletError) as error:
            call("add", *words)
        assert said in str(error.value)
        assert not home.models_file.exists()

    def test_a_price_that_is_no_number(self, home: Home) -> None:
        done = CliRunner().invoke(command, ("add", *BOX, "--input-price", "cheap"))
        assert done.exit_code == 2
        assert "'cheap' is no number of USD per million tokens" in done.output

    def test_a_name_of_a_provider_file(self, home: Home) -> None:
        home.providers_dir.mkdir(parents=True)
        (home.providers_dir / "a.toml").write_text('name = "my-model"\nshape = "openai"\nendpoint = "https://h/v1"')
        with pytest.raises(UsageError, match="'my-model' is a provider already"):
            call("add", *BOX)


class TestRemove:
    def test_by_its_name_or_its_providers(self, home: Home) -> None:
        call("add", "--id", "Qwen/Qwen3", "--base-url", "http://10.0.0.1/v1")
        assert call("remove", "qwen-qwen3") == "removed 'Qwen/Qwen3'\n"
        assert own_models(home) == ()

    def test_of_one_of_two_providers(self, home: Home) -> None:
        for provider in ("groq", "together"):
            call("add", "--id", "m-1", "--provider", provider, "--context", "9")
        with pytest.raises(UsageError, match="groq and together; say which"):
            call("remove", "m-1")
        call("remove", "m-1", "--provider", "groq")
        assert [model.provider for model in own_models(home)] == ["together"]

    def test_what_is_not_there(self, home: Home) -> None:
        call("add", *BOX)
        with pytest.raises(UsageError, match="did you mean 'my-model'"):
            call("remove", "my-mode")
        with pytest.raises(UsageError, match="built in cannot be removed"):
            call("remove", "gpt-5.2")


PUBLISHED: list[dict[str, Any]] = [
    {
        "id": "openai",
        "models": [
            {"id": "gpt-5.2", "match": {"equals": "gpt-5.2"}, "prices": {"input_mtok": 1.5, "output_mtok": 12}},
            {"id": "gpt-99", "match": {"equals": "gpt-99"}, "prices": {"input_mtok": 9, "output_mtok": 99}},
        ],
    }
]


@dataclass
class Publisher:
    """A server of price data; `answers` are by path: status, headers, body."""

    url: str
    ca_file: Path
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def publishers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Publisher, Publisher]]:
    """One with TLS and one without."""
    context, ca_file = server_context(tmp_path_factory.mktemp("ca"), ("localhost",))
    made = [_published(context, ca_file), _published(None, ca_file)]
    yield made[0][0], made[1][0]
    for _, server in made:
        server.shutdown()
        server.server_close()


def _published(context: ssl.SSLContext | None, ca_file: Path) -> tuple[Publisher, ThreadingHTTPServer]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = publisher.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    publisher = Publisher(f"{scheme}://localhost:{server.server_port}", ca_file)
    publisher.answers["/data.json"] = (200, {}, json.dumps(PUBLISHED).encode())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return publisher, server


@pytest.fixture
def secure(publishers: tuple[Publisher, Publisher], monkeypatch: pytest.MonkeyPatch) -> Publisher:
    monkeypatch.setenv("SSL_CERT_FILE", str(publishers[0].ca_file))
    monkeypatch.setenv("NO_PROXY", "localhost")
    return publishers[0]


class TestUpdate:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "data.json"
        path.write_text(json.dumps(PUBLISHED))
        return path

    def test_from_a_file_and_back(self, home: Home, file: Path) -> None:
        said = call("update", "--from", str(file)).splitlines()
        assert said[0] == "1 models added: openai/gpt-99"
        assert said[1] == "1 models with another price: openai/gpt-5.2 $1.75 / $14 -> $1.5 / $12"
        assert said[3].startswith("in use from now on, as 'price update ")
        assert row(call("list", "gpt-99", "--all"), "gpt-99")[3:5] == ["$9.00", "$99.00"]
        shown = call("show", "gpt-5.2")
        assert "input           $1.50         price update " in shown
        assert "$1.75 / $14.00]" in shown
        assert call("update", "--reset") == "back to the prices of the installed library\n"
        assert "input           $1.75" in call("show", "gpt-5.2")
        assert call("update", "--reset") == "there was no update to go back from\n"

    def test_from_a_server(self, home: Home, secure: Publisher) -> None:
        assert "1 models added: openai/gpt-99" in call("update", "--from", f"{secure.url}/data.json")

    def test_from_this_machine_without_tls(self, home: Home, publishers: tuple[Publisher, Publisher]) -> None:
        assert "1 models added" in call("update", "--from", f"{publishers[1].url}/data.json")

    def test_redirects_are_followed(self, home: Home, secure: Publisher) -> None:
        secure.answers["/moved"] = (302, {"location": "/data.json"}, b"")
        assert "1 models added" in call("update", "--from", f"{secure.url}/moved")

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ((302, {"location": "http://far.example/data.json"}, b""), "has to be https://"),
            ((302, {"location": "ftp://far.example/data.json"}, b""), "has to be https://"),
            ((302, {"location": "/odd"}, b""), "more than 5 redirects"),
            ((404, {}, b""), "status 404"),
            ((200, {}, b"<html>sign in</html>"), "is not JSON"),
            ((200, {}, b" " * 2000), "is larger than"),
            ((200, {"content-encoding": "gzip"}, b"nonsense"), "cannot be fetched"),
        ],
    )
    def test_what_servers_may_answer(
        self,
        home: Home,
        secure: Publisher,
        monkeypatch: pytest.MonkeyPatch,
        answer: tuple[int, dict[str, str], bytes],
        said: str,
    ) -> None:
        monkeypatch.setattr(model_updates, "LARGEST_BYTES", 1000)
        secure.answers["/odd"] = answer
        with pytest.raises(ConfigError) as error:
            call("update", "--from", f"{secure.url}/odd")
        assert said in str(error.value)
        assert not home.price_update.exists()

    def test_a_server_that_nobody_vouches_for(
        self, home: Home, secure: Publisher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(ConfigError, match="cannot be fetched"):
            call("update", "--from", f"{secure.url}/data.json")

    @pytest.mark.parametrize("url", ["http://far.example/data.json", "ftp://localhost/x", "file:///etc/passwd"])
    def test_only_from_where_nobody_can_change_it(self, home: Home, url: str) -> None:
        with pytest.raises(ConfigError, match="has to be https://"):
            call("update", "--from", url)

    def test_a_slow_server(self, home: Home, secure: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(model_updates, "LONGEST_S", 0.0)
        with pytest.raises(ConfigError, match="took longer than"):
            call("update", "--from", f"{secure.url}/data.json")

    def test_what_is_wrong_changes_nothing(self, home: Home, file: Path) -> None:
        call("update", "--from", str(file))
        before = home.price_update.read_bytes()
        file.write_text("[]")
        with pytest.raises(ConfigError, match=r"data\.json: has no models in it"):
            call("update", "--from", str(file))
        assert home.price_update.read_bytes() == before

    def test_older_data_is_kept_and_said_to_be(self, home: Home, tmp_path: Path) -> None:
        path = tmp_path / "old.json"
        path.write_text(json.dumps({"version": "0.0.1", "providers": json.loads(LIBRARY)["providers"]}))
        assert "kept, but not used: it is version 0.0.1" in call("update", "--from", str(path))
        assert "genai-prices 0.0.1" not in call("show", "gpt-5.2")

    def test_a_file_of_another_day_is_of_that_day(self, home: Home, file: Path) -> None:
        os.utime(file, (1_900_000_000, 1_900_000_000))
        assert "as 'price update 2030-03-17'" in call("update", "--from", str(file))

    def test_a_damaged_store_is_no_hindrance(self, home: Home, file: Path) -> None:
        call("update", "--from", str(file))
        home.price_update.write_bytes(b"{")
        assert "input           $1.75" in call("show", "gpt-5.2")

    @pytest.mark.parametrize("words", [(), ("--from", "x", "--reset")])
    def test_one_of_both(self, home: Home, words: tuple[str, ...]) -> None:
        with pytest.raises(UsageError, match="--from FILE or URL, or --reset"):
            call("update", *words)

    def test_no_such_file(self, home: Home) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            call("update", "--from", "nowhere.json")
