"""One request to every provider through one proxy, with every key set: what the vendors got, and what was written down.

The rows are fixtures/promises/wire.toml, from the vendors' documents.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from clients import client, rows
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from every_vendor import GOOGLE_TOKEN, EveryVendor
from forking import ForkedProxy

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.store import Login, store_of
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Seen
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec

FILE = Path(__file__).parents[1] / "fixtures" / "promises" / "wire.toml"
CHAT, MESSAGES = "https://api.openai.com/v1/chat/completions", "https://api.anthropic.com/v1/messages"
AGENT_KEYS = {"chat": "sk-the-agents-own-for-openai-a1b2", "messages": "sk-ant-the-agents-own-for-anthropic-c3d4"}
# What nobody but the file store and the token's own vendor may have.
REFRESH = "refresh-token-of-{}"
FILES_OFF = {"RINGLET_KEYRING": "0", "AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}


@dataclass(frozen=True, slots=True)
class Case:
    """A row: what a request to a provider shall look like. `number` is its place, and part of the model asked for."""

    number: int
    said: dict[str, Any]

    @property
    def provider(self) -> str:
        """As rules name it."""
        return str(self.said["provider"])

    @property
    def id(self) -> str:
        """The provider, and the API that the agent speaks."""
        return f"{self.provider}-from-{self.said['agent']}"

    @property
    def asked(self) -> str:
        """The model that the agent asks for."""
        return f"ask-{self.number}"

    @property
    def rule(self) -> str:
        """What sends it there."""
        match = f'match = {{ model-equals = "{self.asked}" }}'
        return f'[[rule]]\n{match}\nto = "{self.provider}"\nmodel = "{self.said["model"]}"\n'

    @property
    def host(self) -> str:
        """Where it shall arrive."""
        return urlsplit(str(self.said["url"])).netloc

    @property
    def token(self) -> str:
        """The credential that shall arrive there, "" for none."""
        if "key" in self.said:
            return key_in(self.said["key"])
        if self.said.get("login"):
            return login_token(self.provider)
        return GOOGLE_TOKEN if self.said.get("google") else ""


def key_in(variable: str) -> str:
    """What the tests set a variable to."""
    return f"key-in-{variable.lower().replace('_', '-')}-7f3a"


def login_token(provider: str) -> str:
    """The access token of a stored login."""
    return f"token-of-the-login-{provider}-9e1c"


@cache
def cases() -> tuple[Case, ...]:
    """All rows."""
    found = tomllib.loads(FILE.read_text(encoding="utf-8"))["request"]
    return tuple(Case(number, said) for number, said in enumerate(found))


@cache
def specs() -> tuple[ProviderSpec, ...]:
    """The providers that come with the program."""
    return tuple(ProviderRegistry.default().list_providers())


def secrets_of(provider: ProviderSpec) -> tuple[str, ...]:
    """Everything secret that this provider could be sent."""
    tokens = (login_token(provider.provider_id), REFRESH.format(provider.provider_id)) if provider.login else ()
    return (*map(key_in, provider.api_key_env_vars), *tokens)


def all_keys() -> dict[str, str]:
    """Every variable that holds a key."""
    return {name: key_in(name) for spec in specs() for name in spec.api_key_env_vars}


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one case."""

    case: Case
    status: int
    answer: bytes = field(repr=False)
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """All of it: by case, and what the program says and leaves behind."""

    heard: tuple[Heard, ...]
    passed: Mapping[str, Seen]
    ledger: tuple[dict[str, Any], ...]
    attempts: tuple[dict[str, Any], ...]
    said: Mapping[str, str] = field(repr=False)
    left: Mapping[str, bytes] = field(repr=False)


@contextmanager
def every_vendor() -> Iterator[EveryVendor]:
    """A vendor for all the hosts of the table."""
    urls = [urlsplit(str(case.said["url"])) for case in cases()]
    encrypted = {url.hostname or "" for url in urls if url.scheme == "https"}
    plain = {(url.hostname or "", url.port or 80) for url in urls if url.scheme == "http"}
    hosts = sorted(encrypted | {"api.openai.com", "api.anthropic.com"})
    with EveryVendor(hosts, sorted(plain)) as vendor:
        assert isinstance(vendor, EveryVendor)
        yield vendor


def traffic(folder: Path, vendor: EveryVendor) -> Traffic:
    """Ask every provider once, through one proxy."""
    home = home_of({"RINGLET_HOME": str(folder)})
    save_profile(home, Profile(name="work"))
    known = ProviderRegistry.default()  # a row of a provider that is not there fails its own tests only
    home.routing_file("work").write_text("\n".join(case.rule for case in cases() if known.get(case.provider)))
    _log_in(folder)
    environ = {**FILES_OFF, **all_keys(), "GOOGLE_APPLICATION_CREDENTIALS": str(_service_account(folder, vendor))}
    for case in cases():
        environ |= case.said.get("environ", {})
    with ForkedProxy(folder, vendor, profile="work", keys=environ) as proxy, client(proxy) as http:
        heard = tuple(_heard(http, vendor, case) for case in cases())
        passed = {agent: _passed(http, vendor, agent) for agent in AGENT_KEYS}
        ledger, attempts = rows(proxy), _attempts(proxy)
        said = {
            "providers list": proxy.run("providers", "list", "--json"),
            "health": httpx.get(f"{proxy.url}/health", trust_env=False).text,
            "models": httpx.get(f"{proxy.url}/v1/models", trust_env=False).text,
        }
    said["log"] = "\n".join(proxy.said)
    return Traffic(heard, passed, tuple(ledger), tuple(attempts), said, dict(_left(folder)))


def ask(http: httpx.Client, agent: str, model: str) -> httpx.Response:
    """A short request as one of two agents makes it, with credentials of its own of every kind."""
    body = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
    own = AGENT_KEYS[agent]
    if agent == "chat":
        headers = {"authorization": f"Bearer {own}", "openai-organization": "org-of-the-agent"}
        return http.post(CHAT, json=body, headers=headers)
    headers = {"x-api-key": own, "anthropic-version": "2023-06-01"}
    return http.post(MESSAGES, json=body, headers=headers)


def _heard(http: httpx.Client, vendor: EveryVendor, case: Case) -> Heard:
    before = len(vendor.seen)
    answer = ask(http, case.said["agent"], case.asked)
    arrived = tuple(seen for seen in vendor.seen[before:] if seen.path != "/token")
    return Heard(case, answer.status_code, answer.content, arrived)


def _passed(http: httpx.Client, vendor: EveryVendor, agent: str) -> Seen:
    """What no rule takes."""
    ask(http, agent, "as-it-is")
    return vendor.seen[-1]


def _attempts(proxy: RunningProxy) -> list[dict[str, Any]]:
    found = json.loads(proxy.run("usage", "--sql", "SELECT * FROM attempts", "--json"))
    assert isinstance(found, list)
    return found


def _left(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file that the program wrote, but for those that hold logins."""
    logins = home_of({"RINGLET_HOME": str(folder)}).logins_dir
    for path in sorted(folder.rglob("*")):
        if path.is_file() and logins not in path.parents and path.name != "service-account.json":
            yield str(path.relative_to(folder)), path.read_bytes()


def _log_in(folder: Path) -> None:
    """A fresh login for each provider that needs one."""
    store = store_of(home_of({"RINGLET_HOME": str(folder)}), FILES_OFF)
    for spec in specs():
        if spec.login is None:
            continue
        name = spec.provider_id
        extra = {"account_id": f"account-of-{name}"}
        if spec.auth == "copilot":
            extra = {"api": "https://api.individual.githubcopilot.com"}
        token, refresh = Secret(login_token(name), f"login:{name}"), Secret(REFRESH.format(name), f"login:{name}")
        store.save(name, Login("oauth", token, refresh, time.time() + 3600, extra))


def _service_account(folder: Path, vendor: EveryVendor) -> Path:
    """A Google service account whose tokens come from the stand-in."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path = folder / "service-account.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "our-project",
                "private_key_id": "k1",
                "private_key": pem,
                "client_email": "ringlet@our-project.iam.gserviceaccount.com",
                "token_uri": f"http://127.0.0.1:{vendor.plain_port}/token",
            }
        )
    )
    return path
