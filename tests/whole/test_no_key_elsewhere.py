"""No key of one provider reaches another one, no agent's key anybody but whom it asked, and no key a log or a file."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from every_provider import AGENT_KEYS, REFRESH, Traffic, all_keys, cases, login_token, secrets_of, specs
from everything_said import SAID, Everything, broken, everything
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from ringlet_mitm.cli.demo.upstream import Seen, Vendor
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec

EVERY_SECRET = sorted({secret for spec in specs() for secret in secrets_of(spec)} | {*AGENT_KEYS.values()})


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it arrived: for which provider, where, and all of its text; `keys` are the secrets in it."""

    name: str
    where: str
    text: bytes

    @property
    def keys(self) -> set[str]:
        """Every secret that it has."""
        return {secret for secret in EVERY_SECRET if holds(self.text, secret)}


def whole(seen: Seen) -> bytes:
    """All that arrived: host, path, query, headers, body."""
    headers = "\n".join(f"{name}: {value}" for name, value in seen.headers.get_all())
    return f"{seen.host}\n{seen.path}\n{seen.query}\n{headers}\n".encode() + seen.body


@cache
def spellings(secret: str) -> tuple[bytes, ...]:
    """A secret as it may stand in a text: plain, in quotes of URLs, in base64 at any offset."""
    inner = (b64encode(b"_" * shift + secret.encode())[4 if shift else 0 : -4] for shift in range(3))
    return secret.encode(), quote(secret, safe="").encode(), *inner


def holds(text: bytes, secret: str) -> bool:
    """Whether a secret is in a text."""
    return any(spelling in text for spelling in spellings(secret))


@pytest.fixture(scope="module")
def sent(every_request: Traffic) -> list[Sent]:
    """Every request that arrived anywhere."""
    known, found = ProviderRegistry.default(), []
    for heard in every_request.heard:
        spec = known.get(heard.case.provider)
        name = spec.provider_id if spec else heard.case.provider
        found += [Sent(name, f"{seen.host}{seen.path}", whole(seen)) for seen in heard.seen]
    for agent, seen in every_request.passed.items():
        found.append(Sent(f"as asked from {agent}", f"{seen.host}{seen.path}", whole(seen)))
    return found


@cache
def owners(secret: str) -> frozenset[str]:
    """The providers that a secret is for: a variable may be two sites' of one vendor."""
    return frozenset(spec.provider_id for spec in specs() if secret in secrets_of(spec))


def test_the_traffic_is_all_there(every_request: Traffic, sent: list[Sent]) -> None:
    assert [heard.case.id for heard in every_request.heard if not heard.seen] == []
    assert {one.name for one in sent} >= {spec.provider_id for spec in specs()}


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.provider_id)
def test_the_keys_of_a_provider_reach_nobody_else(sent: list[Sent], spec: ProviderSpec) -> None:
    """Every ordered pair with this provider as the first."""
    wrong = [
        f"{secret} reached {one.name} at {one.where}"
        for secret in secrets_of(spec)
        for one in sent
        if one.name not in owners(secret) and holds(one.text, secret)
    ]
    assert wrong == []


def test_no_variable_is_for_two_hosts() -> None:
    """Where documents call the keys of two sites by one name, the sites have variables of their own here."""
    hosts = {
        name: {
            endpoint.host for spec in specs() if name in spec.api_key_env_vars for endpoint in spec.endpoints.values()
        }
        for name in all_keys()
    }
    assert {name: found for name, found in hosts.items() if len(found) > 1} == {}


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.provider_id)
def test_a_provider_gets_no_second_key(sent: list[Sent], spec: ProviderSpec) -> None:
    """Of its own several variables and tokens it is sent one."""
    assert all(len(one.keys) <= 1 for one in sent if one.name == spec.provider_id)


@pytest.mark.parametrize("agent", AGENT_KEYS)
def test_the_agents_own_key_goes_where_it_was_meant_for(sent: list[Sent], agent: str) -> None:
    """Only what no rule took has it."""
    assert [one.name for one in sent if holds(one.text, AGENT_KEYS[agent])] == [f"as asked from {agent}"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("moonshot", "moonshot-cn"),
        ("moonshot", "kimi-code"),
        ("moonshot-cn", "kimi-code"),
        ("minimax", "minimax-cn"),
        ("minimax", "minimax-oauth"),
        ("minimax-oauth", "minimax-oauth-cn"),
        ("openai", "azure-openai"),
        ("azure-openai", "azure-deployments"),
        ("openai", "openai-codex"),
        ("openai", "openai-compatible"),
        ("gemini", "vertex"),
        ("glm", "zai"),
        ("glm", "glm-cn"),
        ("zai", "zai-cn"),
        ("alibaba", "alibaba-cn"),
        ("alibaba", "alibaba-us"),
        ("siliconflow", "siliconflow-intl"),
        ("anthropic", "anthropic-custom:https://claude.example.com"),
        ("openai", "custom:https://llm.example.com/v1"),
    ],
)
def test_relatives_have_keys_of_their_own(sent: list[Sent], one: str, other: str) -> None:
    """Sites of one vendor, and providers with like names: neither is sent what the other is sent."""
    specs_of = [ProviderRegistry.default().get(name) for name in (one, other)]
    first, second = (
        {key for request in sent if spec and request.name == spec.provider_id for key in request.keys}
        for spec in specs_of
    )
    assert None not in specs_of
    assert not first & second


def test_refresh_tokens_never_travel(sent: list[Sent]) -> None:
    tokens = [REFRESH.format(spec.provider_id) for spec in specs() if spec.login]
    assert tokens
    assert [token for token in tokens for one in sent if holds(one.text, token)] == []


@pytest.mark.parametrize("what", ["log", "health", "models", "providers list"])
def test_nothing_that_is_shown_has_a_key(every_request: Traffic, what: str) -> None:
    text = every_request.said[what].encode()
    assert text
    assert [secret for secret in EVERY_SECRET if holds(text, secret)] == []


def test_the_ledger_has_labels_and_no_keys(every_request: Traffic) -> None:
    text = repr((every_request.ledger, every_request.attempts)).encode()
    assert [secret for secret in EVERY_SECRET if holds(text, secret)] == []
    labels = {row["key_label"] for row in every_request.attempts}
    keys = {f"env:{case.said['key']}" for case in cases() if "key" in case.said}
    assert keys <= labels


def test_no_file_has_a_key(every_request: Traffic) -> None:
    assert any(name.endswith(".duckdb") for name in every_request.left)
    wrong = [
        (name, secret) for name, data in every_request.left.items() for secret in EVERY_SECRET if holds(data, secret)
    ]
    assert wrong == []


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Everything:
    """A proxy with a login, watched in mitmweb and dumped with bodies; all that it says and leaves behind."""
    return everything(tmp_path_factory.mktemp("everything"), vendor)


def test_nothing_that_a_watched_proxy_says_has_a_key(said: Everything) -> None:
    assert len(said.said) > 60
    assert all(said.said[name] for name in ("printed", "mitmweb /flows", "page /health", "requests", "attempts"))
    assert [(name, secret) for name, text in said.said.items() for secret in said.secrets if holds(text, secret)] == []


def test_no_file_of_a_watched_proxy_has_a_key(said: Everything) -> None:
    assert {"work.flows", "usage.duckdb"} <= {name.rpartition("/")[2] for name in said.files}
    assert [(name, secret) for name, data in said.files.items() for secret in said.secrets if holds(data, secret)] == []


def test_what_was_looked_at_is_all_there(said: Everything) -> None:
    """Each kind of request is in the list, in the dump and in the ledger, so its keys would have been."""
    flows = [flow for flow in FlowReader(io.BytesIO(said.files["work.flows"])).stream() if isinstance(flow, HTTPFlow)]
    paths = [flow.request.path for flow in flows]
    assert {"/v1/messages", "/openai/v1/chat/completions", "/v1/responses", "/v1/oauth/token"} <= set(paths)
    assert any("?key=***" in path for path in paths)
    talked = [flow for flow in flows if SAID.encode() in (flow.request.raw_content or b"")]
    assert len(talked) >= 4
    assert b"unreachable" in said.said["requests"]
    assert b"words" not in b"".join(flow.request.raw_content or b"" for flow in flows)


SECRET = "words-in-a-file-6e02"
FILES: dict[str, tuple[str, str]] = {
    "no end of a text": ("config.toml", f'default_provider = "groq"\napi_key = "{SECRET}\n'),
    "no text at all": ("config.toml", f"default_provider = 'groq'\napi_key = {SECRET}\n"),
    "a list": ("config.toml", f"default_provider = 'groq'\napi_key = ['{SECRET}']\n"),
    "an unknown key": ("config.toml", f"default_provider = 'groq'\napi_kay = '{SECRET}'\n"),
    "a wrong neighbour": ("config.toml", f"default_provider = 'grooq'\napi_key = '{SECRET}'\n"),
    "twice": ("config.toml", f"api_key = '{SECRET}'\napi_key = '{SECRET}'\n"),
    "in a rule": ("routing.toml", f"[default]\nto = 'groq'\nkey = '{SECRET}'\n"),
    "in a profile": ("profile.toml", f"key-env = {{ groq = '{SECRET}' }}\n"),
    "a password in a profile": ("profile.toml", f"proxyauth = 'agents:{SECRET}'\n"),
}


@pytest.mark.parametrize(("name", "text"), FILES.values(), ids=FILES)
def test_what_is_said_of_a_broken_file_has_no_key(tmp_path: Path, name: str, text: str) -> None:
    printed = broken(tmp_path, name, text)
    assert name in printed
    assert SECRET not in printed
    assert "Traceback" not in printed


def test_the_search_finds_what_it_looks_for() -> None:
    """Else all of this would pass with an empty hand."""
    assert len(all_keys()) > 20
    secret = login_token("someone")
    texts = (secret, f"x={quote(secret, safe='')}", b64encode(f"user:{secret}".encode()).decode())
    assert all(holds(text.encode(), secret) for text in texts)
    assert not holds(b"nothing of the kind", secret)
