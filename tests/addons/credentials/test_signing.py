from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from ringlet_mitm.addons.credentials.aws import AwsSigner
from ringlet_mitm.addons.credentials.google import GoogleSigner
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.credentials.store import Login, LoginStore
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.endpoint_urls import Endpoint, endpoint_of
from ringlet_mitm.rules.errors import NoKey, RouteError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Target

REGISTRY = registry({})
NOW = 1_790_000_000.0
LASTING = Login("oauth", Secret("token-1"), Secret("refresh-1"), NOW + 1000, {"account_id": "acc-1"})
SPENT = replace(LASTING, expires_at=NOW - 1)


class Vendor:
    """An exchange whose refresh tokens are good once, as OpenAI's are."""

    def __init__(self) -> None:
        self.valid = "refresh-1"
        self.renewals = 0
        self.gate: Event | None = None

    def fresh(self, login: Login, now: float) -> Login:
        if not login.spent(now):
            return login
        if self.gate is not None:
            assert self.gate.wait(10)
        if login.refresh is None or login.refresh.reveal() != self.valid:
            raise NoKey("refresh_token_reused")
        self.renewals += 1
        self.valid = f"refresh-{self.renewals + 1}"
        token, refresh = Secret(f"token-{self.renewals + 1}"), Secret(self.valid)
        return replace(login, secret=token, refresh=refresh, expires_at=now + 3600)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


def target(provider: str, wire_format: WireFormat | None = None, **more: Any) -> Target:
    spec = REGISTRY.require(provider)
    spoken = wire_format or spec.formats[0]
    made = Target(spec.provider_id, "m", spoken, spec.endpoints[spoken], spec.auth_for(spoken), spec.key_ref)
    return replace(made, **more)


def outbound(to: Target) -> Outbound:
    at: Endpoint = to.endpoint
    headers = ((b"content-type", b"application/json"), (b"Authorization", b"Bearer of-the-agent"))
    return Outbound("POST", at.scheme, at.host, at.port, at.path, headers, b"{}")


def signer(home: Home | None = None, vendor: Vendor | None = None, now: float = NOW, **environ: str) -> Signer:
    vault = Vault(environ, LoginStore(home) if home else None)
    exchanges = dict.fromkeys(("copilot", "chatgpt", "minimax-oauth"), vendor or Vendor())
    return Signer(vault, lambda: REGISTRY, exchanges=exchanges, clock=lambda: now)


def signed(with_: Signer, to: Target, request: Outbound | None = None) -> tuple[Outbound, str]:
    async def run() -> tuple[Outbound, str]:
        return await with_.signed(request or outbound(to), to, await with_.key(to))

    return asyncio.run(run())


STATIC = {
    "bearer": ("groq", "GROQ_API_KEY", (b"authorization", b"Bearer our-key")),
    "x-api-key": ("anthropic", "ANTHROPIC_API_KEY", (b"x-api-key", b"our-key")),
    "x-goog-api-key": ("gemini", "GEMINI_API_KEY", (b"x-goog-api-key", b"our-key")),
    "a key of Bedrock's own": ("bedrock", "AWS_BEARER_TOKEN_BEDROCK", (b"authorization", b"Bearer our-key")),
}


@pytest.mark.parametrize(("provider", "variable", "header"), STATIC.values(), ids=STATIC)
def test_a_key_goes_into_its_header(provider: str, variable: str, header: tuple[bytes, bytes]) -> None:
    ready, label = signed(signer(**{variable: "our-key"}), target(provider))
    assert header in ready.headers and label == f"env:{variable}"


def test_azures_key_goes_into_its_header() -> None:
    known = registry({}, {"AZURE_RESOURCE_NAME": "mine"})
    spec = known.require("azure")
    at = spec.endpoints[WireFormat.CHAT]
    to = Target(spec.provider_id, "m", WireFormat.CHAT, at, spec.auth_for(WireFormat.CHAT), spec.key_ref)
    made = Signer(Vault({"AZURE_OPENAI_API_KEY": "our-key"}), lambda: known)
    ready, _ = signed(made, to)
    assert ready.host == "mine.openai.azure.com" and dict(ready.headers)[b"api-key"] == b"our-key"


def test_static_schemes_take_no_thread() -> None:
    to, made = target("groq"), signer(GROQ_API_KEY="our-key")
    with pytest.raises(StopIteration) as done:  # driven by hand: it never waits for a loop
        made.signed(outbound(to), to, Secret("our-key", "env:X")).send(None)
    assert done.value.value[1] == "env:X"


KEYLESS = {
    "a local server": ("ollama", "m", True),
    "one that may have a key": ("lmstudio", "m", True),
    "a free model": ("opencode", "big-pickle", True),
    "a model that is not free": ("opencode", "claude-opus-4-6", False),
    "a vendor": ("groq", "m", False),
}


@pytest.mark.parametrize(("provider", "model", "goes"), KEYLESS.values(), ids=KEYLESS)
def test_what_goes_without_a_key(provider: str, model: str, goes: bool) -> None:
    to = target(provider, model=model)
    request = replace(outbound(to), headers=())
    if goes:
        assert signed(signer(), to, request) == (request, "")
    else:
        with pytest.raises(NoKey, match="set "):
            signed(signer(), to, request)


def test_a_place_in_a_file_without_its_variable_is_an_error_where_keys_are_optional(home: Home) -> None:
    home.config_file.write_text('api_key = "${LMSTUDIO_KEY}"\n')
    ref = KeyRef(file=str(home.config_file), key=("api_key",))
    for provider in ("lmstudio", "bedrock", "vertex"):
        to = replace(target("lmstudio"), provider=provider, key_ref=ref, auth=REGISTRY_AUTH[provider])
        with pytest.raises(NoKey, match=r"config\.toml:1: api_key: names the variable LMSTUDIO_KEY"):
            signed(signer(), to)


REGISTRY_AUTH = {"lmstudio": "bearer", "bedrock": "aws", "vertex": "google-adc"}


@pytest.mark.parametrize(
    "elsewhere",
    [{"host": "evil.example"}, {"port": 8443}, {"scheme": "http"}],
    ids=["another host", "another port", "in the clear"],
)
def test_a_key_goes_to_its_own_provider_only(elsewhere: dict[str, Any], home: Home) -> None:
    LoginStore(home).save("openai-codex", LASTING)
    for provider in ("groq", "openai-codex"):
        to = target(provider)
        with pytest.raises(RouteError, match="is not for"):
            signed(signer(home, GROQ_API_KEY="our-key"), to, replace(outbound(to), **elsewhere))


def test_a_login_that_lasts_is_sent_without_an_exchange(home: Home) -> None:
    LoginStore(home).save("openai-codex", LASTING)
    vendor = Vendor()
    ready, label = signed(signer(home, vendor), target("openai-codex"))
    headers = dict(ready.headers)
    assert headers[b"authorization"] == b"Bearer token-1" and headers[b"chatgpt-account-id"] == b"acc-1"
    assert b"Bearer of-the-agent" not in headers.values()
    assert (label, vendor.renewals) == ("login:openai-codex", 0)


@pytest.mark.parametrize("provider", ["minimax-oauth", "minimax-portal-cn"])
def test_minimax_takes_the_token_as_a_bearer(provider: str, home: Home) -> None:
    LoginStore(home).save(provider, LASTING)
    ready, _ = signed(signer(home), target(provider))
    assert dict(ready.headers)[b"authorization"] == b"Bearer token-1"


def test_a_spent_token_is_renewed_once_for_all_requests_and_stored(home: Home) -> None:
    LoginStore(home).save("openai-codex", SPENT)
    vendor = Vendor()
    made, to = signer(home, vendor), target("openai-codex")

    async def many() -> set[bytes]:
        secret = await made.key(to)
        found = await asyncio.gather(*(made.signed(outbound(to), to, secret) for _ in range(20)))
        return {dict(ready.headers)[b"authorization"] for ready, _ in found}

    assert asyncio.run(many()) == {b"Bearer token-2"} and vendor.renewals == 1
    stored = LoginStore(home).load("openai-codex")
    assert stored is not None and stored.refresh is not None
    assert (stored.secret.reveal(), stored.refresh.reveal()) == ("token-2", "refresh-2")


def test_two_proxies_renew_it_once(home: Home) -> None:
    """The second would be refused, since a refresh token is good once."""
    LoginStore(home).save("openai-codex", SPENT)
    vendor, to, start = Vendor(), target("openai-codex"), Barrier(6)
    vendor.gate = Event()
    found: list[bytes] = []

    def proxy() -> None:
        made = signer(home, vendor)
        start.wait()
        found.append(dict(signed(made, to)[0].headers)[b"authorization"])

    threads = [Thread(target=proxy) for _ in range(6)]
    for thread in threads:
        thread.start()
    vendor.gate.set()
    for thread in threads:
        thread.join()
    assert found == [b"Bearer token-2"] * 6 and vendor.renewals == 1


def test_the_loop_does_not_wait_for_a_renewal(home: Home) -> None:
    LoginStore(home).save("openai-codex", SPENT)
    vendor, to = Vendor(), target("openai-codex")
    vendor.gate = Event()
    made = signer(home, vendor, GROQ_API_KEY="k")

    async def run() -> bytes:
        waiting = asyncio.create_task(made.signed(outbound(to), to, await made.key(to)))
        groq = target("groq")
        for _ in range(5):
            await made.signed(outbound(groq), groq, await made.key(groq))
            await asyncio.sleep(0)
        assert not waiting.done() and vendor.gate is not None
        vendor.gate.set()
        return dict((await waiting)[0].headers)[b"authorization"]

    assert asyncio.run(run()) == b"Bearer token-2"


def test_a_token_that_was_refused_is_renewed_although_it_should_last(home: Home) -> None:
    LoginStore(home).save("openai-codex", LASTING)
    vendor, to = Vendor(), target("openai-codex")
    made = signer(home, vendor)
    signed(made, to)
    made.forget(to)
    for _ in range(2):
        assert dict(signed(made, to)[0].headers)[b"authorization"] == b"Bearer token-2"
    assert vendor.renewals == 1


def test_a_refused_token_that_another_proxy_has_replaced_is_not_renewed_again(home: Home) -> None:
    LoginStore(home).save("openai-codex", LASTING)
    vendor, to = Vendor(), target("openai-codex")
    made = signer(home, vendor)
    signed(made, to)
    made.forget(to)
    LoginStore(home).save("openai-codex", replace(LASTING, secret=Secret("token-9")))
    assert dict(signed(made, to)[0].headers)[b"authorization"] == b"Bearer token-9" and vendor.renewals == 0


def test_a_login_made_while_the_proxy_runs_is_used_and_one_taken_away_is_not(home: Home) -> None:
    made, to = signer(home), target("openai-codex")
    with pytest.raises(NoKey, match="run: ringlet-mitm providers login openai-codex"):
        signed(made, to)
    LoginStore(home).save("openai-codex", LASTING)
    assert dict(signed(made, to)[0].headers)[b"authorization"] == b"Bearer token-1"
    LoginStore(home).delete("openai-codex")
    with pytest.raises(NoKey, match="run: ringlet-mitm providers login openai-codex"):
        signed(made, to)


COPILOT = {
    "no host named": ("", "api.githubcopilot.com"),
    "individual": ("https://api.individual.githubcopilot.com", "api.individual.githubcopilot.com"),
    "business": ("https://api.business.githubcopilot.com/", "api.business.githubcopilot.com"),
    "enterprise": ("https://api.enterprise.githubcopilot.com:443", "api.enterprise.githubcopilot.com"),
    "somebody else's": ("https://evil.example", "api.githubcopilot.com"),
    "one that ends alike": ("https://evilgithubcopilot.com", "api.githubcopilot.com"),
    "another port": ("https://api.individual.githubcopilot.com:8443", "api.githubcopilot.com"),
    "in the clear": ("http://api.individual.githubcopilot.com", "api.githubcopilot.com"),
    "user and password": ("https://api.githubcopilot.com@evil.example", "api.githubcopilot.com"),
}


@pytest.mark.parametrize(("api", "host"), COPILOT.values(), ids=COPILOT)
def test_copilots_token_names_the_host_below_githubs(api: str, host: str, home: Home) -> None:
    LoginStore(home).save("copilot", replace(LASTING, extra={"api": api}))
    to = target("copilot")
    ready, _ = signed(signer(home), to)
    assert (ready.host, ready.port, ready.path) == (host, 443, to.endpoint.path)
    assert dict(ready.headers)[b"authorization"] == b"Bearer token-1"


def test_a_base_url_of_the_persons_own_stays(home: Home) -> None:
    LoginStore(home).save("copilot", replace(LASTING, extra={"api": "https://api.individual.githubcopilot.com"}))
    own = endpoint_of("https://copilot.box.example/chat/completions")
    text = 'name = "mine"\nlike = "copilot"\nendpoint = "https://copilot.box.example"\n'
    known = registry({"mine.toml": text})
    to = replace(target("copilot"), provider="mine", endpoint=own)
    made = Signer(Vault({}, LoginStore(home)), lambda: known, exchanges={"copilot": Vendor()}, clock=lambda: NOW)
    assert signed(made, to)[0].host == "copilot.box.example"


def test_a_token_from_a_variable_is_sent_as_it_is(home: Home) -> None:
    to = replace(target("openai-codex"), key_ref=KeyRef(("CODEX_TOKEN",), login="openai-codex"))
    ready, label = signed(signer(home, CODEX_TOKEN="from-elsewhere"), to)
    assert (dict(ready.headers)[b"authorization"], label) == (b"Bearer from-elsewhere", "env:CODEX_TOKEN")


def test_aws_and_google_sign_by_their_own_ways() -> None:
    class Aws(AwsSigner):
        async def signed(self, outbound: Outbound) -> tuple[Outbound, str]:
            return replace(outbound, headers=((b"authorization", b"AWS4"),)), "aws:env"

    class Google(GoogleSigner):
        async def signed(self, outbound: Outbound) -> tuple[Outbound, str]:
            return replace(outbound, headers=((b"authorization", b"Bearer ya29"),)), "google-adc"

    known = registry({}, {"GOOGLE_CLOUD_PROJECT": "p"})
    vertex = known.require("vertex")
    at = vertex.endpoints[WireFormat.GEMINI]
    to_google = Target("vertex", "m", WireFormat.GEMINI, at, vertex.auth, vertex.key_ref)
    made = Signer(Vault({}), lambda: known, aws=Aws({}), google=Google())
    assert [signed(made, to)[1] for to in (target("bedrock"), to_google)] == ["aws:env", "google-adc"]
    with pytest.raises(RouteError, match="is not for"):
        signed(made, to_google, replace(outbound(to_google), host="evil.example"))


def test_nobody_is_signed_in_without_a_store() -> None:
    with pytest.raises(NoKey, match="providers login copilot"):
        signed(signer(), target("copilot"))
